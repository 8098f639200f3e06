"""Scores of mixtures on arrays are those that the ranking rule gives, record by record."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kbbench.leaderboard.rank import per_mixture
from kbbench.leaderboard.scores import Scores
from kbbench.leaderboard.submission import Submission
from kbbench.leaderboard.tracks import SCORED_CONDITIONS
from kbbench.results.ranking import UNPROCESSED, at_their_cost
from kbbench.results.summary import with_improvements
from tests.leaderboard.fake import CONDITIONS, fake


@pytest.fixture(scope="module")
def submission() -> Submission:
    return fake(mixtures=12)


def with_holes(submission: Submission, holes: dict[str, list[int]]) -> Submission:
    """The same, with records that have no SI-SDR under some conditions."""
    records = submission.scores.frame()
    for condition, places in holes.items():
        mine = records.index[records["condition"] == condition]
        records.loc[mine[places], "si_sdr"] = np.nan
    return submission.model_copy(update={"scores": Scores.of(records, "test", CONDITIONS)})


def by_the_rule(submission: Submission) -> pd.Series:
    records = submission.scores.frame(["si_sdr"], [UNPROCESSED, *SCORED_CONDITIONS])
    costed = at_their_cost(with_improvements(records))
    mine = costed[costed["condition"] != UNPROCESSED]
    return mine.groupby(["mixture", "condition"])["si_sdr_i"].mean().groupby("mixture").mean()


HOLES = {
    "none": {},
    "some failed": {"boosted@0": [0, 5], "boosted@6": [5, 6, 7]},
    "one delay gave nothing": {"boosted@3": list(range(48))},
    "no reference for one": {UNPROCESSED: [3]},
    "no reference for a whole mixture": {UNPROCESSED: [4, 5, 6, 7], "boosted@1": [8]},
}


@pytest.mark.parametrize("name", HOLES)
def test_it_is_the_ranking_rule(submission: Submission, name: str) -> None:
    holed = with_holes(submission, HOLES[name])
    expected = by_the_rule(holed)
    found = per_mixture(holed)
    assert list(found.index) == list(expected.index)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-12)
