"""Clips at another speed and level, or mirrored: one change for all that is heard in a clip."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

import soxr
import torch
from torch import Tensor

from kbbench.baselines.training.settings import OWN_SPEED, Settings
from kbbench.rng import Stream

MARGIN = 256
"""Samples on either side of a clip that its resampling hears too; 144 are enough for float32."""


class Change(NamedTuple):
    """How a clip differs from its mixture: speed in percent, a factor on its samples, ears."""

    speed_percent: int
    gain: float
    mirrored: bool = False

    @classmethod
    def drawn(cls, settings: Settings, number: int) -> Change:
        """That of a clip, by its number alone."""
        speed = Stream("clip speed", settings.seed, number).choice(settings.speeds_percent)
        gain = Stream("clip gain", settings.seed, number)
        decibels = gain.uniform(-settings.gain_db, settings.gain_db)
        turned = settings.mirror and Stream("clip mirror", settings.seed, number).choice((0, 1))
        return cls(speed, 10 ** (decibels / 20), bool(turned))

    def needed(self, length: int) -> int:
        """Samples of the mixture that so many samples of a clip are made of."""
        return -(-length * self.speed_percent // OWN_SPEED)

    def excerpt(self, signal: Tensor, start: int, length: int) -> Tensor:
        """What begins at a sample of a signal (..., C, T), at the clip's speed: (..., C, length).

        Mirrored, left is right: heads are nearly as symmetric as rooms are. Faster is higher too,
        as a tape is. Source: Ko et al., "Audio augmentation for speech recognition", Interspeech
        2015.
        """
        if self.mirrored:
            signal = signal.flip(-2)
        if self.speed_percent == OWN_SPEED:
            return signal[..., start : start + length]
        common = gcd(self.speed_percent, OWN_SPEED)
        read, written = self.speed_percent // common, OWN_SPEED // common
        before = min(start, MARGIN) // read  # whole periods, so that the clip begins on a sample
        heard = signal[..., start - before * read : start + self.needed(length) + MARGIN]
        columns = heard.reshape(-1, heard.shape[-1]).T.numpy()
        rows = torch.from_numpy(soxr.resample(columns, read, written)).T
        changed = rows[:, before * written : before * written + length]
        return changed.reshape(*signal.shape[:-1], length)


def longest(settings: Settings, samples: int) -> int:
    """Samples that a signal of so many has at every speed that may be drawn.

    >>> longest(Settings(stage="small", speeds_percent=(90, 110)), 1100)
    1000
    """
    return samples * OWN_SPEED // max(settings.speeds_percent)
