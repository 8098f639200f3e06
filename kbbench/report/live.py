"""A live run as text and pictures: what the page and the terminal say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kbbench.live.figures import DEADLINE_MS, STAGES, Counts, LiveFigures, Spread
from kbbench.live.phase import TABLE, read_figures
from kbbench.report.plots.live import ages_svg, waterfall_svg
from kbbench.report.plots.svg import inline
from kbbench.units import milliseconds

COLUMNS = ("", "mean", "median", "95 %", "99 %", "largest", "chunks")
COUNTED = {
    "frames_unsent": "frames that found no link, or were dropped since it was slow",
    "frames_dropped": "frames that the remote was too slow for",
    "frames_late": "frames that came too late, or torn",
    "hints_dropped": "hints that the link was too slow for",
    "chunks_without_hint": "chunks written with hints off",
    "deadlines_missed": f"chunks not written within {DEADLINE_MS:g} ms",
    "restarts": "streams begun anew",
}
"""Counts that are told where there is anything to tell."""


@dataclass(frozen=True)
class LiveView:
    """What the page shows of a live run."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str]
    waterfall: str
    ages: str


def live_view(out: Path) -> LiveView | None:
    """Of a run folder; None where the run is not live."""
    found = read_figures(out)
    if found is None:
        return None
    table = pd.read_parquet(out / TABLE)
    first = table[table["mixture"] == table["mixture"].iloc[0]]
    return LiveView(
        title=live_title(found),
        columns=COLUMNS,
        rows=[_row(name, found.stages[name]) for name in STAGES],
        notes=live_notes(found),
        waterfall=inline(waterfall_svg(first)),
        ages=inline(ages_svg(table)),
    )


def live_title(found: LiveFigures) -> str:
    """One line: how it was run."""
    network = _network_name(found.settings["network"])
    clock = "in real time" if found.settings["clock"] == "real" else "as fast as both could"
    traffic = found.traffic
    return (
        f"{found.counts.mixtures} mixtures over {found.settings['transport']}{network}, {clock}; "
        f"{traffic.kbit_per_s_up:g} kbit/s up, {traffic.kbit_per_s_down:g} kbit/s down"
    )


def live_notes(found: LiveFigures) -> list[str]:
    """What else is to be known."""
    clocks = found.clocks
    notes = ["Both processes share one clock."]
    if not clocks.one:
        notes = [
            f"The remote's clock was estimated (offset {clocks.offset_ms:g} ms, off by at most "
            f"{clocks.bound_ms:g} ms), so uplink and downlink are no better than that."
        ]
    if found.batch > 1:
        notes.append(
            f"The remote stepped up to {found.batch} sessions at once: replays may differ from "
            "this run in the last bits."
        )
    if found.network_source:
        notes.append(f"Network: {found.network_source}")
    return [*notes, *_counted(found.counts)]


def live_line(found: LiveFigures) -> str:
    """One line for the terminal."""
    age, counts = found.stages["age_chunks"], found.counts
    if age.p50 is None or age.p99 is None:
        return f"live: no hint arrived in {counts.chunks} chunks"
    missed = 100 * counts.deadlines_missed / counts.chunks
    return (
        f"live: hints are {age.p50:g} chunks old (median; 99 %: {age.p99:g} chunks, "
        f"{milliseconds(age.p99):g} ms), {missed:.1f} % of deadlines missed"
    )


def _row(name: str, spread: Spread) -> tuple[str, ...]:
    unit = "chunks" if name.endswith("chunks") else "ms"
    values = (spread.mean, spread.p50, spread.p95, spread.p99, spread.max)
    shown = ("–" if value is None else f"{value:.2f}" for value in values)
    return (f"{STAGES[name]}, {unit}", *shown, str(spread.count))


def _counted(counts: Counts) -> list[str]:
    values = counts.model_dump()
    told = [f"{text}: {values[name]}" for name, text in COUNTED.items() if values[name]]
    if counts.connections > 1:
        told.append(f"connections: {counts.connections}")
    return [f"Of {counts.chunks} chunks: {'; '.join(told)}."] if told else []


def _network_name(definition: Mapping[str, Any] | None) -> str:
    return "" if definition is None else f" through {definition['name']}"
