"""Triples of functions, to be wrong or slow in one way each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kbbench.cost import Cost, profile_triple
from kbbench.models import Boosted, Triple
from kbbench.models.loading import LoadedTriple
from kbbench.units import CHUNK


def load(triple: Triple) -> LoadedTriple:
    return LoadedTriple(Path("model.py"), triple, "0" * 64, {})


def profile(triple: Triple, **more: Any) -> Cost:
    return profile_triple(load(triple), seconds=0.2, **more)


def constant(mixture: Tensor, **kwargs: Any) -> Tensor:
    return mixture[:, None]


def remote(mixture: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:
    return mixture[:, None], mixture[:, 0, ::CHUNK, None]


def triple(**parts: Any) -> Triple:
    given: dict[str, Any] = {
        "small": constant,
        "large": remote,
        "boosted": Boosted(parts.pop("device", constant), parts.pop("remote", remote)),
        "task": "enhancement",
    }
    return Triple(name="t", **{**given, **parts})


class Streamer:
    """Gives back what it hears, one step at a time."""

    def __call__(self, mixture: Tensor, **kwargs: Any) -> Tensor:
        return mixture[:, None]

    def start(self, batch: int, enrollment: Tensor | None = None) -> Any:
        return torch.zeros(batch, 5)

    def step(self, frame: Tensor, state: Any, *told: Tensor) -> Any:
        return frame[:, None, :, :CHUNK], state
