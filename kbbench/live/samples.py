"""Sound on the wire, without a bit of loss: float32, or 16-bit PCM where that holds it exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbbench.audio import FULL_SCALE
from kbbench.errors import InputError
from kbbench.units import CHUNK

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Coding:
    """How samples are written; ``read(write(x)) == x`` to the bit for what :meth:`check` passes."""

    name: str
    dtype: str
    write: Callable[[Samples], NDArray[Any]]
    read: Callable[[NDArray[Any]], Samples]

    def encode(self, samples: Samples) -> bytes:
        """(C, n) to bytes, channel after channel."""
        return self.write(samples).astype(self.dtype, copy=False).tobytes()

    def decode(self, data: bytes, channels: int) -> Samples:
        """Bytes to (C, n).

        Raises:
            ValueError: there are not as many for each channel.
        """
        values: NDArray[Any] = np.frombuffer(data, dtype=self.dtype)
        return self.read(values.reshape(channels, -1))

    def size(self, samples: int) -> int:
        """Bytes of so many samples."""
        return samples * np.dtype(self.dtype).itemsize

    def check(self, what: str, samples: Samples) -> None:
        """It holds these samples exactly.

        Raises:
            InputError: it does not.
        """
        again = self.decode(self.encode(samples), len(samples))
        if not np.array_equal(again, samples):
            raise InputError(f"{what}: {self.name} does not hold it exactly; give --audio float32")


def _to_pcm(samples: Samples) -> NDArray[Any]:
    steps = np.rint(samples.astype(np.float64) * FULL_SCALE)
    return np.asarray(np.clip(np.nan_to_num(steps), -FULL_SCALE, FULL_SCALE - 1))


def _from_pcm(steps: NDArray[Any]) -> Samples:
    return np.asarray(steps / np.float64(FULL_SCALE), dtype=np.float32)


CODINGS = {
    "pcm16": Coding("pcm16", "<i2", _to_pcm, _from_pcm),
    "float32": Coding("float32", "<f4", lambda x: x, lambda x: np.asarray(x, dtype=np.float32)),
}
"""By the name that device and remote agree on."""


def as_tensor(samples: Samples) -> Tensor:
    """(C, n) to (1, C, n), in memory of its own: aligned as torch does, in one piece."""
    return torch.from_numpy(np.array(samples, dtype=np.float32)).clone()[None]


class Frames:
    """Frames (C, 128 + lookahead) from what is sent of them: consecutive ones share samples.

    Args:
        channels: C.
        lookahead: samples that a frame has in common with the next one.
        coding: of the samples.
    """

    def __init__(self, channels: int, lookahead: int, coding: Coding) -> None:
        self._channels, self._lookahead, self._coding = channels, lookahead, coding
        self._tail = np.zeros((channels, lookahead), dtype=np.float32)
        self._last: int | None = None

    def add(self, chunk: int, whole: bool, data: bytes) -> Samples | None:
        """The frame of a chunk; None where the one before it, whose end it shares, is missing.

        Raises:
            ValueError: there are too many or too few samples.
        """
        expected = CHUNK + (self._lookahead if whole else 0)
        if len(data) != self._coding.size(self._channels * expected):
            raise ValueError(f"{len(data)} bytes of sound for {expected} samples")
        samples = self._coding.decode(data, self._channels)
        if not whole:
            if self._last != chunk - 1:
                return None
            samples = np.concatenate([self._tail, samples], axis=1)
        if self._last is None or chunk > self._last:
            self._last, self._tail = chunk, samples[:, CHUNK:]
        return samples
