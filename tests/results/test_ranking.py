"""A failure costs: by hand, and never less than a bad value would."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kbbench.results.ranking import at_their_cost
from kbbench.results.summary import with_improvements

UNPROCESSED = [3.0, -2.0, 1.0]


def records(small: list[float | None], unprocessed: list[float | None]) -> pd.DataFrame:
    rows = [
        {
            "mixture": f"test/{index:05d}",
            "source": 0,
            "channel": 0,
            "condition": condition,
            "si_sdr": value,
            "ild_error_db": None if value is None else -value,
            "si_sdr_reason": "why" if value is None else None,
        }
        for condition, values in (("mixture", unprocessed), ("small", small))
        for index, value in enumerate(values)
    ]
    return with_improvements(pd.DataFrame(rows).astype({"si_sdr": float, "ild_error_db": float}))


def small(frame: pd.DataFrame, column: str) -> list[float]:
    return list(frame[frame["condition"] == "small"][column])


@pytest.mark.parametrize(("worst", "cost"), [(4.0, -2.0), (-5.0, -5.0)])
def test_the_worst_of_the_run_or_of_the_unprocessed_mixtures(worst: float, cost: float) -> None:
    filled = at_their_cost(records([None, 6.0, worst], UNPROCESSED))
    assert small(filled, "si_sdr") == [cost, 6.0, worst]
    assert small(filled, "si_sdr_i") == [cost - 3.0, 8.0, worst - 1.0]
    # Of an error, which is better low, the worst is the largest.
    assert small(filled, "ild_error_db") == [-cost, -6.0, -worst]
    assert small(filled, "si_sdr_reason")[0] == "why"


def test_all_failed_counts_as_the_worst_unprocessed_mixture_everywhere() -> None:
    filled = at_their_cost(records([None, None, None], UNPROCESSED))
    assert small(filled, "si_sdr") == [-2.0, -2.0, -2.0]
    assert np.mean(small(filled, "si_sdr_i")) < 0


def test_where_nobody_can_have_a_value_nobody_pays() -> None:
    filled = at_their_cost(records([None, 6.0, 9.0], [None, -2.0, 1.0]))
    assert np.isnan(small(filled, "si_sdr")[0])
    assert small(filled, "si_sdr")[1:] == [6.0, 9.0]


@settings(max_examples=30)
@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.integers(0, 2))
def test_it_never_pays_to_fail(values: list[float], index: int) -> None:
    """A value that would be the worst of the run and of the data costs no more than none."""
    bad = [min([*values, *UNPROCESSED]) if n == index else v for n, v in enumerate(values)]
    failed: list[float | None] = [None if n == index else v for n, v in enumerate(values)]
    honest = small(at_their_cost(records(list(values), UNPROCESSED)), "si_sdr_i")
    worst = small(at_their_cost(records(list(bad), UNPROCESSED)), "si_sdr_i")
    silent = small(at_their_cost(records(failed, UNPROCESSED)), "si_sdr_i")
    assert np.mean(worst) <= np.mean(silent) + 1e-9
    if values[index] >= min(v for n, v in enumerate([*values, *UNPROCESSED]) if n != index):
        assert np.mean(silent) <= np.mean(honest) + 1e-9


def test_arguments_are_left_alone() -> None:
    frame = records([None, 6.0, 4.0], UNPROCESSED)
    before = frame.copy()
    at_their_cost(frame)
    pd.testing.assert_frame_equal(frame, before)
