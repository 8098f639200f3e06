"""What a live run measured, as percentiles over all chunks: ``live.json``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from kbbench.channel.index import NO_HINT
from kbbench.units import milliseconds

PERCENTS = (50, 95, 99)
STAGES = {
    "uplink_ms": "device to remote",
    "queue_ms": "wait for the remote",
    "remote_ms": "remote's step",
    "held_ms": "wait for the link",
    "downlink_ms": "remote to device",
    "round_trip_ms": "frame sent to hint there",
    "device_ms": "device's step",
    "late_ms": "frame there to chunk written",
    "age_chunks": "age of the hint used",
}
"""Figures of ``live.json``, and what they are."""
DEADLINE_MS = milliseconds(1)
DIGITS = 3


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Spread(_Part):
    """Percentiles of a figure; None where it was never measured."""

    count: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Spread:
        """Of values, of which NaN are none; percentiles of whole numbers are whole numbers."""
        found = values[np.isfinite(values)]
        if not len(found):
            return cls(count=0, mean=None, p50=None, p95=None, p99=None, max=None)
        method: Any = "higher" if (found == np.rint(found)).all() else "linear"
        percentiles = np.percentile(found, PERCENTS, method=method)
        high = {
            f"p{p}": round(float(v), DIGITS) for p, v in zip(PERCENTS, percentiles, strict=True)
        }
        mean, most = (round(float(value), DIGITS) for value in (found.mean(), found.max()))
        return cls(count=len(found), mean=mean, max=most, **high)


class Clocks(_Part):
    """How the remote's stamps were put on the device's clock.

    Args:
        one: both processes share a clock; nothing was estimated.
        offset_ms: estimated, as NTP does it.
        bound_ms: it is off by so much at most.
    """

    one: bool
    offset_ms: float
    bound_ms: float


class Counts(_Part):
    """Over all mixtures.

    Args:
        mixtures: that were streamed.
        chunks: of them.
        frames_unsent: that found no link, or were dropped since it was slow.
        frames_dropped: the oldest, where the remote was slow.
        frames_late: that came too late or torn, and were not heard.
        hints_dropped: the oldest, where the link was slow.
        hints_used: that became the device's newest.
        chunks_without_hint: written with hints off.
        deadlines_missed: chunks that were not written within 8 ms of their frame; with the fast
            clock, whose step took longer.
        connections: to the remote.
        restarts: streams that were begun anew, since it was not known what the remote had heard.
    """

    mixtures: int
    chunks: int
    frames_unsent: int
    frames_dropped: int
    frames_late: int
    hints_dropped: int
    hints_used: int
    chunks_without_hint: int
    deadlines_missed: int
    connections: int
    restarts: int


class Traffic(_Part):
    """What was handed to the sockets, headers of WebSocket or datagrams included, IP's not."""

    bytes_up: int
    bytes_down: int
    kbit_per_s_up: float
    kbit_per_s_down: float


class LiveFigures(_Part):
    """``live.json``.

    Args:
        settings: as they name the run.
        network_source: of the figures of the network that was put between.
        clocks: of the two processes.
        batch: sessions that the remote stepped at once; 1 is exact.
        torch: version at the remote.
        stages: the figures of ``STAGES``.
        counts: how often what happened.
        traffic: on the link.
    """

    format: Literal[1] = 1
    settings: dict[str, Any]
    network_source: str = ""
    clocks: Clocks
    batch: int
    torch: str
    stages: dict[str, Spread]
    counts: Counts
    traffic: Traffic


def figures(
    table: pd.DataFrame,
    settings: dict[str, Any],
    counted: Iterable[dict[str, int]],
    clocks: Clocks,
    **facts: Any,
) -> LiveFigures:
    """The figures of a run.

    Args:
        table: one row a mixture and chunk, as :mod:`kbbench.live.phase` writes it.
        settings: of the run.
        counted: of each mixture, the counts that are not in the table.
        clocks: of the two processes.
        facts: ``batch``, ``torch`` and ``network_source``.
    """
    counts = pd.DataFrame(list(counted)).sum()
    seen = table["seen"].to_numpy()
    age = np.where(seen == NO_HINT, np.nan, table["chunk"].to_numpy() - seen)
    columns = {name: table[name].to_numpy(float) for name in STAGES if name in table}
    columns["round_trip_ms"] = (table["arrived_ms"] - table["sent_ms"]).to_numpy(float)
    columns["age_chunks"] = age
    late = columns["late_ms" if settings["clock"] == "real" else "device_ms"]
    seconds = milliseconds(len(table)) / 1000
    sizes = [int(table[name].sum()) for name in ("bytes_up", "bytes_down")]
    up, down = (round(8 * size / 1000 / seconds, DIGITS) for size in sizes)
    used = table[table["seen"] != NO_HINT].groupby("mixture")["seen"].nunique().sum()
    return LiveFigures(
        settings=settings,
        clocks=clocks,
        stages={name: Spread.of(columns[name]) for name in STAGES},
        counts=Counts(
            mixtures=int(table["mixture"].nunique()),
            chunks=len(table),
            hints_used=int(used),
            chunks_without_hint=int((seen == NO_HINT).sum()),
            deadlines_missed=int((late > DEADLINE_MS).sum()),
            **{str(name): int(value) for name, value in counts.items()},
        ),
        traffic=Traffic(
            bytes_up=sizes[0], bytes_down=sizes[1], kbit_per_s_up=up, kbit_per_s_down=down
        ),
        **facts,
    )
