"""Metrics as text: what they are called, their unit and direction, and every one in a table."""

from __future__ import annotations

from collections.abc import Sequence

from kbbench.metrics import KNOWN, Metric, metric_of
from kbbench.report.rows import number, percent
from kbbench.results import Summary
from kbbench.results.figure import Figure

DIGITS = {"stoi": 3, "estoi": 3, "itd_error_us": 1}
"""Decimals, where they are not two."""
SHARES = ("wrong_talker", "wer")
"""Metrics whose mean is a share: of mixtures, or of words."""


def describe(column: str) -> str:
    """A column of scores as people call it, with its unit, and which way is better.

    >>> describe("si_sdr_i"), describe("ild_error_db")
    ('SI-SDR improvement in dB, higher is better', 'ILD error in dB, lower is better')
    """
    metric = metric_of(column)
    improvement = "" if column in KNOWN else " improvement"
    unit = f" in {metric.unit}" if metric.unit else ""
    return f"{metric.label}{improvement}{unit}, {metric.better} is better"


def digits(column: str) -> int:
    """Decimals to show."""
    return DIGITS.get(metric_of(column).name, 2)


def metric_columns(summary: Summary) -> tuple[str, ...]:
    """Columns of :func:`metric_rows`: every metric that was scored."""
    return (
        "condition",
        *(_head(KNOWN[name]) for name in _scored(summary)),
        "clipped",
    )


def metric_rows(summary: Summary) -> list[tuple[str, ...]]:
    """One row a condition: each mean, and in brackets the scores that it rests on."""
    names = _scored(summary)
    return [
        (
            item.condition,
            *(_cell(item.figures.get(name), name) for name in names),
            "–" if item.clipped is None else str(item.clipped),
        )
        for item in summary.conditions
    ]


def _scored(summary: Summary) -> Sequence[str]:
    found = {name for item in summary.conditions for name in item.figures}
    return [name for name in KNOWN if name in found]


def _head(metric: Metric) -> str:
    arrow = "↑" if metric.better == "higher" else "↓"
    unit = f" {metric.unit}" if metric.unit and metric.unit != "MOS" else ""
    return f"{metric.label}{unit} {arrow}"


def _cell(figure: Figure | None, name: str) -> str:
    if figure is None:
        return "–"
    text = percent(figure) if name in SHARES else number(figure, digits(name))
    return f"{text} ({figure.scored}/{figure.planned})"
