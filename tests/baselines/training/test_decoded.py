"""Mixtures kept as plain samples are those of their FLAC files, and are decoded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from kbbench.baselines.training import decoded_in, open_data
from kbbench.baselines.training.clips import Clips
from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.scenes.dataset import Dataset
from tests.baselines.training.noises import settings

Datasets = Callable[[str], Dataset]


@pytest.mark.parametrize("task", ["separation", "target_speech"])
def test_clips_are_the_same_to_the_bit(task: str, tmp_path: Path, tiny_dataset: Datasets) -> None:
    data = open_data(str(tiny_dataset(task).folder))
    kept = decoded_in(tmp_path, data)
    assert (kept.task, kept.words) == (data.task, data.words)
    for plain, flac in ((kept.train, data.train), (kept.validation, data.validation)):
        assert len(plain) == len(flac) > 0
        for index in range(len(flac)):
            whole = {**flac[index]}
            del whole["id"]
            assert plain[index].keys() == whole.keys()
            assert all(torch.equal(plain[index][name], whole[name]) for name in whole)
    changed = settings(gain_db=6, speeds_percent=(90, 100))
    for number in range(4):
        ours, theirs = (Clips(scenes, changed)[number] for scenes in (kept.train, data.train))
        assert torch.equal(ours["references"], theirs["references"])


def test_what_is_there_is_not_decoded_again(tmp_path: Path, tiny_dataset: Datasets) -> None:
    data = open_data(str(tiny_dataset("separation").folder))
    kept = decoded_in(tmp_path, data)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    lost = next(iter(before))
    lost.unlink()
    told: list[tuple[int, int]] = []
    decoded_in(tmp_path, data, lambda done, total: told.append((done, total)))
    after = {path: path.stat().st_mtime_ns for path in before}
    assert [path for path in before if before[path] != after[path]] == [lost]
    assert len(told) == 1 and told[0][0] == told[0][1]
    assert torch.equal(kept.train[0]["mixture"], data.train[0]["mixture"])


def test_other_data_have_a_folder_of_their_own(tmp_path: Path, tiny_dataset: Datasets) -> None:
    for task in ("separation", "enhancement"):
        data = open_data(str(tiny_dataset(task).folder))
        kept = decoded_in(tmp_path, data)
        assert torch.equal(kept.train[0]["references"], data.train[0]["references"])


def test_a_recipe_has_nothing_to_decode(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mini-separation.*make-data"):
        decoded_in(tmp_path / "kept", open_data("mini-separation"))
    assert not (tmp_path / "kept").exists()


@pytest.mark.long
def test_the_command_ends_in_the_same_weights(tmp_path: Path, tiny_dataset: Datasets) -> None:
    words = ["train", str(tiny_dataset("separation").folder), "--stage", "small", "--steps", "2"]
    words += ["--batch-size", "2", "--clip", "0.1", "--validation-mixtures", "1", "--workers", "0"]
    ends = []
    for name, more in (("flac", []), ("plain", ["--decoded", str(tmp_path / "kept")])):
        result = CliRunner().invoke(main, [*words, "--out", str(tmp_path / name), *more])
        assert result.exit_code == 0, result.output
        ends.append(load_file(tmp_path / name / "small.safetensors"))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
