"""Runs beside each other on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from kbbench.report.metrics import describe, digits
from kbbench.report.terminal import console
from kbbench.results.compare import Difference
from kbbench.results.confidence import LEVEL


def show_differences(
    differences: Sequence[Difference], metric: str, marks: Mapping[str, str]
) -> None:
    """One row a pair of runs and condition; what cannot be told apart is said so.

    Args:
        differences: as :func:`kbbench.results.compare` gives them.
        metric: of which they are.
        marks: what stands beside a run wherever it appears, by name; empty for an honest one.
    """
    places = digits(metric)
    table = Table("condition", "first", "second", "second - first", "", "mixtures")
    for item in differences:
        text = "no mixture has a value in both"
        if interval := item.interval:
            ends = (interval.value, interval.low, interval.high)
            text = "{} [{}, {}]".format(*(f"{end:+.{places}f}" for end in ends))
        word = item.word if item.word == "not separable" else f"second is {item.word}"
        pair = [
            Text(f"{name} ({marks[name]})" if marks[name] else name)
            for name in (item.first, item.second)
        ]
        table.add_row(item.condition, *pair, text, word, f"{item.scored}/{item.planned}")
    console().print(table)
    console().print(
        f"{describe(metric)}. Differences mixture by mixture; {LEVEL:.0%} bootstrap confidence.",
        markup=False,
    )
