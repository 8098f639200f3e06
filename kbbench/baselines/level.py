"""How loud a mixture has been so far: what is taken out of its frames, and put back at the end.

It stands in for TF-GridNet's normalization over the utterance, which no streaming model has.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FLOOR = 1e-6
"""Least mean power of a frame's bins; what 16-bit quantization noise has there is 1e-8."""


class Level(NamedTuple):
    """Sum of the frames' power and their number so far, each (B,)."""

    power: Tensor
    frames: Tensor


def running_level(frames: Tensor, past: Level) -> tuple[Tensor, Level]:
    """Root mean power of all frames so far, and the sums to go on from.

    Args:
        frames: bins (B, C, T, F, 2), real and imaginary parts.
        past: of the frames before.

    Returns:
        (B, T), and what comes before the next frames.
    """
    power = frames.square().sum(dim=-1).mean(dim=(1, 3)).cumsum(dim=1) + past.power[:, None]
    count = torch.arange(1, frames.shape[2] + 1, device=frames.device) + past.frames[:, None]
    return (power / count + FLOOR).sqrt(), Level(power[:, -1], count[:, -1])
