"""Two seconds of sound for a task, and what must come out of a model that hears them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kbbench.audit.signals import EARS, with_future
from kbbench.audit.subject import Sound, make_sound
from kbbench.models.checks import Given
from kbbench.models.contract import Triple
from kbbench.rng import Stream
from kbbench.units import CHUNK, LOOKAHEAD, chunk_count, samples

ROWS, SECONDS = 2, 2.0
"""Mixtures at once, and how long they are."""
FUTURE = "noise of 0.1"
"""What is put in the place of what a model must not know of."""


@dataclass(frozen=True)
class Trial:
    """What models are tried on.

    Args:
        sound: mixtures, and enrollments for target speech.
        reference: (B, S, C, T), for oracles alone.
        sources: that must come out.
        or_more: or more of them: separation may be of more than two talkers.
        lookahead: samples past a chunk that may be heard.
        hint_dtype: what hints are sent as.
    """

    sound: Sound
    reference: Tensor | None
    sources: int
    or_more: bool
    lookahead: int
    hint_dtype: torch.dtype

    @property
    def chunks(self) -> int:
        """K."""
        return self.sound.chunks

    @property
    def given(self) -> Given:
        """What must come out."""
        names = [f"{row} of the check" for row in range(ROWS)]
        return Given(names, self.sources, EARS, self.sound.mixture.shape[-1])

    @property
    def always(self) -> dict[str, Any]:
        """What every model is given beside the mixture."""
        given: dict[str, Any] = {"enrollment": self.sound.enrollment}
        return given if self.reference is None else {**given, "reference": self.reference}

    def future(self) -> tuple[Tensor, Tensor]:
        """The mixture with another future, and the chunk (B,) up to which nothing may change."""
        chunks = torch.tensor([(row + 1) * self.chunks // (ROWS + 1) for row in range(ROWS)])
        starts = CHUNK * (chunks + 1) + self.lookahead
        return with_future(FUTURE, self.sound.mixture, starts, Stream("check", "future")), chunks


def make_trial(triple: Triple) -> Trial:
    """Sound for a triple's task, whatever is wrong with what it declares; always the same."""
    lookahead = triple.lookahead if isinstance(triple.lookahead, int) else LOOKAHEAD
    hint_dtype = triple.hint_dtype
    if not isinstance(hint_dtype, torch.dtype) or hint_dtype.is_complex:
        hint_dtype = torch.float32
    separation = triple.task == "separation"
    sources = 2 if separation else 1
    length = chunk_count(samples(SECONDS)) * CHUNK
    sound = make_sound(triple, Stream("check"), ROWS, length)
    reference = sound.mixture[:, None].repeat(1, sources, 1, 1) / sources
    return Trial(
        sound=sound,
        reference=reference if triple.oracle else None,
        sources=sources,
        or_more=separation and not triple.oracle,
        lookahead=min(max(lookahead, 0), LOOKAHEAD),
        hint_dtype=hint_dtype,
    )
