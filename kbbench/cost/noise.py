"""What the models hear while they are measured: seeded noise, no dataset."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kbbench.units import CHUNK, samples

SEED = 0
RMS = 0.05
"""Of the noise, full scale 1: -26 dB, the level of speech in ITU-T P.56 practice."""
CHANNELS = 2
"""Two ears, as in every recipe."""
ENROLLMENT_S = 5.0
"""Seconds of another utterance; target speech only."""
SOURCES = {"separation": 2, "target_speech": 1, "enhancement": 1}
"""Sources of each task's reference, which oracles alone are given."""


@dataclass(frozen=True)
class Noise:
    """Mixture (1, C, T), enrollment (1, 1, T_e) or None, reference (1, S, C, T)."""

    mixture: Tensor
    enrollment: Tensor | None
    reference: Tensor

    @property
    def chunks(self) -> int:
        """Chunks of the mixture."""
        return self.mixture.shape[-1] // CHUNK


def noise(task: str, chunks: int) -> Noise:
    """So many chunks of noise for a task; the same at every call."""
    generator = torch.Generator().manual_seed(SEED)

    def draw(*shape: int) -> Tensor:
        return RMS * torch.randn(*shape, generator=generator)

    enrollment = draw(1, 1, samples(ENROLLMENT_S)) if task == "target_speech" else None
    mixture = draw(1, CHANNELS, chunks * CHUNK)
    reference = draw(1, SOURCES[task], CHANNELS, chunks * CHUNK)
    return Noise(mixture, enrollment, reference)
