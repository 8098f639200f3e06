"""Ranks: order, ties, tracks, bounds, and what a failure costs."""

from __future__ import annotations

import numpy as np
import pytest

from kbbench.leaderboard import Submission, rank
from kbbench.leaderboard.rank import per_mixture
from kbbench.leaderboard.tracks import BUDGETS, UNSTATED, budget_of, track_of
from tests.leaderboard.fake import fake
from tests.leaderboard.test_validate import with_scores


def ranks(submissions: list[Submission]) -> dict[str, str]:
    return {row.submission.name: row.rank for _, row in rank(submissions).rows}


def test_order_is_by_mean_improvement_over_all_delays(good: Submission) -> None:
    (row,) = [row for _, row in rank([good]).rows]
    means = [
        good.summary.condition(f"boosted@{delay}").figures["si_sdr_i"].value for delay in range(7)
    ]
    assert row.score.value == pytest.approx(np.mean(np.array(means, dtype=float)), abs=1e-5)
    assert row.score.low < row.score.value < row.score.high
    assert (row.first, row.last, row.rank) == (1, 1, "1")


def test_rows_that_cannot_be_told_apart_are_tied() -> None:
    near = [fake(f"Near {n}", n, quality_db=6.0) for n in range(2)]
    found = ranks([fake("Worse", 7, quality_db=4.0), *near, fake("Best", 8, quality_db=8.0)])
    assert found == {"Best": "1", "Near 0": "2–3", "Near 1": "2–3", "Worse": "4"}


def test_the_board_does_not_depend_on_the_order_of_files() -> None:
    made = [fake(f"Net {n}", n, quality_db=5 + n) for n in range(3)]
    assert rank(made) == rank(made[::-1])


def test_what_may_not_be_compared_is_in_tracks_of_its_own(good: Submission) -> None:
    others = [
        fake("Opaque", 1, opaque=True),
        fake("Bigger", 2, macs=9e6),
        fake("Other task", 3, recipe="mini-enhancement"),
    ]
    board = rank([good, *others])
    assert len(board.tracks) == 4
    assert all(row.rank == "1" for _, row in board.rows)
    assert len({track.slug for track in board.tracks}) == 4
    titles = [track.title for track in board.tracks]
    assert "separation: mini-separation version 2, small device, opaque link" in titles


def test_recipe_versions_never_mix(good: Submission) -> None:
    data = good.summary.data.model_copy(update={"recipe_version": 1})
    old = good.model_copy(update={"summary": good.summary.model_copy(update={"data": data})})
    assert track_of(old) != track_of(good)


def test_bounds_stand_last_without_a_rank(good: Submission) -> None:
    bound = fake("Oracle", 9, kind="bound", quality_db=20.0)
    (rows,) = rank([bound, good]).tracks.values()
    assert [(row.submission.name, row.rank) for row in rows] == [
        ("Fake net", "1"),
        ("Oracle", "bound"),
    ]


def failing(table: np.ndarray) -> np.ndarray:
    """The worst mixtures under one delay have no value."""
    table = table.copy()
    place = 6  # boosted@3
    table[place, table[place] < np.quantile(table[place], 0.3)] = np.nan
    return table


def test_a_failure_never_pays(good: Submission) -> None:
    dropped = with_scores(good, failing)
    assert per_mixture(dropped).notna().all()
    assert per_mixture(dropped).mean() < per_mixture(good).mean()


def test_a_mixture_that_has_no_score_for_anybody_counts_for_nobody(good: Submission) -> None:
    def unscored(table: np.ndarray) -> np.ndarray:
        table = table.copy()
        table[0, :4] = np.nan  # the first mixture, unprocessed
        return table

    found = per_mixture(with_scores(good, unscored))
    assert found.isna().sum() == 1
    assert rank([with_scores(good, unscored)]).rows


def test_a_reproduction_is_shown(good: Submission) -> None:
    assert not rank([good]).rows[0][1].reproduced
    assert rank([good], frozenset({good.sha256})).rows[0][1].reproduced


@pytest.mark.parametrize(
    ("macs", "name"),
    [(0, "micro"), (1e6, "micro"), (1.1e6, "small"), (2e7, "medium"), (1e9, "large")],
)
def test_budgets(macs: float, name: str) -> None:
    assert budget_of(macs).name == name
    assert budget_of(None) == UNSTATED
    assert [budget.most_macs for budget in BUDGETS] == sorted(b.most_macs for b in BUDGETS)
    assert all(budget.reason for budget in BUDGETS)
