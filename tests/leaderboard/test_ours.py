"""The submissions that stand in this repository: what the pull request of a new one runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbbench.leaderboard import read_reproductions, validate_folder

FOLDER = Path(__file__).parents[2] / "leaderboard"
OURS = sorted((FOLDER / "submissions").glob("*"))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name[:40])
def test_a_submission_holds(path: Path) -> None:
    (checked,) = validate_folder(FOLDER / "submissions", [path])
    assert checked.problems == ()


def test_reproductions_are_of_submissions_that_are_there() -> None:
    there = {
        checked.submission.sha256
        for checked in validate_folder(FOLDER / "submissions")
        if checked.submission
    }
    assert set(read_reproductions(FOLDER / "reproductions")) <= there
