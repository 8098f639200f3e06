"""What every export needs: the mixtures with their plan, and how their files are named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kbbench.errors import InputError
from kbbench.scenes.dataset import PLAN, REPAIR, Dataset, Mixture
from kbbench.scenes.plan import MixturePlan, plan_hash
from kbbench.scenes.recipe import SPLITS
from kbbench.scenes.store import FlacFolders

Files = Iterator[tuple[str, Iterable[bytes]]]
"""What an export is made of: names in the output folder, and their bytes, piece by piece."""
EARS = 2
"""Channels of every stem but the enrollment."""


@dataclass(frozen=True)
class Stem:
    """One sound file of a mixture."""

    name: str
    path: str
    channels: int
    samples: int


@dataclass(frozen=True)
class Item:
    """A mixture, its plan, and its sound files by stem."""

    mixture: Mixture
    plan: MixturePlan
    stems: dict[str, Stem]

    @property
    def name(self) -> str:
        """``test-00017``: without the slash of the mixture's id, which tools take for a folder."""
        return self.mixture.id.replace("/", "-")

    @property
    def talkers(self) -> list[Stem]:
        """Each talker's sound in the mixture, in the plan's order: wanted ones, then others."""
        count = len(self.plan.talkers)
        names = [
            f"{'source' if number < self.plan.wanted else 'other'}-{number}"
            for number in range(count)
        ]
        return [self.stems[name] for name in names]


@dataclass(frozen=True)
class Export:
    """One export of a dataset into the folder ``out``."""

    dataset: Dataset
    out: Path
    relative: bool

    @property
    def splits(self) -> list[str]:
        """Splits that hold a mixture."""
        counts = self.dataset.header.recipe.splits
        return [split for split in SPLITS if getattr(counts, split)]

    def items(self, split: str) -> Iterator[Item]:
        """The mixtures of a split with the paths of their files, in order, one at a time.

        Raises:
            InputError: a file is missing, the plan is not the dataset's, or sounds have no file of
                their own.
        """
        pairs = zip(self.dataset.mixtures(split), self.dataset.iter_plan(split), strict=True)
        for mixture, plan in pairs:
            stems = {name: self._stem(plan, name) for name in mixture.stems}
            yield Item(mixture, plan, stems)

    def path(self, mixture: str, stem: str) -> str:
        """Of a sound file, as the other tool shall find it.

        Raises:
            InputError: as :meth:`items`.
        """
        file = self._folders.path(mixture, stem)
        return os.path.relpath(file.resolve(), self.out) if self.relative else str(file.absolute())

    def _stem(self, plan: MixturePlan, name: str) -> Stem:
        path = self.path(plan.id, name)
        if name == "enrollment":
            return Stem(name, path, 1, plan.enrollment_samples)
        return Stem(name, path, EARS, plan.samples)

    @cached_property
    def _folders(self) -> FlacFolders:
        """The dataset's files; its plan is the one of its header."""
        folder, store = self.dataset.folder, self.dataset.store
        if not isinstance(store, FlacFolders):
            raise InputError(
                f"{folder}: holds tar shards, and this format names one file a sound; unpack them "
                f"first: `kbbench export {folder} --format flac --out FOLDER`"
            )
        if plan_hash(self.dataset.iter_plan()) != self.dataset.header.plan_sha256:
            raise InputError(f"{folder / PLAN}: does not match dataset.json; {REPAIR}")
        return store
