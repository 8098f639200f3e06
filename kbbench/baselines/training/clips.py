"""Training data: clip n is a function of seed and n alone, so that a run carries on exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from kbbench.baselines.training.augment import Change, longest
from kbbench.baselines.training.settings import Settings
from kbbench.channel import NO_HINT, Seen
from kbbench.errors import InputError
from kbbench.models.contract import Task
from kbbench.rng import Stream
from kbbench.runner import read_batch
from kbbench.scenes.dataset import HEADER
from kbbench.scenes.dataset import Dataset as DatasetFolder
from kbbench.scenes.live import SceneDataset
from kbbench.scenes.recipe import SPLITS, load_recipe
from kbbench.units import CHUNK, chunk_count, samples

Item = dict[str, Any]
HEARD = "heard_"
"""Before the names of what a large network made of a mixture."""


class Scenes(Protocol):
    """Mixtures by number: ``mixture`` (C, T), ``references`` (S, C, T), ``enrollment`` (1, T_e)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Item: ...


class FolderScenes(Dataset[Item]):
    """A split of a dataset folder, with the items of :class:`SceneDataset`."""

    def __init__(self, folder: Path, split: str) -> None:
        self.mixtures = list(DatasetFolder.open(folder).mixtures(split))

    def __len__(self) -> int:
        return len(self.mixtures)

    def __getitem__(self, index: int) -> Item:
        batch = read_batch([self.mixtures[index]])
        item = {"id": batch.ids[0], "mixture": batch.mixture[0], "references": batch.references[0]}
        return item if batch.enrollment is None else {**item, "enrollment": batch.enrollment[0]}


@dataclass(frozen=True)
class JoinedScenes:
    """Those of several: the first of each, the second of each, and so on; ``order`` says which."""

    parts: tuple[Scenes, ...]
    order: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, parts: Sequence[Scenes]) -> Self:
        """All mixtures of all parts."""
        order = sorted((index, part) for part, own in enumerate(parts) for index in range(len(own)))
        return cls(tuple(parts), tuple(order))

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> Item:
        place, part = self.order[index]
        return self.parts[part][place]


class Clips(Dataset[Item]):
    """Clip n of a training run: a mixture, cut, and when each hint arrives (``seen``).

    Each pass over the mixtures has its own order. Mixture and references change speed and level
    together, so that the mixture stays the sum of its parts.
    """

    def __init__(self, scenes: Scenes, settings: Settings) -> None:
        self.scenes, self.settings = scenes, settings

    def __getitem__(self, number: int) -> Item:
        lap, place = divmod(number, len(self.scenes))
        stream = Stream("clip", self.settings.seed, number)
        change = Change.drawn(self.settings, number)
        item = dict(self.scenes[int(_order(self.settings.seed, lap, len(self.scenes))[place])])
        whole = item["mixture"].shape[-1]
        length = min(samples(self.settings.clip_s), longest(self.settings, whole))
        start = stream.integer(0, whole - change.needed(length))
        if self.settings.cache_hints:
            start -= start % CHUNK
        for name in ("mixture", "references", f"{HEARD}estimates"):
            if name in item:
                item[name] = change.gain * change.excerpt(item[name], start, length)
        if "enrollment" in item:  # the same voice at the same speed
            spoken = longest(self.settings, item["enrollment"].shape[-1])
            item["enrollment"] = change.excerpt(item["enrollment"], 0, spoken)
        if f"{HEARD}hints" in item:
            first = start // CHUNK
            item[f"{HEARD}hints"] = item[f"{HEARD}hints"][first : first + chunk_count(length)]
        delay = stream.choice(self.settings.delays_chunks)
        chunks = chunk_count(length)
        item["seen"] = lossy(chunks, delay, stream.units(chunks) < self.settings.hint_loss)
        return item


