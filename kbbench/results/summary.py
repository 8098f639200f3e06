"""From records to the figures of a run: means with counts, improvements, gap closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from kbbench.audit import Audit
from kbbench.channel import LinkStatistics
from kbbench.cost.result import Hardware
from kbbench.metrics import KNOWN
from kbbench.results.breakdown import Group
from kbbench.results.confidence import LEVEL, RESAMPLES, bootstrap
from kbbench.results.facts import DataFacts, TripleFacts
from kbbench.results.figure import DIGITS, Figure, Part, by_mixture, figure_of, finite, rounded
from kbbench.results.price import Price
from kbbench.results.ranking import UNPROCESSED, at_their_cost
from kbbench.units import milliseconds

FORMAT = 2
"""Of ``summary.json``: 1 had no price, no hardware, no ``ranked`` and no direction of a figure."""
MIXTURE = UNPROCESSED
"""The condition of the unprocessed mixture, to which improvements relate."""
MARKS = {
    "honest": "",
    "refused": "refused by the audit, does not rank",
    "oracle": "oracle: a bound, does not rank",
    "skipped": "not audited, does not rank",
}
"""What stands beside a run of each verdict."""
OPAQUE_MARK = "opaque link, ranked apart"
"""What stands beside a run whose boosted model moves its hints itself."""
SMALLEST_GAP_DB = 0.1
"""A large model so little better than the small one leaves no gap to close."""


class Link(Part):
    """What the link did to hints, over all chunks of all mixtures.

    Ages are of the hint that the device has, over chunks that have one; None where none has.
    ``delivered_share`` counts the hints that became the device's newest, of all that were sent:
    neither lost, nor overtaken, nor still on their way at the end. ``model_delay_chunks`` is what
    ``triple.boosted`` was asked for: the delay, or the rounded median age where it is not fixed.
    """

    age_mean_chunks: float | None
    age_mean_ms: float | None
    age_p95_chunks: int | None
    age_p95_ms: float | None
    delivered_share: float
    model_delay_chunks: int

    @classmethod
    def of(cls, found: LinkStatistics, model_delay_chunks: int) -> Link:
        """Statistics as they stand in a summary."""
        mean, high = found.age_mean_chunks, found.age_p95_chunks
        return cls(
            age_mean_chunks=None if mean is None else round(mean, DIGITS),
            age_mean_ms=None if mean is None else round(milliseconds(mean), DIGITS),
            age_p95_chunks=high,
            age_p95_ms=None if high is None else milliseconds(high),
            delivered_share=round(found.delivered_share, DIGITS),
            model_delay_chunks=model_delay_chunks,
        )


class Honesty(Part):
    """What the audit said before the run; the whole of it is in ``audit.json``.

    Args:
        verdict: honest, refused (it failed, and the run does not rank), oracle or skipped.
        failures: what failed, a line each.
        lookahead_samples: measured, by part; None where it reaches the end of the input or could
            not be told.
        opaque_link: the boosted model moves its hints itself, so that nothing proves them late.
    """

    verdict: Literal["honest", "refused", "oracle", "skipped"]
    failures: tuple[str, ...] = ()
    lookahead_samples: dict[str, int | None] = Field(default_factory=dict)
    opaque_link: bool = False

    @classmethod
    def of(cls, audit: Audit | None, oracle: bool, opaque_link: bool = False) -> Honesty:
        """The part of an audit that a summary holds; None is an audit that was skipped."""
        if audit is None:
            return cls(verdict="oracle" if oracle else "skipped", opaque_link=opaque_link)
        return cls(
            verdict=audit.verdict,
            failures=tuple(f"{item.probe}, {item.part}: {item.what}" for item in audit.failures),
            lookahead_samples={
                f"{item.part}, {item.output}": None if item.to_the_end else item.samples
                for item in audit.lookahead
            },
            opaque_link=opaque_link,
        )

    @property
    def mark(self) -> str:
        """What stands beside the run wherever it appears; empty for an honest one."""
        marks = [MARKS[self.verdict], OPAQUE_MARK if self.opaque_link else ""]
        return "; ".join(mark for mark in marks if mark)


class ConditionSummary(Part):
    """All figures under one condition; ``delay_chunks`` and ``link`` where it has such a link.

    ``clipped`` counts records (mixture x source x channel) with samples beyond full scale; None in
    summaries from before they were counted.
    """

    condition: str
    delay_chunks: int | None
    figures: dict[str, Figure]
    link: Link | None = None
    clipped: int | None = None


class Summary(Part):
    """``summary.json``: the same run gives the same text, on machines of one kind.

    ``gap_closed`` has one figure a boosted condition: (boosted - small) / (large - small) of mean
    SI-SDR improvement; ``breakdowns`` has that improvement for mixtures that are alike.
    """

    format: int
    kbbench: str
    triple: TripleFacts
    data: DataFacts
    run_sha256: str
    honesty: Honesty = Honesty(verdict="skipped")
    price: Price | None = None
    headline_condition: str
    conditions: list[ConditionSummary]
    gap_closed: dict[str, Figure]
    breakdowns: tuple[Group, ...] = ()
    confidence_level: float
    bootstrap_resamples: int
    versions: dict[str, str]
    hardware: Hardware | None = None

    @property
    def mark(self) -> str:
        """What stands beside the run wherever it appears: of the audit, and of an unfair cost."""
        marks = (self.honesty.mark, self.price.mark if self.price else "")
        return "; ".join(mark for mark in marks if mark)

    def condition(self, name: str) -> ConditionSummary:
        """The figures of a condition.

        Raises:
            KeyError: it was not run.
        """
        for item in self.conditions:
            if item.condition == name:
                return item
        raise KeyError(name)


def summarize(
    records: pd.DataFrame,
    conditions: list[tuple[str, int | None]],
    links: Mapping[str, Link | None] | None = None,
) -> dict[str, Any]:
    """The parts of a summary that follow from records.

    Args:
        records: as :func:`kbbench.results.records.score_mixture` makes them, with improvements.
        conditions: (name, delay) in order of appearance.
        links: what the links of boosted conditions did, by name.
    """
    summaries = []
    costed = at_their_cost(records)
    for name, delay in conditions:
        rows = records[records["condition"] == name]
        summaries.append(
            ConditionSummary(
                condition=name,
                delay_chunks=delay,
                figures=_figures(rows, costed.loc[rows.index], name != MIXTURE),
                link=(links or {}).get(name),
                clipped=int((rows["clipped_samples"] > 0).sum()),
            )
        )
    gaps = {
        name: _gap(records, costed, name) for name, _ in conditions if name.startswith("boosted")
    }
    return {
        "conditions": summaries,
        "gap_closed": gaps,
        "confidence_level": LEVEL,
        "bootstrap_resamples": RESAMPLES,
    }


def with_improvements(records: pd.DataFrame) -> pd.DataFrame:
    """Add ``<metric>_i``: the score less that of the mixture, same source and channel.

    Of metrics of which more is better alone: less of an error is no improvement in its unit.
    """
    keys = ["mixture", "source", "channel"]
    names = [m.name for m in KNOWN.values() if m.better == "higher" and m.name in records]
    base = records[records["condition"] == MIXTURE].set_index(keys)
    unprocessed = base.loc[pd.MultiIndex.from_frame(records[keys]), names]
    improved = records[names].to_numpy(float) - unprocessed.to_numpy(float)
    return records.assign(**{f"{name}_i": improved[:, i] for i, name in enumerate(names)})


def _figures(rows: pd.DataFrame, costed: pd.DataFrame, improved: bool) -> dict[str, Figure]:
    """Every metric that was scored, and the improvement of those of which more is better."""
    figures = {}
    for metric in KNOWN.values():
        if metric.name not in rows:
            continue
        # What is scored at both ears together stands in both rows, and counts once.
        mine = rows if metric.ears is None else rows[rows["channel"] == 0]
        columns = [metric.name, f"{metric.name}_i"] if improved else [metric.name]
        for column in columns:
            if column in rows:
                costly = costed.loc[mine.index]
                figures[column] = figure_of(mine, column, metric.unit, costly, metric.better)
    return figures


def _gap(records: pd.DataFrame, costed: pd.DataFrame, name: str) -> Figure:
    """Gap closed: pair by pair on the mixtures that all three have a value for."""
    table = _improvements(records, (name, "small", "large"))
    scored = int(np.isfinite(table).all(axis=1).sum())
    counts: dict[str, Any] = {"unit": "", "planned": len(table), "scored": scored}
    if not scored:
        return Figure(value=None, reason="no mixture has a value", **counts)
    means = table[np.isfinite(table).all(axis=1)].mean(axis=0)
    if abs(means[2] - means[1]) < SMALLEST_GAP_DB:
        reason = f"large and small are less than {SMALLEST_GAP_DB} dB apart: no gap to close"
        return Figure(value=None, reason=reason, **counts)
    boosted, small, large = np.nanmean(_improvements(costed, (name, "small", "large")), axis=0)
    if abs(large - small) >= SMALLEST_GAP_DB:
        counts["ranked"] = finite((boosted - small) / (large - small))
    interval = bootstrap(lambda m: (m[..., 0] - m[..., 1]) / (m[..., 2] - m[..., 1]), table)
    if interval is None:
        return Figure(value=None, reason="the gap is not finite in every resample", **counts)
    return rounded(interval, counts)


def _improvements(records: pd.DataFrame, conditions: tuple[str, ...]) -> NDArray[np.float64]:
    """Mean SI-SDR improvement, (mixtures, conditions)."""
    columns = [
        by_mixture(records[records["condition"] == condition], "si_sdr_i")
        for condition in conditions
    ]
    return pd.concat(columns, axis=1).to_numpy(dtype=np.float64)
