"""How loud a sound has been so far: what is taken out of its frames, and put back into estimates.

It stands in for TF-GridNet's normalization over the utterance, which no streaming model has.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FLOOR = 1e-6
"""Least mean power of a frame's bins; what 16-bit quantization noise has there is 1e-8."""


class Level(NamedTuple):
    """Sum of the frames' power, or of what else is averaged, and their number so far, each (B,)."""

    total: Tensor
    frames: Tensor


def running_level(frames: Tensor, past: Level) -> tuple[Tensor, Level]:
    """Root mean power of all frames so far, and the sums to go on from.

    Args:
        frames: bins (B, C, T, F, 2), real and imaginary parts.
        past: of the frames before.

    Returns:
        (B, T), and what comes before the next frames.
    """
    power, level = running_mean(frames.square().sum(dim=-1).mean(dim=(1, 3)), past)
    return (power + FLOOR).sqrt(), level


def running_mean(values: Tensor, past: Level) -> tuple[Tensor, Level]:
    """The mean of values (B, T), one a frame, of all frames so far; the sums to go on from."""
    total = values.cumsum(dim=1) + past.total[:, None]
    count = torch.arange(1, values.shape[1] + 1, device=values.device) + past.frames[:, None]
    return total / count, Level(total[:, -1], count[:, -1])
