"""Figures of a row: which they are, what they are called, and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kbbench.leaderboard.submission import Submission
from kbbench.leaderboard.tracks import device_macs
from kbbench.metrics.metric import Better
from kbbench.report.quantity import quantity
from kbbench.results.figure import Figure
from kbbench.units import HEADLINE_DELAY, OFFICIAL_DELAYS, milliseconds

Group = Literal["delays", "metrics", "cost"]
GROUPS: dict[Group, str] = {
    "delays": "improvement at each delay",
    "metrics": "other metrics at 48 ms",
    "cost": "cost",
}
"""Columns that are shown or hidden together, and what they are."""
HEADLINE = f"boosted@{HEADLINE_DELAY}"
HEADLINE_MS = milliseconds(HEADLINE_DELAY)
MISSING = "–"
"""Where a row has no such figure."""

Read = Callable[[Submission], float | None]


@dataclass(frozen=True)
class Column:
    """One figure of every row.

    Args:
        key: its name in CSV, with its unit.
        label: what people read over it, with its unit.
        group: that it belongs to; None for what is always shown.
        read: its value; None where a submission has none.
        digits: decimals.
        kind: how it is written: fixed decimals, a quantity with a prefix, or a share in percent.
        better: which way is better.
    """

    key: str
    label: str
    group: Group | None
    read: Read
    digits: int = 2
    kind: Literal["number", "quantity", "share"] = "number"
    better: Better = "higher"

    def text(self, value: float | None) -> str:
        """A value as people read it."""
        if value is None:
            return MISSING
        if self.kind == "quantity":
            return quantity(value)
        scaled = 100 * value if self.kind == "share" else value
        plain = f"{round(scaled, self.digits) + 0.0:.{self.digits}f}"
        return f"{plain} %" if self.kind == "share" else plain


def at_cost(figure: Figure | None) -> float | None:
    """A mean with each failure at its cost, as runs are ranked; the plain one of old files."""
    if figure is None:
        return None
    return figure.value if figure.ranked is None else figure.ranked


def improvement(delay_chunks: int) -> Read:
    """SI-SDR improvement of the boosted model at a delay, in dB."""
    return _metric("si_sdr_i", f"boosted@{delay_chunks}")


def _metric(name: str, condition: str = HEADLINE) -> Read:
    def read(submission: Submission) -> float | None:
        return at_cost(submission.summary.condition(condition).figures.get(name))

    return read


def remote_macs(submission: Submission) -> float | None:
    """MACs a chunk of the remote; None where it cannot be told from the device."""
    price = submission.summary.price
    return price.macs("remote") if price is not None and "remote" in price.models else None


def hint_kbit(submission: Submission) -> float | None:
    """What hints cost the link in kbit/s; None where the link is opaque."""
    price = submission.summary.price
    return None if price is None else price.hint_kbit_per_s.value


def chunk_p99_ms(submission: Submission) -> float | None:
    """Time of a chunk on the device, 99th percentile, on the hardware of whoever ran it."""
    return submission.cost.models["device"].value("chunk_ms_p99")


def _delay(delay_chunks: int) -> Column:
    ms = f"{milliseconds(delay_chunks):g}"
    return Column(
        f"si_sdr_i_{ms}_ms_db", f"SI-SDRi at {ms} ms, dB", "delays", improvement(delay_chunks)
    )


COLUMNS = (
    Column(
        "gap_closed_48_ms",
        "gap closed at 48 ms",
        None,
        lambda submission: at_cost(submission.summary.gap_closed.get(HEADLINE)),
        digits=0,
        kind="share",
    ),
    *(_delay(delay) for delay in OFFICIAL_DELAYS),
    Column("pesq_wb", "PESQ-WB", "metrics", _metric("pesq_wb")),
    Column("stoi", "STOI", "metrics", _metric("stoi"), digits=3),
    Column("ild_error_db", "ILD error, dB", "metrics", _metric("ild_error_db"), better="lower"),
    Column("itd_error_us", "ITD error, µs", "metrics", _metric("itd_error_us"), 1, better="lower"),
    Column(
        "wrong_talker_rate",
        "wrong talker",
        "metrics",
        _metric("wrong_talker"),
        digits=1,
        kind="share",
        better="lower",
    ),
    Column(
        "device_macs_per_chunk",
        "device MACs a chunk",
        "cost",
        device_macs,
        kind="quantity",
        better="lower",
    ),
    Column(
        "remote_macs_per_chunk",
        "remote MACs a chunk",
        "cost",
        remote_macs,
        kind="quantity",
        better="lower",
    ),
    Column("hint_kbit_per_s", "hints, kbit/s", "cost", hint_kbit, digits=0, better="lower"),
    Column("chunk_p99_ms", "chunk p99, ms", "cost", chunk_p99_ms, better="lower"),
)
"""All figures beside the score, in order. ``chunk_p99_ms`` is of each submission's own machine."""
