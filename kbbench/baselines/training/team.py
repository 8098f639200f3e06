"""Processes that train one network together: each hears its share of every step's clips.

Their gradients are averaged, so all of them hold the same weights after each step; the first one
writes what is to be kept. Source: synchronous data parallelism as in Li et al., "PyTorch
Distributed", VLDB 2020, with one reduction a step, since these networks are small.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from kbbench.errors import InputError
from kbbench.pool import cores, start_worker

PATIENCE = timedelta(hours=6)
"""For the slowest of them, which may still compute hints."""


@dataclass(frozen=True)
class Team:
    """A process's place among those that train together; one alone is a team too.

    Args:
        rank: from 0, which leads.
        size: processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether it writes what is to be kept."""
        return self.rank == 0

    def average(self, parameters: Sequence[nn.Parameter], figures: Sequence[float]) -> list[float]:
        """Make each gradient the mean of all processes', and return the means of the figures."""
        if self.size == 1:
            return list(figures)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        told = torch.tensor(figures, device=gradients[0].device)
        joined = torch.cat([gradient.flatten() for gradient in (*gradients, told)])
        _reduced(joined).div_(self.size)
        sizes = [gradient.numel() for gradient in (*gradients, told)]
        *means, told = torch.split(joined, sizes)
        for parameter, mean in zip(parameters, means, strict=True):
            parameter.grad = mean.view_as(parameter)
        return [float(value) for value in told]

    def total(self, figures: Sequence[float], device: torch.device) -> list[float]:
        """Sums of what each process has found."""
        if self.size == 1:
            return list(figures)
        told = torch.tensor(figures, device=device, dtype=torch.float64)
        return [float(value) for value in _reduced(told)]


def _reduced(values: torch.Tensor) -> torch.Tensor:
    try:
        distributed.all_reduce(values)
    except RuntimeError as error:
        raise InputError(
            "a process of the training died, most likely since memory ran out; "
            "the same command carries on, take fewer --processes if it dies again"
        ) from error
    return values


@contextmanager
def assembled(
    size: int, device: torch.device, help_as: Callable[..., None], *given: Any
) -> Iterator[Team]:
    """Lead a team: this process, and others that run ``help_as(team, *given)``.

    Args:
        size: processes in all; 1 starts no other.
        device: of each, where it is cpu; else they take one CUDA device each.
        help_as: importable by name.
        given: can be sent to another process.
    """
    if size == 1:
        yield Team()
        return
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory(prefix="kbbench-train-") as folder:
        place = (str(Path(folder) / "meeting"), size, device.type)
        context = multiprocessing.get_context("spawn")
        helpers = [
            context.Process(target=_help, args=(rank, *place, help_as, given))
            for rank in range(1, size)
        ]
        for helper in helpers:
            helper.start()
        try:
            with _met(0, *place) as team:
                yield team
            for helper in helpers:
                helper.join()
        finally:
            for helper in helpers:
                helper.terminate()
                helper.join()
            torch.set_num_threads(threads)


def _help(
    rank: int, meeting: str, size: int, kind: str, help_as: Callable[..., None], given: Any
) -> None:
    start_worker()
    with _met(rank, meeting, size, kind) as team:
        help_as(team, *given)


@contextmanager
def _met(rank: int, meeting: str, size: int, kind: str) -> Iterator[Team]:
    """All processes of a team have met, and share the cores, or have a CUDA device each."""
    if kind == "cuda":
        torch.cuda.set_device(rank)
    else:
        torch.set_num_threads(max(1, cores() // size))
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all of them are on this machine
    distributed.init_process_group(
        "nccl" if kind == "cuda" else "gloo",
        init_method=f"file://{meeting}",
        timeout=PATIENCE,
        rank=rank,
        world_size=size,
    )
    try:
        yield Team(rank, size)
    finally:
        distributed.destroy_process_group()
