"""Mixtures of a dataset folder kept as plain samples: a GPU does not wait for FLAC."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from kbbench.audio import FULL_SCALE
from kbbench.baselines.training.clips import Data, FolderScenes, Item, Scenes
from kbbench.baselines.training.kept import Tensors, keep, load_kept
from kbbench.errors import InputError
from kbbench.pool import cores


@dataclass(frozen=True)
class DecodedScenes:
    """So many mixtures out of a folder of kept samples."""

    folder: Path
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Item:
        return {name: pcm / FULL_SCALE for name, pcm in load_kept(self.folder, index).items()}


def decoded_in(folder: Path, data: Data, tell: Callable[[int, int], None] | None = None) -> Data:
    """The same mixtures, to the bit, out of a folder; what is missing there is written.

    Args:
        folder: of the kept samples; those of other data lie beside them.
        data: of a dataset folder, whose samples are of 16 bits.
        tell: called with (mixtures decoded, in all).

    Raises:
        InputError: the mixtures are rendered as they are asked for.
    """
    if not isinstance(data.train, FolderScenes):
        raise InputError(
            f"--decoded {folder}: {data.words} is a recipe, and nothing is decoded; "
            "write its mixtures with `kbbench make-data` and train on that folder"
        )
    place = folder / hashlib.sha256(data.words.encode()).hexdigest()[:16]

    def kept(scenes: Scenes, split: str) -> DecodedScenes:
        keep(place / split, len(scenes), lambda index: _pcm(scenes[index]), tell, cores())
        return DecodedScenes(place / split, len(scenes))

    return replace(
        data, train=kept(data.train, "train"), validation=kept(data.validation, "validation")
    )


def _pcm(item: Item) -> Tensors:
    """All its signals as 16-bit samples."""
    signals = {name: value for name, value in item.items() if isinstance(value, torch.Tensor)}
    return {name: (value * FULL_SCALE).to(torch.int16) for name, value in signals.items()}
