"""Mixtures rendered on the fly are those of the files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import kbbench
from kbbench.errors import InputError
from kbbench.scenes.dataset import Dataset
from tests.conftest import tiny_recipe


def as_float(pcm: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pcm.astype(np.float32) / 32768)


@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_items_are_what_the_files_hold(task: str, tiny_dataset: Callable[[str], Dataset]) -> None:
    scenes = kbbench.SceneDataset(tiny_recipe(task), "test")
    assert len(scenes) == 3
    for index, mixture in enumerate(tiny_dataset(task).mixtures("test")):
        item = scenes[index]
        assert item["id"] == mixture.id
        assert torch.equal(item["mixture"], as_float(mixture.read("mixture")))
        for number, reference in enumerate(item["references"]):
            assert torch.equal(reference, as_float(mixture.read(f"source-{number}")))
        assert ("enrollment" in item) == (task == "target_speech")
        if "enrollment" in item:
            assert torch.equal(item["enrollment"], as_float(mixture.read("enrollment")))


def test_order_and_workers_do_not_matter() -> None:
    scenes = kbbench.SceneDataset(tiny_recipe("separation"), "train")
    backwards = [scenes[index]["mixture"] for index in (1, 0)][::-1]
    loaded = list(DataLoader(scenes, batch_size=1, num_workers=2, multiprocessing_context="spawn"))
    for item, mixture in zip(loaded, backwards, strict=True):
        assert torch.equal(item["mixture"][0], mixture)
    assert torch.equal(scenes[-1]["mixture"], backwards[-1])


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(InputError, match="'dev': expected one of train, validation, test"):
        kbbench.SceneDataset("mini-separation", "dev")
    with pytest.raises(InputError, match="no such recipe"):
        kbbench.SceneDataset("maxi-separation", "test")
    with pytest.raises(IndexError, match="mixture 100 of 100"):
        kbbench.SceneDataset("mini-separation", "test")[100]
    with pytest.raises(AttributeError, match="no attribute 'Scene'"):
        _ = kbbench.Scene
