"""A figure: a mean over mixtures, its confidence, and the counts that it rests on."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from kbbench.results.confidence import Interval, bootstrap

DIGITS = 6
"""Decimals of every figure in a summary."""


class Part(BaseModel):
    """A part of a summary: frozen, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(Part):
    """A mean over mixtures with its confidence interval, and how many scores it rests on.

    ``value`` is None where there is no figure, and ``reason`` then says why. ``planned`` and
    ``scored`` count records: mixture x source x channel.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str
    planned: int
    scored: int
    reason: str | None = None


def figure_of(rows: pd.DataFrame, column: str, unit: str) -> Figure:
    """The mean of a column of scores over mixtures."""
    means = by_mixture(rows, column).to_numpy(dtype=float)
    interval = bootstrap(lambda means: means[..., 0], means[:, None])
    counts = {"unit": unit, "planned": len(rows), "scored": int(rows[column].notna().sum())}
    if interval is None:
        return Figure(value=None, reason="no mixture has a value", **counts)
    return rounded(interval, counts)


def by_mixture(rows: pd.DataFrame, column: str) -> pd.Series:
    """One value a mixture: the mean over its sources and channels that have one."""
    return rows.groupby("mixture", sort=True)[column].mean()


def rounded(interval: Interval, counts: dict[str, Any]) -> Figure:
    """A figure as it stands in a summary."""
    # Adding zero makes a negative zero positive.
    value, low, high = (
        round(number, DIGITS) + 0.0 for number in (interval.value, interval.low, interval.high)
    )
    return Figure(value=value, low=low, high=high, **counts)
