"""Mixtures with no files at all: rendered when asked for, the same bits as a dataset folder's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from kbbench.audio import to_float
from kbbench.corpora import load_corpora
from kbbench.errors import InputError
from kbbench.scenes.recipe import SPLITS, Recipe, load_recipe
from kbbench.scenes.render import render
from kbbench.scenes.sampling import plan_mixture


class SceneDataset(Dataset[dict[str, Any]]):
    """A recipe's split for training, rendered on the fly; safe in ``DataLoader`` workers.

    Item *i* is a dictionary:

    - ``id``: str, such as ``train/00017``,
    - ``mixture``: (C, T), float32, full scale 1,
    - ``references``: (S, C, T),
    - ``enrollment``: (1, T_e), target speech only.

    It depends on recipe, split and *i* alone, and is what ``kbbench make-data`` writes, to the bit.

    Args:
        recipe: a name, the path of a TOML file, or a :class:`Recipe`.
        split: train, validation or test.
        folders: of each corpus that does not come with kbbench, by name.

    Raises:
        InputError: no such recipe or split, or a corpus is missing.
    """

    def __init__(
        self, recipe: str | Recipe, split: str, folders: Mapping[str, Path] | None = None
    ) -> None:
        if split not in SPLITS:
            raise InputError(f"split {split!r}: expected one of {', '.join(SPLITS)}")
        self.recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        self.split = split
        self.corpus = load_corpora(self.recipe.corpora, folders)

    def __len__(self) -> int:
        return int(getattr(self.recipe.splits, self.split))

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"mixture {index} of {len(self)}")
        plan = plan_mixture(self.recipe, self.corpus, self.split, index % len(self))
        stems = {
            name: torch.from_numpy(to_float(pcm).astype(np.float32))
            for name, pcm in render(plan, self.corpus).stems.items()
        }
        item = {
            "id": plan.id,
            "mixture": stems["mixture"],
            "references": torch.stack([stems[f"source-{n}"] for n in range(plan.wanted)]),
        }
        if "enrollment" in stems:
            item["enrollment"] = stems["enrollment"]
        return item
