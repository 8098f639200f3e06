"""What is computed once for each mixture and kept."""

from __future__ import annotations

from pathlib import Path

import torch

from kbbench.baselines.training.kept import Tensors, keep, load_kept


def test_what_another_training_made_meanwhile_is_told_and_not_made_again(tmp_path: Path) -> None:
    made: list[int] = []

    def make(index: int) -> Tensors:
        if not made:
            keep(tmp_path, 5, lambda other: {"number": torch.tensor(100 + other)})
        made.append(index)
        return {"number": torch.tensor(index)}

    told: list[tuple[int, int]] = []
    keep(tmp_path, 5, make, lambda done, total: told.append((done, total)))
    assert len(made) == 1
    assert set(told) == {(5, 5)}
    numbers = [int(load_kept(tmp_path, index)["number"]) for index in range(5)]
    assert numbers == [index if index in made else 100 + index for index in range(5)]
