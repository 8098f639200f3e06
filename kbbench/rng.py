"""Keyed randomness: the same key gives the same numbers, in any order, process or machine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")

AHEAD = 16
"""Numbers drawn at a time where they are asked for one by one; a call of NumPy costs as much as
tens of numbers. What is drawn does not depend on it."""


class Stream:
    """Random numbers for one key, such as (recipe, split, mixture, stage).

    Counter-based (Philox 4x64, Salmon et al., SC 2011) and keyed by BLAKE2b. Only raw 64-bit
    words are taken from NumPy, whose stream of them is fixed for ever; its distributions are not.

    >>> Stream("doc", 1).uniform(0, 1) == Stream("doc", 1).uniform(0, 1)
    True
    >>> Stream("doc", 1).uniform(0, 1) == Stream("doc", 2).uniform(0, 1)
    False
    """

    def __init__(self, *key: str | int) -> None:
        text = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        words = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
        self._words = np.random.Philox(key=words)
        self._ahead: list[float] = []

    def units(self, count: int) -> NDArray[np.float64]:
        """So many numbers in [0, 1), 53 bits each."""
        ready = [self._ahead.pop() for _ in range(min(count, len(self._ahead)))]
        fresh = self._draw(count - len(ready))
        return np.concatenate([ready, fresh]) if ready else fresh

    def unit(self) -> float:
        """The next number in [0, 1): what ``units(1)`` holds."""
        if not self._ahead:
            self._ahead = self._draw(AHEAD)[::-1].tolist()
        return self._ahead.pop()

    def uniform(self, low: float, high: float) -> float:
        """One number in [low, high)."""
        return low + (high - low) * self.unit()

    def integer(self, low: int, high: int) -> int:
        """One whole number from low to high, both included.

        Raises:
            ValueError: the range is empty.
        """
        if high < low:
            raise ValueError(f"no whole number from {low} to {high}")
        return low + int(self.unit() * (high - low + 1))

    def choice(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.integer(0, len(items) - 1)]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """So many different items, in random order.

        Raises:
            ValueError: there are fewer items.
        """
        if count > len(items):
            raise ValueError(f"{count} different items out of {len(items)}")
        pool = list(items)
        return [pool.pop(self.integer(0, len(pool) - 1)) for _ in range(count)]

    def white(self, *shape: int) -> NDArray[np.float64]:
        """White noise of unit variance, uniformly distributed; no transcendental function in it."""
        units = self.units(math.prod(shape)).reshape(shape)
        return (units * 2 - 1) * math.sqrt(3.0)

    def _draw(self, count: int) -> NDArray[np.float64]:
        raw = np.asarray(self._words.random_raw(count), dtype=np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
