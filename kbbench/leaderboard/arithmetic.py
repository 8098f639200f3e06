"""Do a submission's figures follow from its scores? All of them are computed again."""

from __future__ import annotations

from collections.abc import Iterator

from kbbench.leaderboard.scores import STEPS, Scores
from kbbench.metrics import KNOWN
from kbbench.results import Summary, summarize
from kbbench.results.figure import Figure
from kbbench.results.summary import ConditionSummary, with_improvements

COUNTS = ("unit", "better", "planned", "scored")
"""Of a figure: the same, or the figure is of something else."""
VALUES = ("value", "low", "high", "ranked")
"""Of a figure: the same within the rounding of the scores."""


def differences(summary: Summary, scores: Scores) -> Iterator[str]:
    """What a summary says otherwise than its scores, a line each.

    Args:
        summary: as submitted.
        scores: as submitted; they are rounded, so that a mean of improvements may be off by one
            step, and a gap closed by two steps at either end of the gap.
    """
    names = [item.condition for item in summary.conditions]
    if names != list(scores.conditions):
        yield "the scores are of other conditions than the summary, or in another order"
        return
    records = with_improvements(scores.frame())
    delays = [(item.condition, item.delay_chunks) for item in summary.conditions]
    found = summarize(records, delays)
    for said, counted in zip(summary.conditions, found["conditions"], strict=True):
        yield from _of_condition(said, counted)
    for name in sorted({*summary.gap_closed, *found["gap_closed"]}):
        pair = summary.gap_closed.get(name), found["gap_closed"].get(name)
        yield from _of_figure(f"gap closed of {name}", *pair, _gap_step(found["conditions"]))


def _of_condition(said: ConditionSummary, counted: ConditionSummary) -> Iterator[str]:
    if said.clipped != counted.clipped:
        yield f"{said.condition}: clipped {said.clipped}, counted {counted.clipped}"
    for name in sorted({*said.figures, *counted.figures}):
        step = 2 * STEPS[KNOWN[name.removesuffix("_i")].unit] if _known(name) else 0.0
        pair = said.figures.get(name), counted.figures.get(name)
        yield from _of_figure(f"{said.condition}: {name[:40]}", *pair, step)


def _known(name: str) -> bool:
    return name.removesuffix("_i") in KNOWN


def _of_figure(
    what: str, said: Figure | None, counted: Figure | None, step: float
) -> Iterator[str]:
    if said is None or counted is None:
        yield f"{what}: {'in the scores' if said is None else 'in the summary'} alone"
        return
    for name in COUNTS:
        if getattr(said, name) != getattr(counted, name):
            yield f"{what}: {name} {getattr(said, name)}, counted {getattr(counted, name)}"
    for name in VALUES:
        first, second = getattr(said, name), getattr(counted, name)
        if (first is None) != (second is None) or (
            first is not None and abs(first - second) > step
        ):
            yield f"{what}: {name} {first}, counted {second}"


def _gap_step(conditions: list[ConditionSummary]) -> float:
    means = {
        item.condition: item.figures["si_sdr_i"].value
        for item in conditions
        if item.figures and "si_sdr_i" in item.figures
    }
    small, large = means.get("small"), means.get("large")
    if small is None or large is None or small == large:
        return 0.0
    return 4 * STEPS["dB"] / abs(large - small) * (1 + _farthest(means, small, large))


def _farthest(means: dict[str, float | None], small: float, large: float) -> float:
    """How many gaps from the small model the farthest condition is: errors grow with it."""
    return max(
        abs((value - small) / (large - small)) for value in means.values() if value is not None
    )
