"""Hints change nothing before they arrive.

The device gets hints already moved in time: output chunk k may depend on ``hints[:, j]`` for
j <= k alone. Through the link, it may depend on what the remote heard before hint ``seen[k]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from kbbench.audit.compare import SAME_SHAPE, by_chunk, first_chunk, first_sample
from kbbench.audit.result import Finding
from kbbench.audit.signals import NAN, white, with_future
from kbbench.audit.subject import ESTIMATES, Boost, Broken, Sound, random_hints
from kbbench.channel import NO_HINT, Delivered, Seen, deliver
from kbbench.rng import Stream
from kbbench.units import CHUNK

PROBE = "hints"
SCHEDULE = "another schedule"
Change = Callable[[Tensor, Stream], Tensor]


def _noise(size: float) -> Change:
    def add(hints: Tensor, stream: Stream) -> Tensor:
        scale = float(hints.std()) if hints.numel() > 1 else 1.0
        return hints + size * (scale or 1.0) * white(stream, *hints.shape)

    return add


LATER_HINTS: dict[str, Change] = {
    NAN: lambda hints, stream: torch.full_like(hints, torch.nan),
    "noise of 0.1 of their deviation": _noise(0.1),
    "noise of 10 deviations": _noise(10.0),
    "zeros": lambda hints, stream: torch.zeros_like(hints),
    "hints of another mixture": lambda hints, stream: hints.roll(1, 0),
}


def later_hints(
    boost: Boost, sound: Sound, seen: Seen, rounds: int, stream: Stream
) -> Iterator[Finding]:
    """Other hints, and another schedule, from chunk j on: output before chunk j stays."""
    heard = boost.hear(sound)
    found: list[tuple[str, Tensor, Tensor, Tensor]] = []
    for written, turns in ((heard, rounds), (random_hints(heard, stream), 1)):
        given = deliver(written, seen)
        plain = boost.device(sound, given)[ESTIMATES]
        for kind in (*LATER_HINTS, SCHEDULE):
            for _ in range(turns):
                starts = 1 + (torch.from_numpy(stream.units(len(seen))) * (sound.chunks - 1)).long()
                later = torch.arange(sound.chunks) >= starts[:, None]
                try:
                    other = boost.device(sound, _changed(kind, written, given, later, stream))
                except Broken:
                    if kind == NAN:
                        break
                    raise
                found.append((kind, plain, other[ESTIMATES], starts))
    yield from _judge(boost, found)


def _changed(
    kind: str, written: Tensor, given: Delivered, later: Tensor, stream: Stream
) -> Delivered:
    if kind == SCHEDULE:
        other = deliver(written, _early_or_never(len(later), later.shape[1]))
        hints, mask, age = other.hints, other.seen_mask, other.age
    else:
        changed = LATER_HINTS[kind](given.hints, stream)
        seen = given.seen_mask.reshape(*later.shape, *[1] * (given.hints.ndim - 2))
        # Where no hint has arrived there are zeros, as the link gives them.
        hints, mask, age = torch.where(seen, changed, 0), given.seen_mask, given.age
    wide = later.reshape(*later.shape, *[1] * (given.hints.ndim - 2))
    return Delivered(
        torch.where(wide, hints, given.hints),
        torch.where(later, mask, given.seen_mask),
        torch.where(later, age, given.age),
    )


def _early_or_never(rows: int, chunks: int) -> Seen:
    """At once in even rows, never in odd ones: nobody's schedule."""
    steps = np.arange(chunks, dtype=np.int64)
    return np.stack([steps if row % 2 == 0 else np.full(chunks, NO_HINT) for row in range(rows)])


def _judge(boost: Boost, found: list[tuple[str, Tensor, Tensor, Tensor]]) -> Iterator[Finding]:
    """The earliest chunk that a later hint changed; NaN by itself is a warning."""
    leaks = []
    for kind, plain, other, starts in found:
        before = int(starts.max())
        first = first_chunk(by_chunk(plain, other, ESTIMATES, before), SAME_SHAPE)
        for row in (first < starts).nonzero()[:, 0].tolist():
            chunk, start = int(first[row]), int(starts[row])
            sample = first_sample(plain[row], other[row], chunk, SAME_SHAPE)
            leaks.append((kind == NAN, -(start - chunk), chunk, start, sample, kind))
    if not leaks:
        return
    only_nan, early, chunk, start, sample, kind = min(leaks)
    yield Finding(
        probe=PROBE,
        part=boost.device.part,
        severity="warning" if only_nan else "failure",
        what=(
            f"{kind} from chunk {start} on changes the output from sample {sample} on, "
            f"{-early} chunks before that hint is there"
            + ("; no finite hint does" if only_nan else "")
        ),
        look_for=(
            "look for hints that are rolled or indexed by age within forward, a layer over hints "
            "that looks both ways, or their mean over all chunks; hints come already delayed"
        ),
        measured=float(-early),
        unit="chunks",
        at_sample=sample,
        at_chunk=chunk,
    )


def heard_in_time(
    boost: Boost, sound: Sound, seen: Seen, rounds: int, declared: int, stream: Stream
) -> Iterator[Finding]:
    """The remote alone hears another future: no change before a hint that may know of it."""
    hints = boost.hear(sound)
    plain = boost.device(sound, deliver(hints, seen))[ESTIMATES]
    samples = sound.mixture.shape[-1]
    worst: tuple[int, int, int, int] | None = None
    for kind in ("other speech", "noise of 0.1", "silence"):
        for _ in range(rounds):
            starts = (torch.from_numpy(stream.units(len(seen))) * samples).long()
            heard = Sound(with_future(kind, sound.mixture, starts, stream), sound.enrollment)
            other = boost.device(sound, deliver(boost.hear(heard), seen))[ESTIMATES]
            first = first_chunk(by_chunk(plain, other, ESTIMATES), SAME_SHAPE)
            for row, start in enumerate(starts.tolist()):
                knows = np.maximum.accumulate(seen[row]) >= (start - declared) // CHUNK
                allowed = int(knows.argmax()) if knows.any() else sound.chunks
                chunk = int(first[row])
                if chunk < allowed:
                    sample = first_sample(plain[row], other[row], chunk, SAME_SHAPE)
                    lead = (chunk - allowed, chunk, start, sample)
                    worst = lead if worst is None else min(worst, lead)
    if worst is None:
        return
    early, chunk, start, sample = worst
    yield Finding(
        probe=PROBE,
        part=boost.part,
        what=(
            f"what the remote hears from sample {start} on changes the output from sample "
            f"{sample} on, {-early} chunks before a hint that may know of it arrives"
        ),
        look_for=(
            "look for a remote whose hints look ahead, and for a way from remote to device "
            "beside the hints"
        ),
        measured=float(-early),
        unit="chunks",
        at_sample=sample,
        at_chunk=chunk,
    )
