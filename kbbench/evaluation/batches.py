"""A run's mixtures a batch at a time: models, jobs for the metrics, and what the page plays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from kbbench.audio import Pcm, to_pcm
from kbbench.evaluation.replay import identical
from kbbench.evaluation.run import LIVE, Run
from kbbench.live.parts import live_estimates
from kbbench.metrics import best_permutation
from kbbench.results import MIXTURE, ScoringJob
from kbbench.runner import Batch, Condition, Estimates, Runner, read_batch, read_talkers
from kbbench.scenes.dataset import Mixture

LISTENED = 3
"""Mixtures whose sound is kept for the page."""


def cut(todo: Sequence[int], batch_size: int, count: int) -> Iterator[list[int]]:
    """The batches that hold anything to do, cut alike whatever is done: the same last bits.

    Each has an even number of mixtures, so that they are partners two by two whatever the size,
    and the last one also takes one that is left over. All mixtures of a dataset have one length.

    >>> list(cut(range(7), 3, 7)), list(cut([5], 2, 6))
    ([[0, 1, 2, 3], [4, 5, 6]], [[4, 5]])
    """
    size = batch_size + batch_size % 2
    starts = [*range(0, count - 1 if count > 1 else count, size), count]
    for start, end in pairwise(starts):
        indices = list(range(start, end))
        if not set(indices).isdisjoint(todo):
            yield indices


def listened(mixtures: Sequence[Mixture]) -> set[int]:
    """Mixtures whose sound is kept, spread over all of them.

    Those with babble are passed over where there are others: the mini corpus' voices for babble may
    not be published in a mixture with its talkers (recipes/mini-corpus/LICENSES.md).
    """
    indices = range(len(mixtures))
    free = [index for index in indices if mixtures[index].row.get("noise_kind") != "babble"]
    chosen = free or [*indices]
    return {
        chosen[place] for place in np.linspace(0, len(chosen) - 1, LISTENED).round().astype(int)
    }


@dataclass(frozen=True)
class Outputs:
    """What all models made of a batch.

    Args:
        run: whose models.
        indices: of the mixtures.
        batch: they.
        estimates: by condition, (B, S, C, T); the unprocessed mixture first.
        conditions: by name.
    """

    run: Run
    indices: Sequence[int]
    batch: Batch
    estimates: dict[str, Estimates]
    conditions: dict[str, Condition]

    @classmethod
    def of(cls, run: Run, runner: Runner, indices: Sequence[int]) -> Outputs:
        """Run every model on a batch under every condition."""
        batch = read_batch([run.mixtures[index] for index in indices])
        sources = batch.references.shape[1]
        unprocessed = batch.mixture[:, None].expand(-1, sources, -1, -1).numpy()
        made = {MIXTURE: unprocessed}
        for condition, estimates in runner.run(batch, [c for c in run.conditions if not c.live]):
            made[condition.name] = estimates
        if run.out is not None and any(condition.live for condition in run.conditions):
            made[LIVE] = np.stack([live_estimates(run.out, index) for index in indices])
        conditions = [Condition(MIXTURE, MIXTURE), *run.conditions]
        return cls(
            run=run,
            indices=indices,
            batch=batch,
            estimates={condition.name: made[condition.name] for condition in conditions},
            conditions={condition.name: condition for condition in conditions},
        )

    def job(self, index: int) -> ScoringJob:
        """All that the metrics need of one mixture."""
        place = self.indices.index(index)
        mixture = self.run.mixtures[index]
        return ScoringJob(
            id=mixture.id,
            delays_chunks={name: item.delay_chunks for name, item in self.conditions.items()},
            estimates={name: values[place] for name, values in self.estimates.items()},
            references=self.batch.references[place].numpy(),
            ordered=self.run.loaded.triple.task != "separation",
            talkers=read_talkers(mixture),
            extras=self.run.extras,
        )

    def identical(self, index: int) -> dict[str, bool]:
        """By condition that replays a live run, whether a mixture's estimates are those."""
        place = self.indices.index(index)
        mine = {name: self.estimates[name][place] for name in self.run.replayed}
        return identical(self.run.replayed, self.run.mixtures[index].id, mine)

    def sounds(self, index: int) -> dict[str, Pcm]:
        """What the page plays of one mixture, by name; estimates in the order of the references."""
        place = self.indices.index(index)
        references = self.batch.references[place]
        sounds = {"mixture": to_pcm(self.batch.mixture[place].numpy())}
        signals = {"reference": references.numpy()}
        for label in ("small", f"boosted@{self.run.headline}", "large"):
            values = torch.from_numpy(self.estimates[label][place])
            order = tuple(range(len(references)))
            if self.run.loaded.triple.task == "separation":
                order = best_permutation(values, references)
            signals[label.partition("@")[0]] = values[list(order)].numpy()
        for label, sources in signals.items():
            for number, source in enumerate(sources):
                sounds[f"{label}-{number}"] = to_pcm(source)
        return sounds
