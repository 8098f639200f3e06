"""Two runs on the same mixtures, pair by pair: is one better than the other?"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from kbbench.errors import InputError
from kbbench.metrics import KNOWN, Better, metric_of
from kbbench.results.confidence import Interval, bootstrap
from kbbench.results.summary import Summary

Word = Literal["better", "worse", "not separable"]


@dataclass(frozen=True)
class FinishedRun:
    """A run as it was written.

    Args:
        name: to tell it from the others.
        summary: its figures.
        scores: one row a mixture x source x channel x condition.
    """

    name: str
    summary: Summary
    scores: pd.DataFrame


@dataclass(frozen=True)
class Difference:
    """Mean of ``second - first`` over the mixtures that both have a value for.

    Args:
        condition: under which both were run.
        first: name of a run.
        second: name of another.
        planned: mixtures.
        scored: mixtures with a value in both.
        interval: the difference and its confidence; None where no mixture has a value in both.
        better: which values of the metric are.
    """

    condition: str
    first: str
    second: str
    planned: int
    scored: int
    interval: Interval | None
    better: Better = "higher"

    @property
    def word(self) -> Word:
        """What the second run is beside the first."""
        if self.interval is None or self.interval.low <= 0 <= self.interval.high:
            return "not separable"
        higher = self.interval.value > 0
        return "better" if higher == (self.better == "higher") else "worse"


def compare(runs: Sequence[FinishedRun], metric: str = "si_sdr_i") -> list[Difference]:
    """Every pair of runs under every condition that both have.

    Differences are taken mixture by mixture, which is far sharper than to look whether the
    intervals of two means overlap: how hard a mixture is drops out.

    Args:
        runs: two or more, on the same mixtures.
        metric: a column of the scores, such as ``si_sdr_i`` or ``pesq_wb``.

    Raises:
        InputError: runs on other data, or no such metric.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13.
    """
    _check(runs, metric)
    values = {run.name: _by_mixture(run.scores, metric) for run in runs}
    differences = []
    for first, second in combinations(runs, 2):
        theirs = {item.condition for item in second.summary.conditions}
        for condition in (item.condition for item in first.summary.conditions):
            if condition not in theirs or condition == "mixture":
                continue
            pair = pd.concat(
                [values[run.name].loc[condition] for run in (first, second)], axis=1
            ).to_numpy(dtype=np.float64)
            differences.append(
                Difference(
                    condition=condition,
                    first=first.name,
                    second=second.name,
                    planned=len(pair),
                    scored=int(np.isfinite(pair).all(axis=1).sum()),
                    interval=bootstrap(lambda means: means[..., 1] - means[..., 0], pair),
                    better=metric_of(metric).better,
                )
            )
    return differences


def _check(runs: Sequence[FinishedRun], metric: str) -> None:
    if len(runs) < 2:
        raise InputError(f"{len(runs)} run to compare, expected two or more")
    first = runs[0]
    for run in runs[1:]:
        for what in ("data_sha256", "split"):
            mine, theirs = (getattr(one.summary.data, what) for one in (first, run))
            if mine != theirs:
                raise InputError(
                    f"{run.name}: {what} is {str(theirs)[:8]}, that of {first.name} is "
                    f"{str(mine)[:8]}; only runs on the same mixtures can be compared"
                )
    for run in runs:
        numbers = map(str, run.scores.select_dtypes("number"))
        columns = [name for name in numbers if name in KNOWN and f"{name}_reason" in run.scores]
        columns += [f"{name}_i" for name in columns if f"{name}_i" in run.scores]
        if metric not in columns:
            close = difflib.get_close_matches(metric, columns, n=3) or columns
            raise InputError(f"{run.name}: no metric {metric!r}; try {', '.join(close)}")


def _by_mixture(scores: pd.DataFrame, metric: str) -> pd.Series:
    """(condition, mixture) to the mean over sources and channels that have a value."""
    return scores.groupby(["condition", "mixture"], sort=True)[metric].mean()
