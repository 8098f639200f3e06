"""Hints moved in time, as a device gets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kbbench.channel.index import NO_HINT, Seen


@dataclass(frozen=True)
class Delivered:
    """Hints as the device gets them: (B, K, ...), seen_mask (B, K) bool, age (B, K) int64."""

    hints: Tensor
    seen_mask: Tensor
    age: Tensor

    def as_arguments(self) -> dict[str, Any]:
        """The keyword arguments of a device's ``forward``."""
        return {"hints": self.hints, "seen_mask": self.seen_mask, "age": self.age}


def deliver(hints: Tensor, seen: Seen) -> Delivered:
    """Move hints in time.

    Args:
        hints: (B, K, ...), as the remote wrote them.
        seen: (B, K) or (K,), one schedule for each mixture, or one for all.

    Raises:
        ValueError: the hints do not have K chunks.
    """
    index = torch.from_numpy(np.broadcast_to(seen, (hints.shape[0], seen.shape[-1])).copy())
    if hints.shape[1] != index.shape[1]:
        raise ValueError(f"{hints.shape[1]} hints for {index.shape[1]} chunks")
    index = index.to(hints.device)
    mask = index >= 0
    batch = torch.arange(hints.shape[0], device=hints.device)[:, None]
    moved = hints[batch, index.clamp(min=0)]
    moved = torch.where(mask.reshape(mask.shape + (1,) * (hints.ndim - 2)), moved, 0)
    steps = torch.arange(index.shape[1], device=hints.device)
    return Delivered(moved, mask, torch.where(mask, steps - index, NO_HINT))
