"""A live run: where the time of each chunk went, and how old hints were when they were used."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kbbench.channel.index import NO_HINT
from kbbench.report.plots.svg import blank, legend, svg_text
from kbbench.units import milliseconds

STAGES = {
    "uplink_ms": ("uplink", "#1d4ed8"),
    "queue_ms": ("wait for the remote", "#93c5fd"),
    "remote_ms": ("remote", "#0f766e"),
    "held_ms": ("wait for the link", "#fdba74"),
    "downlink_ms": ("downlink", "#c2410c"),
}
"""From a frame to its hint, one after the other; told apart by the colour-blind."""
SHOWN_CHUNKS = 30
"""A quarter of a second: more would be thinner than a line."""
OLDEST_SHOWN = 40
"""Chunks; what is older is one bar."""
NONE_AT = -2
"""Where the bar of chunks without a hint stands."""


def waterfall_svg(table: pd.DataFrame) -> str:
    """The chunks in the middle of a mixture, one below the other: frame, way, hint, step.

    Args:
        table: rows of one mixture in the order of its chunks, as in ``live.parquet``.

    Returns:
        SVG text; empty where no hint arrived.
    """
    first = max((len(table) - SHOWN_CHUNKS) // 2, 0)
    shown = table.iloc[first : first + SHOWN_CHUNKS]
    origin_ms = float(shown["heard_ms"].iloc[0])
    canvas, axes = blank("ms since the first of these frames was there", "chunk")
    chunks = shown["chunk"].to_numpy()
    left = (shown["sent_ms"] - origin_ms).to_numpy(float)
    for name, (label, colour) in STAGES.items():
        width = shown[name].to_numpy(float)
        there = np.isfinite(left) & np.isfinite(width)
        axes.barh(
            chunks[there], np.maximum(width[there], 0), left=left[there], color=colour, label=label
        )
        left = left + width
    began = (shown["began_ms"] - origin_ms).to_numpy(float)
    axes.barh(chunks, shown["device_ms"], left=began, height=0.35, color="#111827", label="device")
    used = shown[shown["seen"] != NO_HINT]
    arrived = table.set_index("chunk")["arrived_ms"]
    for step, seen, at in zip(used["chunk"], used["seen"], used["began_ms"], strict=True):
        if seen >= chunks[0]:
            ends = (float(arrived[seen]) - origin_ms, float(at) - origin_ms)
            axes.plot(ends, (seen, step), color="#6b7280", linewidth=0.6)
    axes.invert_yaxis()
    legend(axes)
    return svg_text(canvas) if np.isfinite(left).any() else ""


def ages_svg(table: pd.DataFrame) -> str:
    """How many chunks had a hint of which age.

    Args:
        table: ``live.parquet``.

    Returns:
        SVG text; empty where no hint was used.
    """
    used = table[table["seen"] != NO_HINT]
    if used.empty:
        return ""
    ages = (used["chunk"] - used["seen"]).to_numpy()
    counts = np.bincount(np.minimum(ages, OLDEST_SHOWN))
    canvas, axes = blank(
        f"age of the hint in chunks of {milliseconds(1):g} ms", "share of all chunks in %"
    )
    axes.bar(np.arange(len(counts)), 100 * counts / len(table), color="#c2410c")
    ticks = {int(age): f"{age:g}" for age in np.linspace(0, len(counts) - 1, 9).round()}
    ticks[len(counts) - 1] += " and more" if len(counts) > OLDEST_SHOWN else ""
    without = len(table) - len(used)
    if without:
        axes.bar([NONE_AT], [100 * without / len(table)], color="#6b7280")
        ticks[NONE_AT] = "none"
    axes.set_xticks(list(ticks), list(ticks.values()))
    return svg_text(canvas)
