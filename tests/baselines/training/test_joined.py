"""A training on several recipes hears all their mixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from kbbench.baselines.training import joined, open_data
from kbbench.baselines.training.clips import Item
from kbbench.baselines.weights import read_card
from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.scenes.dataset import Dataset
from tests.baselines.training.noises import DATA


class Numbered:
    """So many items that say where they are from."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Item:
        return {"id": f"{self.name}{index}"}


def test_mixtures_come_in_turn_and_all_of_them() -> None:
    long, short = Numbered("a", 4), Numbered("b", 2)
    both = joined([replace(DATA, train=long), replace(DATA, train=short, words="other noises")])
    names = [both.train[index]["id"] for index in range(len(both.train))]
    assert names == ["a0", "b0", "a1", "b1", "a2", "a3"]
    assert len(both.validation) == 2 * len(DATA.validation)
    assert (both.task, both.words) == ("separation", "noises + other noises")


def test_one_alone_is_itself() -> None:
    assert joined([DATA]) is DATA


def test_of_one_task() -> None:
    with pytest.raises(InputError, match=r"its task is enhancement, that of noises is separation"):
        joined([DATA, replace(DATA, task="enhancement")])


def test_the_command_takes_several(tmp_path: Path, tiny_dataset: Callable[[str], Dataset]) -> None:
    folder = str(tiny_dataset("separation").folder)
    line = f"train {folder} mini-separation --stage small --out {tmp_path} --steps 1 --clip 0.2"
    more = "--batch-size 1 --validation-mixtures 1 --workers 0 --mirror"
    result = CliRunner().invoke(main, [*line.split(), *more.split()])
    assert result.exit_code == 0, result.output
    card = read_card(tmp_path / "small.safetensors")
    parts = [open_data(name).words for name in (folder, "mini-separation")]
    assert card.data == " + ".join(parts)
    assert card.settings["mirror"] is True
