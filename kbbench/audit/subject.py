"""The models under audit, called as the runner calls them, every output checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kbbench.audit.signals import sounds, voices, white
from kbbench.channel import NO_HINT, Delivered, Seen
from kbbench.errors import one_line
from kbbench.models.contract import Boosted, Opaque, Triple
from kbbench.models.loading import LoadedTriple
from kbbench.rng import Stream
from kbbench.units import SAMPLE_RATE, chunk_count

ESTIMATES, HINTS = "estimates", "hints"
Outputs = dict[str, Tensor]
"""``estimates`` (B, S, C, T), and for a remote ``hints`` (B, K, ...)."""
ENROLLMENT_S = 1.0
DELAYS = (6, 0, 1, 12, 3, 9)
"""Chunks that the links of the first rows are late; the next ones lose hints and mix up delays."""
LOSS = 0.3
"""Share of hints that those lose."""
LONGEST_DELAY = 12


class Broken(Exception):  # noqa: N818 - it is the model that is broken
    """A model raised, or its output is no output; one line."""

    def __init__(self, part: str, what: str) -> None:
        super().__init__(part, what)
        self.part, self.what = part, what

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class Sound:
    """What is heard: mixture (B, C, T), and for target speech an enrollment (B, 1, T_e)."""

    mixture: Tensor
    enrollment: Tensor | None

    def rows(self, rows: Sequence[int]) -> Sound:
        """These rows, in this order, as new tensors."""
        enrollment = None if self.enrollment is None else self.enrollment[list(rows)]
        return Sound(self.mixture[list(rows)], enrollment)

    def until(self, samples: int) -> Sound:
        """Its beginning."""
        return Sound(self.mixture[..., :samples], self.enrollment)

    @property
    def chunks(self) -> int:
        """Chunks of the mixture."""
        return chunk_count(self.mixture.shape[-1])


def make_sound(triple: Triple, stream: Stream, rows: int, samples: int) -> Sound:
    """Sound for a triple's task."""
    mixture = sounds(stream, rows, samples)
    enrolled = triple.task == "target_speech"
    length = round(ENROLLMENT_S * SAMPLE_RATE)
    return Sound(mixture, voices(stream, rows, length) if enrolled else None)


@dataclass(frozen=True)
class Checked:
    """One of the user's models.

    Args:
        part: its name in findings.
        model: the user's.
        remote: it may return hints.
        written: names of the inputs that it was seen to change in place.
    """

    part: str
    model: Any
    remote: bool = False
    written: set[str] = field(default_factory=set)

    def __call__(self, sound: Sound, delivered: Delivered | None = None) -> Outputs:
        """Run it; the mixture is a copy, all else is handed over as the runner does.

        Raises:
            Broken: it raised, or returned something else than the contract says.
        """
        arguments = delivered.as_arguments() if delivered else {}
        handed = {**arguments, "enrollment": sound.enrollment}
        before = {name: value.clone() for name, value in handed.items() if value is not None}
        try:
            with torch.inference_mode():
                output = self.model(sound.mixture.clone(), **handed)
        except (Exception, SystemExit) as error:
            raise Broken(self.part, f"raised {type(error).__name__}: {one_line(error)}") from error
        finally:
            for name, value in before.items():
                if not _same_bits(handed[name], value):
                    self.written.add(name)
                    if handed[name].shape == value.shape:
                        handed[name].copy_(value)
        return self._outputs(output, sound)

    def _outputs(self, output: Any, sound: Sound) -> Outputs:
        outputs = {ESTIMATES: output}
        if self.remote and isinstance(output, tuple) and len(output) == 2:
            outputs = dict(zip((ESTIMATES, HINTS), output, strict=True))
        batch, channels, samples = sound.mixture.shape
        expected = {
            ESTIMATES: f"(batch, sources, channels, samples) = ({batch}, S, {channels}, {samples})",
            HINTS: f"(batch, chunks, ...) = ({batch}, {sound.chunks}, ...)",
        }
        for name, value in outputs.items():
            if not isinstance(value, Tensor):
                raise Broken(self.part, f"returned {name} of type {type(value).__name__}")
            shape = tuple(value.shape)
            fits = shape[:2] == (batch, sound.chunks)
            if name == ESTIMATES:
                fits = len(shape) == 4 and (shape[0], *shape[2:]) == (batch, channels, samples)
            if not fits or value.is_complex():
                raise Broken(
                    self.part, f"returned {name} {value.dtype} {shape}, expected {expected[name]}"
                )
        return {name: value.detach().clone() for name, value in outputs.items()}


