"""SI-SDR improvement over the delay of hints, with confidence bands."""

from __future__ import annotations

import textwrap
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from kbbench.report.plots.svg import blank, legend, plain, svg_text
from kbbench.results import Summary
from kbbench.results.figure import Figure
from kbbench.units import milliseconds

COLOURS = {"large": "#0f766e", "boosted": "#c2410c", "small": "#1d4ed8", "control": "#6b7280"}
"""One for each model, told apart by the colour-blind and on paper."""
LINK_MARKERS = "Dsv^P*"
"""One for each channel, in turn."""


def improvement_svg(summary: Summary) -> str:
    """The plot as SVG text; the same summary gives the same text."""
    return svg_text(_draw(summary))


def _draw(summary: Summary) -> Canvas:
    canvas, axes = blank("delay of hints in ms", "SI-SDR improvement in dB")
    swept = [
        item
        for item in summary.conditions
        if item.condition.startswith("boosted@") and item.condition != "boosted@other-hints"
        if item.delay_chunks is not None and item.figures["si_sdr_i"].value is not None
    ]
    delays = [milliseconds(item.delay_chunks or 0) for item in swept]
    links = _random_links(summary)
    ages = [*delays, *(age_ms for _, age_ms, _ in links)]
    ends = (min(ages, default=0.0) - 2, max(ages, default=0.0) + 2)
    for name in ("large", "small"):
        figure = summary.condition(name).figures["si_sdr_i"]
        if figure.value is not None and figure.low is not None and figure.high is not None:
            axes.fill_between(
                ends, figure.low, figure.high, color=COLOURS[name], alpha=0.12, linewidth=0
            )
            axes.plot(ends, [figure.value] * 2, color=COLOURS[name], linestyle="--", label=name)
    figures = [item.figures["si_sdr_i"] for item in swept]
    axes.fill_between(
        delays,
        [figure.low or 0.0 for figure in figures],
        [figure.high or 0.0 for figure in figures],
        color=COLOURS["boosted"],
        alpha=0.18,
        linewidth=0,
    )
    axes.plot(
        delays,
        [figure.value or 0.0 for figure in figures],
        color=COLOURS["boosted"],
        marker="o",
        label="boosted",
    )
    for (name, age_ms, figure), marker in zip(links, cycle(LINK_MARKERS)):
        _draw_link(axes, name, age_ms, figure, marker)
    for name, marker in (("boosted@off", "x"), ("boosted@other-hints", "+")):
        try:
            value = summary.condition(name).figures["si_sdr_i"].value
        except KeyError:
            continue
        if value is not None:
            label = name.removeprefix("boosted@").replace("off", "hints off").replace("-", " ")
            axes.plot(
                [ends[1]],
                [value],
                color=COLOURS["control"],
                marker=marker,
                linestyle="",
                label=label,
            )
    axes.set_xlim(ends[0], ends[1] + 1)
    axes.set_xticks(delays)
    if links:
        axes.set_xlabel("delay of hints in ms, mean age for channels")
    legend(axes)
    return canvas


def _random_links(summary: Summary) -> list[tuple[str, float, Figure]]:
    """(name, mean age in ms, improvement) of each channel whose delay is not fixed."""
    found = []
    for item in summary.conditions:
        figure, link = item.figures.get("si_sdr_i"), item.link
        if item.delay_chunks is not None or link is None or link.age_mean_ms is None:
            continue
        if figure is not None and figure.value is not None:
            found.append((item.condition.removeprefix("boosted@"), link.age_mean_ms, figure))
    return found


def _draw_link(axes: Axes, name: str, age_ms: float, figure: Figure, marker: str) -> None:
    """One channel: a point at the mean age of its hints, with its confidence."""
    value = figure.value or 0.0
    low, high = (value if end is None else end for end in (figure.low, figure.high))
    axes.errorbar(
        [age_ms],
        [value],
        yerr=[[value - low], [high - value]],
        color=COLOURS["boosted"],
        marker=marker,
        markerfacecolor="none",
        linestyle="",
        label="\n".join(textwrap.wrap(plain(name).replace(",", ", "), 28)),
    )
