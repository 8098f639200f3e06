"""One self-contained HTML page of a run: it opens from a file, with no network."""

from __future__ import annotations

import base64
from pathlib import Path

import jinja2

from kbbench.audit import Audit
from kbbench.files import write_text
from kbbench.report.metrics import metric_columns, metric_rows
from kbbench.report.plot import improvement_svg
from kbbench.report.rows import (
    COLUMNS,
    breakdown_columns,
    breakdown_rows,
    percent,
    summary_rows,
    title,
)
from kbbench.results import Summary

PAGE, PLOT = "report.html", "improvement.svg"
SIGNALS = ("mixture", "small", "boosted", "large", "reference")
"""Order of the players."""


def write_report(summary: Summary, out: Path, attribution: str, audit: Audit | None = None) -> Path:
    """Write plot and page of a run folder.

    Args:
        summary: the run's figures.
        out: its folder.
        attribution: whom the page must name, since its sound is made from their recordings.
        audit: what was measured before the run.

    Returns:
        the page's path.
    """
    plot = improvement_svg(summary)
    write_text(out / PLOT, plot)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kbbench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("report.html").render(
        summary=summary,
        audit=audit,
        title=title(summary),
        columns=COLUMNS,
        rows=summary_rows(summary),
        metric_columns=metric_columns(summary),
        metric_rows=metric_rows(summary),
        breakdown_columns=breakdown_columns(summary),
        breakdown_rows=breakdown_rows(summary),
        headline=percent(summary.gap_closed.get(summary.headline_condition)),
        plot=plot[plot.index("<svg") :],
        signals=SIGNALS,
        attribution=attribution,
        players=_players(out / "audio", str(summary.data["split"])),
    )
    write_text(out / PAGE, text)
    return out / PAGE


def _players(folder: Path, split: str) -> list[tuple[str, int, dict[str, str]]]:
    """(mixture, source, sound of each signal as a data URL) of each kept mixture and source."""
    players = []
    for mixture in sorted(folder.iterdir()) if folder.is_dir() else []:
        for reference in sorted(mixture.glob("reference-*.flac")):
            number = reference.stem.partition("-")[2]
            files = {name: mixture / f"{name}-{number}.flac" for name in SIGNALS}
            files["mixture"] = mixture / "mixture.flac"
            sounds = {name: _data_url(path) for name, path in files.items() if path.is_file()}
            players.append((f"{split}/{mixture.name}", int(number), sounds))
    return players


def _data_url(path: Path) -> str:
    return "data:audio/flac;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
