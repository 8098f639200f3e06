"""Pictures of a live run: the same table gives the same text, and none where there is nothing."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from kbbench.live.figures import Clocks, Spread, figures
from kbbench.live.record import TIMES
from kbbench.report.live import live_line, live_notes
from kbbench.report.plots import ages_svg, waterfall_svg

SETTINGS = {"clock": "real", "transport": "udp", "network": None}
COUNTS = ("frames_unsent", "frames_dropped", "frames_late", "hints_dropped", "restarts")


def table(chunks: int = 60, age: int = 2) -> pd.DataFrame:
    """Every stage takes a millisecond; hints are so old, and the first ones are missing."""
    k = np.arange(chunks)
    columns = {name: np.ones(chunks) for name in TIMES}
    columns |= {"heard_ms": 8.0 * k, "sent_ms": 8.0 * k, "arrived_ms": 8.0 * k + 5}
    columns |= {"began_ms": 8.0 * k + 1, "late_ms": np.where(k < 6, 9.0, 2.0)}
    seen = np.where(k >= age, k - age, -1)
    sizes = {"bytes_up": np.full(chunks, 100), "bytes_down": np.full(chunks, 200)}
    return pd.DataFrame({"mixture": "m", "chunk": k, "seen": seen, **columns, **sizes})


def test_pictures_repeat_and_show_every_stage() -> None:
    first, again = (waterfall_svg(table()) for _ in range(2))
    assert first == again
    for label in ("uplink", "wait for the remote", "wait for the link", "downlink", "device"):
        assert label in first
    ages = ages_svg(table())
    assert ages == ages_svg(table()) and "none" in ages and "and more" not in ages
    assert "and more" in ages_svg(table(chunks=200, age=90))


def test_there_is_no_picture_of_nothing() -> None:
    nothing = table().assign(seen=-1)
    assert ages_svg(nothing) == ""
    columns = ["sent_ms", "uplink_ms", "queue_ms", "remote_ms", "held_ms", "downlink_ms"]
    assert waterfall_svg(nothing.assign(**dict.fromkeys(columns, np.nan))) == ""


def test_one_chunk_is_enough() -> None:
    assert "<svg" in waterfall_svg(table(chunks=1, age=0))
    assert "<svg" in ages_svg(table(chunks=1, age=0))


def test_figures_are_counted_and_said() -> None:
    counted = [{**dict.fromkeys(COUNTS, 0), "connections": 2, "frames_late": 4}]
    clocks = Clocks(one=False, offset_ms=12.5, bound_ms=0.25)
    found = figures(table(), SETTINGS, counted, clocks, batch=4, torch="2")
    assert found.stages["age_chunks"].p50 == found.stages["age_chunks"].max == 2
    assert found.stages["round_trip_ms"].mean == 5
    assert found.counts.deadlines_missed == 6 and found.counts.chunks_without_hint == 2
    assert found.counts.hints_used == 58
    assert found.traffic.kbit_per_s_up == pytest.approx(100)
    assert live_line(found) == (
        "live: hints are 2 chunks old (median; 99 %: 2 chunks, 16 ms), 10.0 % of deadlines missed"
    )
    notes = " ".join(live_notes(found))
    for text in ("offset 12.5 ms, off by at most 0.25 ms", "up to 4 sessions at once"):
        assert text in notes
    assert re.search(r"Of 60 chunks: .*torn: 4; .*hints off: 2; .*8 ms: 6; connections: 2\.", notes)


def test_percentiles_of_whole_numbers_are_whole() -> None:
    spread = Spread.of(np.array([1.0, 2.0, 2.0, 7.0, np.nan]))
    assert (spread.count, spread.p50, spread.p99, spread.max) == (4, 2, 7, 7)
    assert Spread.of(np.array([np.nan])).p50 is None