@dataclass(frozen=True)
class Boost:
    """A boosted model under audit: remote, link and device.

    Args:
        delay_chunks: that it was asked for.
        device: its device part.
        remote: the remote.
        hint_dtype: what hints are sent as.
    """

    delay_chunks: int
    device: Checked
    remote: Checked
    hint_dtype: torch.dtype

    @property
    def part(self) -> str:
        """Its name in findings: of remote, link and device together."""
        return self.device.part.replace("device", "boosted")

    def hear(self, sound: Sound) -> Tensor:
        """The remote's hints (B, K, ...) as they come out of the link, not moved in time.

        Raises:
            Broken: there are none.
        """
        outputs = self.remote(sound)
        if HINTS not in outputs:
            raise Broken(self.remote.part, "returned estimates alone, expected (estimates, hints)")
        return outputs[HINTS].to(self.hint_dtype).to(torch.float32)

    def seen(self, rows: int, chunks: int, stream: Stream) -> Seen:
        """Links (rows, chunks): its own delay first, then others, then lossy ones."""
        steps = np.arange(chunks, dtype=np.int64)
        delays = (self.delay_chunks, *(d for d in DELAYS if d != self.delay_chunks))
        links = []
        for row in range(rows):
            late = np.maximum(steps - delays[row % len(delays)], NO_HINT)
            if row >= len(delays):
                late = lossy(chunks, stream)
            links.append(late)
        return np.stack(links)


def lossy(chunks: int, stream: Stream) -> Seen:
    """A link that delays each hint by 0 to 12 chunks, loses some, and hands out the newest."""
    arrives = np.arange(chunks) + np.floor(stream.units(chunks) * (LONGEST_DELAY + 1))
    arrives[stream.units(chunks) < LOSS] = np.inf
    seen = np.full(chunks, NO_HINT, dtype=np.int64)
    for hint in range(chunks):
        if arrives[hint] < chunks:
            seen[int(arrives[hint])] = max(seen[int(arrives[hint])], hint)
    return np.maximum.accumulate(seen)


def random_hints(like: Tensor, stream: Stream) -> Tensor:
    """Hints (B, K, ...) of the same size that no remote wrote."""
    size = float(like.std()) if like.numel() > 1 else 1.0
    return size * white(stream, *like.shape) if like.numel() else like.clone()


@dataclass(frozen=True)
class Subject:
    """All that is audited of a triple: each model once, whatever delays share it."""

    loaded: LoadedTriple
    small: Checked
    large: Checked
    boosts: tuple[Boost, ...]
    wholes: tuple[Checked, ...] = ()
    """Boosted models whose link is inside them, one for each delay."""

    @property
    def triple(self) -> Triple:
        """The triple."""
        return self.loaded.triple

    @property
    def models(self) -> list[Checked]:
        """Every distinct model."""
        parts = [self.small, self.large, *self.wholes]
        for boost in self.boosts:
            parts += [boost.device, boost.remote]
        return list({part.part: part for part in parts}.values())


def make_subject(loaded: LoadedTriple, delays: Sequence[int]) -> Subject:
    """The models of a triple at these delays.

    Raises:
        ModelError: ``boosted(delay)`` raised, or returned something else.
    """
    triple = loaded.triple
    large = Checked("large", triple.large, remote=True)
    distinct: dict[tuple[int, int], tuple[int, Boosted]] = {}
    wholes: list[Checked] = []
    for delay in delays:
        boosted = loaded.boosted_at(delay)
        if isinstance(boosted, Opaque):
            mark = f"@{delay}" if len(delays) > 1 else ""
            wholes.append(Checked(f"boosted{mark}", boosted.whole))
            continue
        distinct.setdefault((id(boosted.device), id(boosted.remote)), (delay, boosted))
    boosts = []
    for delay, boosted in distinct.values():
        mark = f"@{delay}" if len(distinct) > 1 else ""
        device = Checked(f"device{mark}", boosted.device)
        remote = large
        if boosted.remote is not triple.large:
            remote = Checked(f"remote{mark}", boosted.remote, remote=True)
        boosts.append(Boost(delay, device, remote, triple.hint_dtype))
    small = Checked("small", triple.small)
    return Subject(loaded, small, large, tuple(boosts), tuple(wholes))


def _same_bits(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape:
        return False
    return torch.equal(*(t.contiguous().view(torch.uint8) for t in (first, second)))
