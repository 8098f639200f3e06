"""A triple's remote, ready to be served: tried out on a frame, so that its hints are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kbbench.errors import ModelError
from kbbench.live.batching import Joiner, find_joiner
from kbbench.live.handshake import Identity
from kbbench.models.contract import Opaque, Streaming
from kbbench.models.loading import LoadedTriple
from kbbench.runner import hint_kbit_per_s
from kbbench.streaming import Stepper
from kbbench.units import CHUNK, SAMPLE_RATE

EARS = 2
"""Channels of the trial step."""


@dataclass(frozen=True)
class Remote:
    """What is served.

    Args:
        model: in its streaming form.
        identity: of the triple.
        hint_dtype: what hints are sent as.
        hint_shape: of one hint, without the mixtures' axis.
        joiner: how sessions are stepped together, where that was asked for and can be done.
    """

    model: Streaming
    identity: Identity
    hint_dtype: torch.dtype
    hint_shape: tuple[int, ...]
    joiner: Joiner | None = None

    @property
    def hint_bytes(self) -> int:
        """Of one hint's values."""
        return math.prod(self.hint_shape) * self.hint_dtype.itemsize

    @property
    def text(self) -> str:
        """In one line: what it is, and what its hints cost the link."""
        return (
            f"{self.identity.name} ({self.identity.task}), hints {list(self.hint_shape)} as "
            f"{self.identity.hint_dtype}, {hint_kbit_per_s(8 * self.hint_bytes):g} kbit/s"
        )


def remote_of(loaded: LoadedTriple, delay_chunks: int, batch: int = 1) -> Remote:
    """The remote of a triple, tried out on a second of noise.

    Args:
        loaded: the triple.
        delay_chunks: what ``triple.boosted`` is asked for.
        batch: sessions in one step, at most.

    Raises:
        ModelError: it has no streaming form, no hints, or its link is its own.
    """
    boosted = loaded.boosted_at(delay_chunks)
    triple = loaded.triple
    if isinstance(boosted, Opaque):
        raise ModelError(f"{loaded.path}: the link is inside the model; there is none to run live")
    if triple.oracle:
        raise ModelError(f"{loaded.path}: an oracle is given the reference, which no link carries")
    enrolled = triple.task == "target_speech"
    generator = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return 0.1 * torch.randn(*shape, generator=generator)

    given = noise(1, 1, SAMPLE_RATE) if enrolled else None
    try:
        stepper = Stepper("remote", boosted.remote, (1, EARS), given)
        hint = stepper.step(noise(1, EARS, CHUNK + triple.lookahead))[1]
    except ModelError as error:
        raise ModelError(f"{loaded.path}: {error}") from error
    if hint is None:
        raise ModelError(f"{loaded.path}: remote: step returned no hint")
    joiner = None
    if batch > 1:
        joiner = find_joiner(boosted.remote, triple.lookahead, EARS, enrolled)
    model: Any = boosted.remote
    shape = tuple(hint.shape[1:])
    return Remote(model, Identity.of(loaded, delay_chunks), triple.hint_dtype, shape, joiner)
