"""The network between remote and device, as one integer vector.

A channel is a function from the number of chunks and a random stream to ``seen``: at step k the
device may use hint ``seen[k]``, or none where it is -1; ``age[k] = k - seen[k]``. Nothing else
moves a hint in time, offline or streaming.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbbench.rng import Stream

Seen = NDArray[np.int64]
NO_HINT = -1
"""The value of ``seen`` where no hint has arrived, and of ``age`` there."""


@dataclass(frozen=True)
class Channel:
    """A named link.

    Args:
        name: as it stands in tables, such as ``delay-6``.
        schedule: (number of chunks, stream) -> seen (K,), int64, -1 <= seen[k] <= k.
        delay_chunks: what ``triple.boosted`` is asked for.
        never: no hint arrives.
    """

    name: str
    schedule: Callable[[int, Stream], Seen]
    delay_chunks: int
    never: bool = False

    def seen(self, chunks: int, stream: Stream) -> Seen:
        """The schedule for one mixture, checked.

        Raises:
            ValueError: the schedule has another length, or hands out a hint from the future.
        """
        seen = self.schedule(chunks, stream)
        if seen.shape != (chunks,):
            raise ValueError(f"channel {self.name}: {seen.shape} steps, expected ({chunks},)")
        if chunks and (seen.min() < NO_HINT or (seen > np.arange(chunks)).any()):
            raise ValueError(f"channel {self.name}: a hint from the future, or one below {NO_HINT}")
        return seen


def fixed(delay_chunks: int) -> Channel:
    """Every hint arrives exactly so many chunks late; 0 is the ideal link.

    >>> fixed(2).seen(4, Stream("doc")).tolist()
    [-1, -1, 0, 1]

    Raises:
        ValueError: a negative delay.
    """
    if delay_chunks < 0:
        raise ValueError(f"a delay is 0 chunks or more, got {delay_chunks}")

    def schedule(chunks: int, stream: Stream) -> Seen:
        return np.maximum(np.arange(chunks, dtype=np.int64) - delay_chunks, NO_HINT)

    return Channel(f"delay-{delay_chunks}", schedule, delay_chunks)


def off(delay_chunks: int) -> Channel:
    """No hint ever arrives; the boosted model asked for is that of ``delay_chunks``."""

    def schedule(chunks: int, stream: Stream) -> Seen:
        return np.full(chunks, NO_HINT, dtype=np.int64)

    return Channel("hints-off", schedule, delay_chunks, never=True)


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
