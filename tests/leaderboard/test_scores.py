"""Scores in little space: what goes in comes out, and nothing more is ever unpacked."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kbbench.leaderboard.scores import CLIPPED, Column, Scores
from kbbench.metrics import KNOWN
from kbbench.scenes.plan import mixture_id

CONDITIONS = ("mixture", "small")


def records(values: list[float | None], mixtures: int = 2) -> pd.DataFrame:
    """One source, two channels; values in the order condition, mixture, channel."""
    keys = pd.MultiIndex.from_product(
        [CONDITIONS, [mixture_id("test", n) for n in range(mixtures)], [0], [0, 1]],
        names=["condition", "mixture", "source", "channel"],
    )
    table = {"si_sdr": values, "stoi": np.linspace(0, 1, len(values)), CLIPPED: 0}
    return pd.DataFrame(table, index=keys).reset_index()


@given(st.lists(st.none() | st.floats(-150, 100), min_size=8, max_size=8))
def test_a_round_trip_is_right_to_half_a_step(values: list[float | None]) -> None:
    made = records(values)
    frame = Scores.of(made.sample(frac=1, random_state=1), "test", CONDITIONS).frame()
    keys = ["condition", "mixture", "source", "channel"]
    pd.testing.assert_frame_equal(frame[keys], made[keys], check_dtype=False)
    expected = np.array([np.nan if value is None else value for value in values])
    np.testing.assert_array_equal(np.isnan(frame["si_sdr"]), np.isnan(expected))
    np.testing.assert_allclose(frame["si_sdr"], expected, atol=0.000501)
    np.testing.assert_allclose(frame["stoi"], made["stoi"], atol=0.0000501)


def test_means_are_over_what_has_a_value() -> None:
    made = Scores.of(records([1, 2, 3, None, None, None, 5, 7]), "test", CONDITIONS)
    means = made.means("si_sdr")
    assert list(means.columns) == list(CONDITIONS)
    np.testing.assert_allclose(means.to_numpy(), [[1.5, np.nan], [3.0, 6.0]])


def test_rows_and_columns_can_be_chosen() -> None:
    made = Scores.of(records([1, 2, 3, 4, 5, 6, 7, 8]), "test", CONDITIONS)
    chosen = made.frame(["si_sdr"], ["small"])
    assert chosen["si_sdr"].tolist() == [5, 6, 7, 8]
    assert "stoi" not in chosen


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


BOMB = packed(bytes(50_000_000))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (BOMB, "are not the 32 bytes"),
        (packed(bytes(31)), "are not the 32 bytes"),
        (packed(bytes(32)) + "AAAA", "deflated data|not the 32 bytes"),
        ("not base64!", "deflated data in base64"),
        (base64.b64encode(b"not deflated").decode(), "deflated data in base64"),
        ("", "deflated data|not the 32 bytes"),
    ],
)
def test_data_that_is_no_table_is_refused(data: str, message: str) -> None:
    good = Scores.of(records([1.0] * 8), "test", CONDITIONS)
    metrics = {**good.metrics, "si_sdr": Column(step=0.001, data=data)}
    with pytest.raises(ValidationError, match=message):
        Scores.model_validate({**good.model_dump(), "metrics": metrics})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mixtures": 10**9}, "less than or equal"),
        ({"mixtures": 20_000, "sources": 4, "conditions": [str(n) for n in range(40)]}, "at most"),
        ({"sources": 0}, "greater than or equal"),
        ({"conditions": ["small", "small"]}, "stands twice"),
        ({"conditions": []}, "at least 1"),
        ({"split": "../test"}, "match pattern"),
        ({"metrics": {}}, "no clipped_samples"),
        ({"channels": 3}, "Input should be 2"),
    ],
)
def test_counts_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    good = Scores.of(records([1.0] * 8), "test", CONDITIONS).model_dump()
    with pytest.raises(ValidationError, match=message):
        Scores.model_validate({**good, **change})


def test_unknown_metrics_are_refused() -> None:
    good = Scores.of(records([1.0] * 8), "test", CONDITIONS).model_dump()
    metrics = {**good["metrics"], "<script>": good["metrics"]["si_sdr"]}
    with pytest.raises(ValidationError, match="no metric is called"):
        Scores.model_validate({**good, "metrics": metrics})
    assert "si_sdr" in KNOWN
