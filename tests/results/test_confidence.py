"""Bootstrap intervals against theory."""

from __future__ import annotations

import numpy as np
import pytest

from kbbench.results.confidence import bootstrap


def first(means: np.ndarray) -> np.ndarray:
    return np.asarray(means[..., 0])


def test_the_interval_of_a_mean_is_that_of_the_central_limit_theorem() -> None:
    values = np.random.default_rng(0).standard_normal((400, 1)) + 3
    interval = bootstrap(first, values)
    assert interval is not None
    half = 1.96 * values.std() / np.sqrt(400)
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_pairs_are_kept_together() -> None:
    """What all columns share cancels: the difference of pairs is surer than either mean."""
    shared = 10 * np.random.default_rng(0).standard_normal((50, 1))
    table = np.concatenate([shared + 1, shared], axis=1)
    interval = bootstrap(lambda means: means[..., 0] - means[..., 1], table)
    assert interval is not None
    assert interval.low == pytest.approx(1.0)
    assert interval.high == pytest.approx(1.0)


def test_coverage_is_about_what_it_says() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        interval = bootstrap(first, rng.standard_normal((40, 1)))
        assert interval is not None
        inside += interval.low <= 0 <= interval.high
    assert 175 <= inside <= 200


def test_a_mixture_without_a_value_counts_in_no_column() -> None:
    table = np.array([[1.0, 2.0], [np.nan, 100.0], [1.0, 2.0]])
    interval = bootstrap(lambda means: means[..., 1], table)
    assert interval is not None
    assert (interval.value, interval.low, interval.high) == (2.0, 2.0, 2.0)
    assert bootstrap(first, np.full((3, 1), np.nan)) is None
    assert bootstrap(first, np.zeros((0, 1))) is None


def test_the_same_table_gives_the_same_interval() -> None:
    table = np.random.default_rng(2).standard_normal((30, 1))
    assert bootstrap(first, table) == bootstrap(first, table)
