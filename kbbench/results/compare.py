"""Runs on the same mixtures, or conditions of a run, by pairs: is one better than the other?"""

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
from kbbench.results.summary import MIXTURE, Summary

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
        condition: of the second run.
        first: name of a run.
        second: name of another, or of the same.
        planned: mixtures.
        scored: mixtures with a value in both.
        interval: the difference and its confidence; None where no mixture has a value in both.
        better: which values of the metric are.
        against: the condition of the first run; None where it is the second's.
    """

    condition: str
    first: str
    second: str
    planned: int
    scored: int
    interval: Interval | None
    better: Better = "higher"
    against: str | None = None

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
    _check(runs, metric, at_least=2)
    values = {run.name: _by_mixture(run.scores, metric) for run in runs}
    return [
        _difference(values, metric, (first.name, condition), (second.name, condition))
        for first, second in combinations(runs, 2)
        for condition in _conditions(first)
        if condition in _conditions(second)
    ]


def compare_with(
    runs: Sequence[FinishedRun], against: str, metric: str = "si_sdr_i"
) -> list[Difference]:
    """Every condition of every run beside one condition of the first run, such as ``small``.

    So one run is enough to see whether its hints help, and at which delay they cease to.

    Args:
        runs: one or more, on the same mixtures.
        against: a condition of the first run.
        metric: as for :func:`compare`, as are source and errors.

    Raises:
        InputError: as :func:`compare`, or the first run has no such condition.
    """
    _check(runs, metric, at_least=1)
    if against not in (known := _conditions(runs[0])):
        raise InputError(f"{runs[0].name}: no condition {against!r}; it has {', '.join(known)}")
    values = {run.name: _by_mixture(run.scores, metric) for run in runs}
    first = runs[0].name, against
    return [
        _difference(values, metric, first, (run.name, condition))
        for run in runs
        for condition in _conditions(run)
        if (run.name, condition) != first
    ]


def _conditions(run: FinishedRun) -> list[str]:
    return [item.condition for item in run.summary.conditions if item.condition != MIXTURE]


def _difference(
    values: dict[str, pd.Series], metric: str, first: tuple[str, str], second: tuple[str, str]
) -> Difference:
    """Of two runs' (name, condition)."""
    pair = pd.concat([values[name].loc[condition] for name, condition in (first, second)], axis=1)
    table = pair.to_numpy(dtype=np.float64)
    return Difference(
        condition=second[1],
        first=first[0],
        second=second[0],
        planned=len(table),
        scored=int(np.isfinite(table).all(axis=1).sum()),
        interval=bootstrap(lambda means: means[..., 1] - means[..., 0], table),
        better=metric_of(metric).better,
        against=None if first[1] == second[1] else first[1],
    )


def _check(runs: Sequence[FinishedRun], metric: str, at_least: int) -> None:
    if len(runs) < at_least:
        raise InputError(
            f"{len(runs)} run to compare, expected two or more; "
            "to compare the conditions of one run give --against, such as --against small"
        )
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
