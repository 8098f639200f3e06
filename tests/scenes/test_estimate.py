"""The estimate of a dataset's cost, against the dataset itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from kbbench.cli import main
from kbbench.scenes.dataset import Dataset
from kbbench.scenes.estimate import estimate_dataset
from kbbench.scenes.make import make_dataset
from tests.conftest import tiny_recipe


@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_size_is_within_15_percent(task: str, tiny_dataset: Callable[[str], Dataset]) -> None:
    folder = tiny_dataset(task).folder
    truth = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    estimate = estimate_dataset(tiny_recipe(task), workers=1)
    assert estimate.mixtures == 6
    assert estimate.audio_h == pytest.approx(6 * 2 / 3600)
    assert estimate.size_bytes == pytest.approx(truth, rel=0.15)
    assert estimate.time_s > 0


def test_a_sample_stands_for_the_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = tiny_recipe("enhancement")
    counts = recipe.splits.model_copy(update={"train": 30, "validation": 5, "test": 5})
    recipe = recipe.model_copy(update={"splits": counts, "duration_s": 1.0})
    folder = make_dataset(recipe, tmp_path / "data", workers=1).folder
    truth = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    monkeypatch.setattr("kbbench.scenes.estimate.SAMPLED", 20)
    done: list[tuple[int, int]] = []
    estimate = estimate_dataset(recipe, 1, lambda n, of: done.append((n, of)))
    assert done[-1] == (20, 20)
    assert estimate.size_bytes == pytest.approx(truth, rel=0.15)


def test_a_dry_run_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kbbench.scenes.estimate.SAMPLED", 2)
    out = tmp_path / "data"
    arguments = ["make-data", "mini-separation", "--out", str(out), "--dry-run", "--workers", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "350 mixtures, 0.49 h" in result.stdout
    assert re.search(r"about [0-9.]+ (s|minutes|h) here$", result.stdout)
    assert not out.exists()
