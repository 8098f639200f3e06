"""One self-contained HTML page of a run: it opens from a file, with no network."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from kbbench.audio import read_pcm
from kbbench.evaluation import Beforehand
from kbbench.files import write_text
from kbbench.report.live import live_view
from kbbench.report.metrics import metric_columns, metric_rows
from kbbench.report.plots import improvement_svg, spectrogram_png
from kbbench.report.plots.spectrogram import loudest
from kbbench.report.plots.svg import inline
from kbbench.report.profile import cost_table
from kbbench.report.rows import (
    COLUMNS,
    breakdown_columns,
    breakdown_rows,
    level_text,
    percent,
    summary_rows,
    title,
)
from kbbench.results import Summary

PAGE, PLOT = "report.html", "improvement.svg"
SIGNALS = ("mixture", "small", "boosted", "large", "reference")
"""Order of the players."""


def write_report(
    summary: Summary, out: Path, attribution: str, before: Beforehand | None = None
) -> Path:
    """Write plot and page of a run folder.

    Args:
        summary: the run's figures.
        out: its folder.
        attribution: whom the page must name, since its sound is made from their recordings.
        before: what was measured before the run.

    Returns:
        the page's path.
    """
    plot = improvement_svg(summary)
    write_text(out / PLOT, plot)
    text = template("report.html").render(
        summary=summary,
        audit=before.audit if before else None,
        live=live_view(out),
        cost=cost_table(before.cost) if before and before.cost else None,
        title=title(summary),
        columns=COLUMNS,
        rows=summary_rows(summary),
        level=level_text(summary),
        metric_columns=metric_columns(summary),
        metric_rows=metric_rows(summary),
        breakdown_columns=breakdown_columns(summary),
        breakdown_rows=breakdown_rows(summary),
        headline=percent(summary.gap_closed.get(summary.headline_condition)),
        plot=inline(plot),
        signals=SIGNALS,
        attribution=attribution,
        players=_players(out / "audio", str(summary.data.split)),
    )
    write_text(out / PAGE, text)
    return out / PAGE


def template(name: str) -> jinja2.Template:
    """A page's template; whatever is put into it is escaped."""
    return environment("kbbench.report").get_template(name)


def environment(package: str, finalize: Callable[[Any], Any] | None = None) -> jinja2.Environment:
    """Templates of a package; whatever is put into them is escaped.

    Args:
        package: with a folder ``templates``.
        finalize: what is done to each value before it is escaped.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


Player = tuple[str, int, dict[str, str], dict[str, str]]
"""Mixture, source, and of each signal the sound and its spectrogram, as data URLs."""


def _players(folder: Path, split: str) -> list[Player]:
    """One for each kept mixture and source; a mixture's pictures share one scale."""
    players = []
    for mixture in sorted(folder.iterdir()) if folder.is_dir() else []:
        for reference in sorted(mixture.glob("reference-*.flac")):
            number = reference.stem.partition("-")[2]
            files = {name: mixture / f"{name}-{number}.flac" for name in SIGNALS}
            files["mixture"] = mixture / "mixture.flac"
            files = {name: path for name, path in files.items() if path.is_file()}
            sounds = {name: _url("audio/flac", path.read_bytes()) for name, path in files.items()}
            signals = {name: read_pcm(path) for name, path in files.items()}
            top = max(loudest(pcm) for pcm in signals.values())
            pictures = {
                name: _url("image/png", spectrogram_png(pcm, top)) for name, pcm in signals.items()
            }
            players.append((f"{split}/{mixture.name}", int(number), sounds, pictures))
    return players


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
