"""What every export needs: the mixtures with their plan, and how their files are named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kbbench.errors import InputError
from kbbench.scenes.dataset import PLAN, Dataset, Mixture
from kbbench.scenes.plan import MixturePlan, plan_hash
from kbbench.scenes.recipe import SPLITS

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
        present = {row["split"] for row in self.dataset.rows}
        return [split for split in SPLITS if split in present]

    def items(self, split: str) -> Iterator[Item]:
        """The mixtures of a split, in order.

        Raises:
            InputError: a file is missing, or the plan is not the dataset's.
        """
        for mixture in self.dataset.mixtures(split):
            plan = self._plans[mixture.id]
            stems = {name: self._stem(mixture, plan, name) for name in mixture.stems}
            yield Item(mixture, plan, stems)

    def _stem(self, mixture: Mixture, plan: MixturePlan, name: str) -> Stem:
        path = self._path(mixture.folder / f"{name}.flac")
        if name == "enrollment":
            return Stem(name, path, 1, plan.enrollment_samples)
        return Stem(name, path, EARS, plan.samples)

    def _path(self, file: Path) -> str:
        if self.relative:
            return os.path.relpath(file.resolve(), self.out)
        return str(file.absolute())

    @cached_property
    def _plans(self) -> dict[str, MixturePlan]:
        plans = self.dataset.plan
        if plan_hash(plans) != self.dataset.header.plan_sha256:
            raise InputError(
                f"{self.dataset.folder / PLAN}: does not match dataset.json; repair it with "
                "the `kbbench make-data` command that made the folder"
            )
        return {plan.id: plan for plan in plans}
