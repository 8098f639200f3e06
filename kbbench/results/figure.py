"""A figure: a mean over mixtures, its confidence, and the counts that it rests on."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from kbbench.metrics.metric import Better
from kbbench.results.confidence import Interval, bootstrap

DIGITS = 6
"""Decimals of every figure in a summary."""


class Part(BaseModel):
    """A part of a summary: frozen, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(Part):
    """A mean over mixtures with its confidence interval, and how many scores it rests on.

    ``value`` is None where there is no figure, and ``reason`` then says why. ``planned`` and
    ``scored`` count records: mixture x source x channel, or mixture x source where both ears are
    scored together. ``ranked`` is the mean that runs are ranked by: each failure at its cost, as
    :func:`kbbench.results.ranking.at_their_cost` counts it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str
    better: Better = "higher"
    planned: int
    scored: int
    reason: str | None = None
    ranked: float | None = None


def figure_of(
    rows: pd.DataFrame,
    column: str,
    unit: str,
    costed: pd.DataFrame | None = None,
    better: Better = "higher",
) -> Figure:
    """The mean of a column of scores over mixtures.

    Args:
        rows: records.
        column: of them.
        unit: of its values.
        costed: the same records with failures at their cost, for ``ranked``.
        better: which way is better.
    """
    means = by_mixture(rows, column).to_numpy(dtype=float)
    interval = bootstrap(lambda means: means[..., 0], means[:, None])
    counts: dict[str, Any] = {
        "unit": unit,
        "better": better,
        "planned": len(rows),
        "scored": int(rows[column].notna().sum()),
    }
    if costed is not None:
        counts["ranked"] = finite(float(by_mixture(costed, column).mean()))
    if interval is None:
        return Figure(value=None, reason="no mixture has a value", **counts)
    return rounded(interval, counts)


def by_mixture(rows: pd.DataFrame, column: str) -> pd.Series:
    """One value a mixture: the mean over its sources and channels that have one."""
    return rows.groupby("mixture", sort=True)[column].mean()


def finite(value: float) -> float | None:
    """A number as it stands in a summary; None where it is none."""
    # Adding zero makes a negative zero positive.
    return round(value, DIGITS) + 0.0 if math.isfinite(value) else None


def rounded(interval: Interval, counts: dict[str, Any]) -> Figure:
    """A figure as it stands in a summary."""
    value, low, high = map(finite, (interval.value, interval.low, interval.high))
    return Figure(value=value, low=low, high=high, **counts)
