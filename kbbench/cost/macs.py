"""MACs a chunk of ``forward``: how much more a longer input costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from kbbench.cost.calls import Link, Subject, link
from kbbench.cost.counter import Counter, counting
from kbbench.cost.noise import Noise, noise
from kbbench.cost.result import CostFigure, figure
from kbbench.models.contract import Opaque

LENGTHS = (240, 480, 720)
"""Chunks of the three inputs: 1.92, 3.84 and 5.76 s.

A chunk's cost is the slope between the last two, which leaves out what is paid once (enrollment,
look-ahead, padding). Memory that is bounded by 3.84 s (the window of an attention) is in its steady
state there. The slope between the first two must be the same within ``STEADY``; else the cost grows
with time, and the figure says so. The steps between them are multiples of all block lengths that
are in use: 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 30 ... chunks."""
STEADY = 0.01
"""Relative difference of the two slopes."""
COUNTED = {
    "macs_per_chunk": "macs",
    "fft_flops_per_chunk": "fft_flops",
    "elementwise_per_chunk": "elementwise",
}
"""Figures, and the counts that they come from."""

Advance = Callable[[], None]
"""Called after each piece of work."""


@dataclass(frozen=True)
class Counted:
    """Counters of each model, one for each of ``LENGTHS``, and the hints of the longest.

    There are no hints where the link is opaque.
    """

    counters: dict[str, list[Counter]]
    link: Link | None


def count(
    subjects: Mapping[str, Subject], delay_chunks: int, advance: Advance = lambda: None
) -> Counted:
    """Run every model on noise of three lengths; the device on the remote's hints.

    Args:
        subjects: small, device, and large, remote or both; the remote is the large one where it
            is not named.
        delay_chunks: of the hints.
        advance: called after each run.

    Raises:
        ModelError: a model raised, or its output breaks the contract.
    """
    counters: dict[str, list[Counter]] = {name: [] for name in subjects}

    def run(name: str, heard: Noise, hints: dict[str, Tensor]) -> Tensor | None:
        with counting() as counter:
            told = subjects[name].offline(heard, hints)
        counters[name].append(counter)
        advance()
        return told

    opaque = isinstance(subjects["device"].loaded.boosted_at(delay_chunks), Opaque)
    remote = subjects["remote" if "remote" in subjects else "large"]
    for chunks in LENGTHS:
        heard = noise(remote.loaded.triple.task, chunks)
        told = {name: run(name, heard, {}) for name in subjects if name != "device"}
        if opaque:
            run("device", heard, {})
            continue
        sent = link(remote, told[remote.name], delay_chunks)
        run("device", heard, sent.offline())
    return Counted(counters, None if opaque else sent)


def slopes(counters: list[Counter], uncounted: str | None = None) -> dict[str, CostFigure]:
    """The figures of ``COUNTED`` from counts at the three lengths, or why there are none."""
    if uncounted is not None:
        return {name: figure(name, None, uncounted) for name in COUNTED}
    unknown = sorted(set().union(*(counter.unknown for counter in counters)))
    return {
        name: _slope(name, [float(getattr(counter, what)) for counter in counters], unknown)
        for name, what in COUNTED.items()
    }


def _slope(name: str, counts: list[float], unknown: list[str]) -> CostFigure:
    first, second, third = LENGTHS
    early = (counts[1] - counts[0]) / (second - first)
    late = (counts[2] - counts[1]) / (third - second)
    notes = []
    if unknown and name == "macs_per_chunk":
        notes.append(lower_bound(unknown))
    if abs(late - early) > STEADY * max(abs(late), abs(early)):
        notes.append(
            f"not steady: {early:.4g} a chunk from chunk {first} to {second}, {late:.4g} from "
            f"{second} to {third}"
        )
    return figure(name, late, note="; ".join(notes) or None)


def lower_bound(unknown: list[str]) -> str:
    """What a count leaves out."""
    return f"a lower bound: {', '.join(unknown)} not counted"
