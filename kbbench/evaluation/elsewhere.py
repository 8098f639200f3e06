"""Whole batches of a run, models and metrics, in other processes here or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kbbench.audio import Pcm
from kbbench.channel import Channel
from kbbench.errors import InputError
from kbbench.evaluation.batches import Outputs, cut, listened
from kbbench.evaluation.run import Run, prepare
from kbbench.live.settings import LiveSettings
from kbbench.metrics import Extras
from kbbench.pool import Workers, process_map
from kbbench.results import score_mixture
from kbbench.runner import Runner, find_device

Place = tuple[str, Path, Path, Path | None]
"""A run's hash, its file, its data and its folder."""


@dataclass(frozen=True)
class Order:
    """What another process needs to know of a run.

    Args:
        model: the user's file.
        data: the dataset folder.
        split: of its mixtures.
        delays: of the sweep, in chunks.
        channels: further links.
        device: where models compute.
        audited: the triple is audited, here, before it runs.
        extras: metrics beside the suite.
        run_sha256: of the run here, which must be the one there.
        live: device and remote also ran apart, like this.
        out: the run's folder, where it is live.
    """

    model: Path
    data: Path
    split: str
    delays: tuple[int, ...]
    channels: tuple[Channel, ...]
    device: str
    audited: bool
    extras: Extras
    run_sha256: str
    live: LiveSettings | None = None
    out: Path | None = None

    @classmethod
    def of(cls, run: Run) -> Order:
        """The order of a run, with absolute paths."""
        return cls(
            model=run.loaded.path.absolute(),
            data=run.dataset.folder.absolute(),
            split=run.split,
            delays=run.delays,
            channels=run.channels,
            device=run.device,
            audited=run.audited,
            extras=run.extras,
            run_sha256=run.sha256,
            live=run.live,
            out=None if run.out is None else run.out.absolute(),
        )

    @property
    def place(self) -> Place:
        """What tells it from others: the run's hash does not know where it lies."""
        return self.run_sha256, self.model, self.data, self.out


@dataclass(frozen=True)
class BatchJob:
    """A batch of a run, of which ``missing`` are to be scored, and ``heard`` to be played."""

    id: str
    order: Order
    indices: tuple[int, ...]
    missing: frozenset[int]
    heard: frozenset[int]


@dataclass(frozen=True)
class Scored:
    """One mixture of a batch: its records, what replays of it gave, and its sound if kept."""

    index: int
    hint_bits_per_chunk: int
    records: list[dict[str, Any]]
    identical: dict[str, bool]
    sounds: dict[str, Pcm]


def scored_elsewhere(
    run: Run, todo: Sequence[int], batch_size: int, workers: Workers
) -> Iterator[list[Scored]]:
    """The mixtures of a run as other processes score them, a batch at a time.

    Raises:
        InputError: no scheduler at an address, or another run there: other files or versions.
        ModelError: a model raised, or its output breaks the contract.
    """
    order, missing, kept = Order.of(run), frozenset(todo), listened(run.mixtures)
    jobs = (
        BatchJob(
            id=run.mixtures[indices[0]].id,
            order=order,
            indices=tuple(indices),
            missing=missing & frozenset(indices),
            heard=missing & frozenset(indices) & kept,
        )
        for indices in cut(todo, batch_size, len(run.mixtures))
    )
    yield from process_map(score_batch, jobs, workers)


def score_batch(job: BatchJob) -> list[Scored]:
    """Run and score a batch, on one thread."""
    torch.set_num_threads(1)
    run, runner = opened(job.order)
    outputs = Outputs.of(run, runner, job.indices)
    return [
        Scored(
            index=index,
            hint_bits_per_chunk=runner.hint_bits_per_chunk,
            records=score_mixture(outputs.job(index)),
            identical=outputs.identical(index),
            sounds=outputs.sounds(index) if index in job.heard else {},
        )
        for index in sorted(job.missing)
    ]


_OPEN: dict[Place, tuple[Run, Runner]] = {}
"""The run that this process works on: a model is loaded once, not for every batch."""


def opened(order: Order) -> tuple[Run, Runner]:
    """The run of an order in this process, and what runs its models.

    Raises:
        InputError: it is another run here.
    """
    if order.place not in _OPEN:
        run = prepare(
            order.model,
            order.data,
            order.split,
            order.delays,
            order.channels,
            order.device,
            order.audited,
            order.extras,
            order.live,
            order.out,
        )
        if run.sha256 != order.run_sha256:
            raise InputError(
                f"{order.model}: another run in a worker ({run.sha256[:8]}, here "
                f"{order.run_sha256[:8]}): files or packages differ there, or were changed while "
                "it ran; give it the same ones, and begin again"
            )
        _OPEN.clear()
        _OPEN[order.place] = (run, Runner(run.loaded, find_device(run.device)))
    return _OPEN[order.place]
