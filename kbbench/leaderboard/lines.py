"""The board as lines: what tables and site show of each row, worked out once."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

from kbbench.errors import InputError
from kbbench.leaderboard.badges import badges_of
from kbbench.leaderboard.columns import COLUMNS
from kbbench.leaderboard.rank import Board, Row
from kbbench.leaderboard.submission import TEXT_REFUSED, Submission, checked_url
from kbbench.leaderboard.tracks import BUDGETS, UNSTATED, Track
from kbbench.models.contract import Task

TASKS: tuple[Task, ...] = get_args(Task)
PAGE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""Names that are safe in a path and in an address."""
UNSEEN = "\ufffd"
"""Stands for a character that no reader sees, such as one that turns the direction of writing."""


@dataclass(frozen=True)
class Line:
    """A row of the leaderboard.

    Args:
        track: that it is ranked in.
        track_title: that track in one line, unlike any other's.
        row: with its rank and submission.
        page: name of its page, without folder and suffix; no two are alike.
    """

    track: Track
    track_title: str
    row: Row
    page: str

    @property
    def submission(self) -> Submission:
        """What the row rests on."""
        return self.row.submission

    @cached_property
    def values(self) -> tuple[float | None, ...]:
        """Its figures, in the order of ``COLUMNS``."""
        return tuple(column.read(self.submission) for column in COLUMNS)

    @cached_property
    def badges(self) -> tuple[str, ...]:
        """Keys of its badges."""
        return badges_of(self.row)

    @cached_property
    def sha256(self) -> str:
        """Of the submission, which a reproduction names."""
        return self.submission.sha256


def lines_of(board: Board) -> list[Line]:
    """A line for each row, track by track.

    Raises:
        InputError: two submissions would have one page, or a task is none.
    """
    titles = _titles(list(board.tracks))
    lines = [
        Line(track, titles[track], row, page_of(row.submission))
        for track in sorted(board.tracks, key=_order)
        for row in board.tracks[track]
    ]
    if strange := [line.track.task for line in lines if line.track.task not in TASKS]:
        raise InputError(f"task {strange[0][:40]!r}: none, expected one of {', '.join(TASKS)}")
    (page, count), *_ = Counter(line.page for line in lines).most_common(1) or [("", 0)]
    if count > 1:
        names = [line.submission.name for line in lines if line.page == page]
        raise InputError(f"{names[0]!r} and {names[1]!r}: the same run twice ({page}); keep one")
    return lines


def page_of(submission: Submission) -> str:
    """The name of a submission's page: its slug, or its hash where that is no plain name."""
    slug = submission.slug
    return slug if PAGE.fullmatch(slug) else f"submission-{submission.sha256[:16]}"


def visible(text: str, but: str = "\n\t") -> str:
    r"""Text with a mark in place of each character that no reader sees.

    >>> visible("a\u202eb")
    'a\ufffdb'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        UNSEEN
        if character not in but and unicodedata.category(character) in TEXT_REFUSED
        else character
        for character in text
    )


def is_link(address: str | None) -> bool:
    """A page may link to it: a plain https address, as submissions are checked for."""
    try:
        return address is not None and bool(checked_url(address))
    except ValueError:
        return False


def _order(track: Track) -> tuple[object, ...]:
    """Newest recipes first, links that kbbench owns, small devices."""
    budgets = [*(budget.name for budget in BUDGETS), UNSTATED.name]
    opaque = track.link == "opaque"
    data = (track.task, track.recipe, -track.recipe_version, track.data_sha256)
    return (*data, opaque, budgets.index(track.budget))


def _titles(tracks: Sequence[Track]) -> dict[Track, str]:
    """Titles of tracks; two on different data of one recipe have its hash in them."""
    alike = Counter(track.title for track in tracks)
    return {
        track: track.title
        if alike[track.title] == 1
        else f"{track.title}, data {track.data_sha256[:8]}"
        for track in tracks
    }
