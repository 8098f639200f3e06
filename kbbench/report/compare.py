"""Runs beside each other: on the terminal, and on a page that opens from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from kbbench.errors import InputError
from kbbench.files import write_asked
from kbbench.report.metrics import describe, digits
from kbbench.report.page import template
from kbbench.report.plots import cost_svg, gap_svg
from kbbench.report.plots.svg import inline
from kbbench.report.quantity import quantity
from kbbench.report.rows import number, percent, signed
from kbbench.report.terminal import console
from kbbench.results import FinishedRun
from kbbench.results.compare import Difference
from kbbench.results.confidence import LEVEL

COLUMNS = ("condition", "first", "second", "second - first", "", "mixtures")
RUN_COLUMNS = (
    "run",
    "triple",
    "gap closed",
    "small SI-SDRi dB",
    "boosted",
    "large",
    "device MACs a chunk",
    "hints kbit/s",
)


def show_differences(
    differences: Sequence[Difference], metric: str, runs: Sequence[FinishedRun]
) -> None:
    """One row a pair of runs and condition; what cannot be told apart is said so.

    Args:
        differences: as :func:`kbbench.results.compare` or ``compare_with`` gives them.
        metric: of which they are.
        runs: that were compared.
    """
    table = Table(*COLUMNS)
    for row in _rows(differences, metric, runs):
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)
    console().print(_note(metric), markup=False)


def write_comparison(
    differences: Sequence[Difference], metric: str, runs: Sequence[FinishedRun], page: Path
) -> None:
    """Write runs, plots and differences as one self-contained HTML file.

    Raises:
        InputError: the file is there already, or cannot be written.
    """
    if page.exists():
        raise InputError(f"{page}: is there already; give another name, or remove it")
    text = template("compare.html").render(
        heading=" and ".join(run.name for run in runs),
        data=runs[0].summary.data,
        run_columns=RUN_COLUMNS,
        run_rows=[_run_row(run) for run in runs],
        gaps=inline(gap_svg(runs)),
        costs=inline(cost_svg(runs)),
        metric=describe(metric),
        columns=COLUMNS,
        rows=_rows(differences, metric, runs),
        note=_note(metric),
    )
    write_asked(page, text)


def _run_row(run: FinishedRun) -> tuple[str, ...]:
    summary = run.summary
    headline = summary.headline_condition
    kbit = summary.triple.hint_kbit_per_s
    macs = None if summary.price is None else summary.price.macs("device")
    improvements = (
        number(summary.condition(name).figures.get("si_sdr_i"), 2, interval=True)
        for name in ("small", headline, "large")
    )
    return (
        _named(run),
        summary.triple.name,
        f"{percent(summary.gap_closed.get(headline))} at {headline}",
        *improvements,
        "–" if macs is None else quantity(macs),
        "–" if kbit is None else f"{kbit:g}",
    )


def _note(metric: str) -> str:
    return f"{describe(metric)}. Differences mixture by mixture; {LEVEL:.0%} bootstrap confidence."


def _rows(
    differences: Sequence[Difference], metric: str, runs: Sequence[FinishedRun]
) -> list[tuple[str, ...]]:
    names = {run.name: _named(run) for run in runs}
    places = digits(metric)
    rows: list[tuple[str, ...]] = []
    for item in differences:
        no_value = "no mixture has a value in both"
        text = signed(item.interval, places) if item.interval else no_value
        word = item.word if item.word == "not separable" else f"second is {item.word}"
        beside = f", {item.against}" if item.against else ""
        pair = (f"{names[item.first]}{beside}", names[item.second])
        rows.append((item.condition, *pair, text, word, f"{item.scored}/{item.planned}"))
    return rows


def _named(run: FinishedRun) -> str:
    """A run's name, with what stands beside it wherever it appears."""
    return f"{run.name} ({run.summary.mark})" if run.summary.mark else run.name