@lru_cache(maxsize=2)
def _order(seed: int, lap: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.argsort(Stream("order", seed, lap).units(count))


def lossy(chunks: int, delay_chunks: int, lost: np.ndarray[Any, np.dtype[np.bool_]]) -> Seen:
    """The newest hint that has arrived at each step, at a fixed delay, where some are lost.

    >>> lossy(5, 1, np.array([False, True, False, False, False])).tolist()
    [-1, 0, 0, 2, 3]
    """
    sent = np.where(lost, NO_HINT, np.arange(chunks, dtype=np.int64))
    newest = np.maximum.accumulate(sent)
    seen = np.full(chunks, NO_HINT, dtype=np.int64)
    seen[delay_chunks:] = newest[: max(0, chunks - delay_chunks)]
    return seen


@dataclass(frozen=True)
class Data:
    """What a run learns from: mixtures of both splits, their task, and a line that names them."""

    train: Scenes
    validation: Scenes
    task: Task
    words: str


def open_data(
    recipe: str, folders: Mapping[str, Path] | None = None, mixtures: int | None = None
) -> Data:
    """Mixtures of a dataset folder, or of a recipe, rendered when asked for.

    Args:
        recipe: a dataset folder, a recipe's name, or the path of one.
        folders: of corpora, by name.
        mixtures: so many for training in place of the recipe's own number; a recipe alone.

    Raises:
        InputError: no such recipe or folder, a corpus is missing, or a split is empty.
    """
    folder = Path(recipe)
    if (folder / HEADER).is_file():
        if mixtures is not None:
            raise InputError(f"{folder}: has its own number of mixtures; leave out --mixtures")
        header = DatasetFolder.open(folder).header
        loaded, words = header.recipe, f"data {header.data_sha256}"
        scenes: list[Scenes] = [FolderScenes(folder, split) for split in SPLITS[:2]]
    else:
        loaded = load_recipe(recipe)
        if mixtures is not None:
            counts = loaded.splits.model_copy(update={"train": mixtures})
            loaded = loaded.model_copy(update={"splits": counts})
        words = f"version {loaded.version}"
        scenes = [SceneDataset(loaded, split, folders) for split in SPLITS[:2]]
    for split, found in zip(SPLITS, scenes, strict=False):
        if not len(found):
            raise InputError(f"{recipe}: no mixture in its {split} split")
    name = f"{loaded.name} {words}, {len(scenes[0])} mixtures"
    return Data(scenes[0], scenes[1], loaded.task, name)


def joined(parts: Sequence[Data]) -> Data:
    """The mixtures of all, to learn from at once.

    Raises:
        InputError: they are of different tasks.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for other in parts[1:]:
        if other.task != first.task:
            raise InputError(
                f"{other.words}: its task is {other.task}, that of {first.words} is {first.task}; "
                "give recipes of one task"
            )
    return Data(
        JoinedScenes.of([part.train for part in parts]),
        JoinedScenes.of([part.validation for part in parts]),
        first.task,
        " + ".join(part.words for part in parts),
    )


@dataclass(frozen=True)
class Numbers:
    """Of the clips that one of several processes hears: its part of every step's."""

    steps: range
    batch: int
    rank: int
    size: int

    def __len__(self) -> int:
        return len(self.steps) * self.share

    def __iter__(self) -> Iterator[int]:
        for step in self.steps:
            first = step * self.batch + self.rank * self.share
            yield from range(first, first + self.share)

    @property
    def share(self) -> int:
        """Clips a step of one process."""
        return self.batch // self.size


def batches(
    clips: Clips, first_step: int, workers: int, rank: int = 0, size: int = 1
) -> Iterator[Item]:
    """The batches of all steps from one on; the same for any number of workers.

    Args:
        clips: of the run.
        first_step: from 0.
        workers: processes that read or render; 0 is this one.
        rank: this process's among those that train together.
        size: how many they are; it divides the batch size.
    """
    settings = clips.settings
    numbers = Numbers(range(first_step, settings.steps), settings.batch_size, rank, size)
    loader: DataLoader[Item] = DataLoader(
        clips,
        numbers.share,
        sampler=numbers,
        num_workers=workers,
        worker_init_fn=_one_thread,
        generator=torch.Generator(),
        multiprocessing_context="spawn" if workers else None,
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
