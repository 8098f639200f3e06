"""Who is ahead of whom, and where the scores cannot tell.

A row's score is the mean SI-SDR improvement of the boosted model over delays 0 to 6, failures at
their cost (docs/scores.md). In each track rows go by score. A row that is not separable from the
best one of the group above it, on the same mixtures, is tied with that group: all of a group have
the group's ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kbbench.leaderboard.scores import mean_of_known
from kbbench.leaderboard.submission import Submission
from kbbench.leaderboard.tracks import SCORED_CONDITIONS, Track, track_of
from kbbench.results.confidence import Interval, ends, resampled
from kbbench.results.ranking import UNPROCESSED

SCORE = "si_sdr"


@dataclass(frozen=True)
class Row:
    """A submission in its track.

    Args:
        submission: what it rests on.
        score: in dB, with its confidence.
        first: best rank that it may have; None for a bound.
        last: worst one; the same where it is tied with nobody.
        reproduced: somebody ran it again, with the same result.
    """

    submission: Submission
    score: Interval
    first: int | None
    last: int | None
    reproduced: bool = False

    @property
    def rank(self) -> str:
        """As it is shown: a number, a range for a tie, "bound" for what has none."""
        if self.first is None:
            return "bound"
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"


@dataclass(frozen=True)
class Board:
    """All tracks that have rows, in a fixed order; bounds stand last in theirs."""

    tracks: dict[Track, tuple[Row, ...]]

    @property
    def rows(self) -> list[tuple[Track, Row]]:
        """All rows with their tracks."""
        return [(track, row) for track, rows in self.tracks.items() for row in rows]


def rank(submissions: Sequence[Submission], reproduced: frozenset[str] = frozenset()) -> Board:
    """Rank submissions that :func:`kbbench.leaderboard.validate.problems_of` finds nothing in.

    Args:
        submissions: in any order; the board does not depend on it.
        reproduced: sha256 of those that somebody ran again.
    """
    found: dict[Track, list[Submission]] = {}
    for submission in submissions:
        found.setdefault(track_of(submission), []).append(submission)
    return Board(
        {
            track: _ranked(sorted(found[track], key=lambda one: one.slug), reproduced)
            for track in sorted(found)
        }
    )


def per_mixture(submission: Submission) -> pd.Series:
    """Each mixture's score in dB; NaN where the unprocessed mixture has none, for anybody.

    As :func:`kbbench.results.ranking.at_their_cost` counts failures, on arrays: a thousand
    submissions take a second.
    """
    scores = submission.scores
    table = scores.table(SCORE)
    base = table[scores.conditions.index(UNPROCESSED)]
    mine = table[[scores.conditions.index(name) for name in SCORED_CONDITIONS]]
    # A minimum that passes over NaN, and is NaN where there is nothing else.
    cost = np.fmin(np.fmin.reduce(mine, axis=1), np.fmin.reduce(base))
    improved = np.where(np.isnan(mine), cost[:, None], mine) - base
    by_condition = mean_of_known(improved.reshape(len(mine), scores.mixtures, -1), axis=2)
    return pd.Series(mean_of_known(by_condition, axis=0), index=scores.ids)


def _ranked(submissions: Sequence[Submission], reproduced: frozenset[str]) -> tuple[Row, ...]:
    table = pd.concat([per_mixture(one) for one in submissions], axis=1).to_numpy(dtype=float)
    table = table[np.isfinite(table).all(axis=1)]
    means, draws = table.mean(axis=0), resampled(table)
    low, high = ends(draws)
    entries = [place for place, one in enumerate(submissions) if one.kind == "entry"]
    order = sorted(entries, key=lambda place: (-means[place], submissions[place].slug))
    ranks: dict[int, tuple[int, int]] = {}
    for group in _groups(order, draws):
        begin = len(ranks) + 1
        ranks.update(dict.fromkeys(group, (begin, begin + len(group) - 1)))
    bounds = [place for place, one in enumerate(submissions) if one.kind == "bound"]
    return tuple(
        Row(
            submission=submissions[place],
            score=Interval(float(means[place]), float(low[place]), float(high[place])),
            first=ranks[place][0] if place in ranks else None,
            last=ranks[place][1] if place in ranks else None,
            reproduced=bool(reproduced) and submissions[place].sha256 in reproduced,
        )
        for place in (*order, *bounds)
    )


def _groups(order: Sequence[int], draws: np.ndarray) -> list[list[int]]:
    """Rows that follow each other and are not separable from the first of theirs."""
    groups: list[list[int]] = []
    for place in order:
        if groups and not _separable(draws[:, groups[-1][0]] - draws[:, place]):
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _separable(differences: np.ndarray) -> bool:
    low, high = ends(differences)
    return not low <= 0 <= high
