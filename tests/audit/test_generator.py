"""The audit finds every cheat of a seeded generator, and refuses no honest triple."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.audit.cheats import CHEATS, SIDE
from tests.audit.confusion import judge, table, told, wrong
from tests.audit.generator import Spec, specs

ALL = specs(200)
SOME = ALL[::40]


def test_the_generator_makes_what_it_says() -> None:
    assert len(ALL) == 200
    assert specs(200) == ALL
    counts = Counter(spec.cheat for spec in ALL)
    assert counts.pop("") == 70
    assert set(counts) == set(CHEATS)
    assert min(counts.values()) == 2
    assert len(SIDE) >= 6
    for field in ("task", "core", "norm", "streaming", "dtype", "own_remote", "by_delay"):
        assert len({getattr(spec, field) for spec in ALL if not spec.cheat}) >= 2, field


@pytest.mark.parametrize("spec", SOME, ids=lambda spec: f"{spec.seed}-{spec.cheat}")
def test_some_of_them(spec: Spec, tmp_path: Path) -> None:
    judged = judge(spec, tmp_path)
    assert judged.right, told(judged)


@pytest.mark.long
def test_all_of_them(tmp_path: Path) -> None:
    judged = [judge(spec, tmp_path) for spec in ALL]
    assert wrong(judged) == []
    assert "| 70 honest | 70 | 0 |\n| 130 cheating | 0 | 130 |" in table(judged)
