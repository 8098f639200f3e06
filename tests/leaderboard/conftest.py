"""One good submission, made once, and files of changed ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kbbench.leaderboard.submission import Submission
from tests.leaderboard.fake import fake


@pytest.fixture(scope="session")
def good() -> Submission:
    return fake()


@pytest.fixture(scope="session")
def few() -> Submission:
    """Three mixtures: quick to write and read; other counts than the recipe's."""
    return fake(mixtures=3)


@pytest.fixture
def changed(tmp_path: Path, few: Submission) -> Callable[..., Path]:
    """The file of a submission in which the value at a path of keys is another one."""

    def write(where: str = "", value: Any = None) -> Path:
        fields = json.loads(few.text)
        place, keys = fields, where.split(".") if where else []
        for key in keys[:-1]:
            place = place[int(key) if isinstance(place, list) else key]
        if keys:
            last = keys[-1]
            place[int(last) if isinstance(place, list) else last] = value
        path = tmp_path / "submission.json"
        path.write_text(json.dumps(fields), encoding="utf-8")
        return path

    return write
