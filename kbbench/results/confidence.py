"""Bootstrap confidence: mixtures are what was drawn, so mixtures are what is resampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kbbench.rng import Stream

RESAMPLES = 2000
"""Bootstrap resamples."""
LEVEL = 0.95
"""Confidence level of every interval."""


@dataclass(frozen=True)
class Interval:
    """A figure and its percentile-bootstrap interval (Efron and Tibshirani, 1993, chapter 13)."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], table: NDArray[np.float64]
) -> Interval | None:
    """Confidence of a statistic of column means.

    Args:
        statistic: from means (..., columns) to figures (...).
        table: (mixtures, columns); a mixture with a missing value counts in no column.

    Returns:
        the interval, or None where no mixture is whole or the figure is not finite.
    """
    whole = table[np.isfinite(table).all(axis=1)]
    if not len(whole):
        return None
    value = float(statistic(whole.mean(axis=0)))
    means = resampled(whole)
    figures = statistic(means)
    if not np.isfinite(value) or not np.isfinite(figures).all():
        return None
    low, high = ends(figures)
    return Interval(value, float(low), float(high))


def resampled(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Column means of each bootstrap resample of rows; the same draws for tables of one length.

    Args:
        table: (mixtures, columns), all finite.

    Returns:
        (RESAMPLES, columns).
    """
    means: NDArray[np.float64] = np.einsum("rm,mc->rc", _weights(len(table)), table)
    return means


@lru_cache(maxsize=2)
def _weights(count: int) -> NDArray[np.float64]:
    """How often each of so many rows is drawn in each resample, as a share."""
    draws = Stream("bootstrap", count).units(RESAMPLES * count)
    index = (draws * count).astype(np.int64).reshape(RESAMPLES, count)
    return np.stack([np.bincount(row, minlength=count) for row in index]) / count


def ends(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """The interval of resampled figures (RESAMPLES, ...): (2, ...), low and high."""
    return np.asarray(np.quantile(figures, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0))
