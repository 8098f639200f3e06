"""Several runs in one plot: gap closed over delay, and cost against quality."""

from __future__ import annotations

from collections.abc import Sequence

from kbbench.report.plots.svg import blank, legend, plain, svg_text
from kbbench.results import FinishedRun, Summary
from kbbench.results.figure import Figure
from kbbench.units import milliseconds

COLOURS = ("#c2410c", "#1d4ed8", "#0f766e", "#7e22ce", "#a16207", "#be123c", "#0369a1", "#4d7c0f")
MARKERS = "osD^vP*X"
"""One of each for every run, in turn: told apart by the colour-blind and on paper."""


def gap_svg(runs: Sequence[FinishedRun]) -> str:
    """Gap closed in percent over the delay of hints, a line a run, with confidence bands.

    Empty where no run has a gap to close.
    """
    canvas, axes = blank("delay of hints in ms", "gap closed in %")
    ticks: set[float] = set()
    for number, run in enumerate(runs):
        points = _gaps(run.summary)
        if not points:
            continue
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        delays = [delay_ms for delay_ms, _ in points]
        ticks.update(delays)
        low, mean, high = (
            [100 * (getattr(figure, end) or 0.0) for _, figure in points]
            for end in ("low", "value", "high")
        )
        axes.fill_between(delays, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(delays, mean, color=colour, marker=marker, label=plain(run.name))
    axes.axhline(100, color="#6b7280", linestyle="--", linewidth=1)
    axes.axhline(0, color="#6b7280", linestyle="--", linewidth=1)
    axes.set_xticks(sorted(ticks))
    if not ticks:
        return ""
    legend(axes)
    return svg_text(canvas)


def cost_svg(runs: Sequence[FinishedRun]) -> str:
    """SI-SDR improvement over MACs on the device: small and boosted of each run, joined.

    Runs without MACs there are left out; empty where that leaves none.
    """
    canvas, axes = blank("million MACs a chunk on the device", "SI-SDR improvement in dB")
    drawn = 0
    for number, run in enumerate(runs):
        points = _costs(run.summary)
        if not points:
            continue
        drawn += 1
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axes.plot(*zip(*[point[:2] for point in points], strict=True), color=colour, linewidth=1)
        for macs, value, model in points:
            face = "none" if model == "small" else colour
            axes.plot(
                [macs],
                [value],
                color=colour,
                marker=marker,
                markerfacecolor=face,
                linestyle="",
                label=plain(f"{run.name}, {model}"),
            )
    if not drawn:
        return ""
    axes.set_xscale("log")
    legend(axes)
    return svg_text(canvas)


def _gaps(summary: Summary) -> list[tuple[float, Figure]]:
    """(delay in ms, gap closed) of the sweep, where there is a value."""
    found = []
    for item in summary.conditions:
        figure = summary.gap_closed.get(item.condition)
        if item.delay_chunks is None or item.condition == "boosted@other-hints":
            continue
        if figure is not None and figure.value is not None:
            found.append((milliseconds(item.delay_chunks), figure))
    return sorted(found, key=lambda point: point[0])


def _costs(summary: Summary) -> list[tuple[float, float, str]]:
    """(million MACs a chunk, improvement, model) of what runs on the device."""
    if summary.price is None:
        return []
    found = []
    headline = summary.headline_condition
    for part, condition in (("small", "small"), ("device", headline)):
        macs = summary.price.macs(part)
        value = summary.condition(condition).figures["si_sdr_i"].value
        if macs and value is not None:
            found.append((macs / 1e6, value, condition))
    return found
