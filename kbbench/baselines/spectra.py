"""What a network is told of a frame beside its spectra, and how masks make spectra of estimates.

Spectra are (B, T, F, E, 2): batch, frames, frequencies, ears, real and imaginary part, level taken
out. A TF-GridNet can learn both from the spectra alone, but takes many times as long to.
"""

from __future__ import annotations

import torch
from torch import Tensor

CUES = 4
"""Log power at either ear, cosine and sine of the phase between the ears."""
LOG_FLOOR = 1e-5
LOG_SCALE = 0.2
"""Log power is then as large as the phase is."""
PHASE_FLOOR = 1e-8
"""Where the product of both ears' powers is less, the phase between them says little."""


def interaural(spectra: Tensor) -> Tensor:
    """Cues to level and direction of each bin: (B, T, F, 2, 2) to (B, T, F, 4).

    Source: Wang, Le Roux and Hershey, "Multi-channel deep clustering: discriminative spectral and
    spatial embeddings for speaker-independent speech separation", ICASSP 2018.
    """
    power = spectra.square().sum(dim=-1)
    left, right = spectra.unbind(dim=3)
    cosine = (left * right).sum(dim=-1)
    sine = left[..., 1] * right[..., 0] - left[..., 0] * right[..., 1]
    size = (power[..., 0] * power[..., 1] + PHASE_FLOOR).sqrt()
    level = LOG_SCALE * (power + LOG_FLOOR).log()
    return torch.cat([level, (cosine / size)[..., None], (sine / size)[..., None]], dim=-1)


def at_level(spectra: Tensor, level: Tensor) -> Tensor:
    """Spectra (B, T, F, S, E, 2) at their level (B, T), as (B, S, E, T, F, 2)."""
    return (spectra * level[:, :, None, None, None, None]).permute(0, 3, 4, 1, 2, 5)


def masked(masks: Tensor, spectra: Tensor) -> Tensor:
    """Spectra times complex ratio masks (B, T, F, S, E, 2), to estimates of the masks' shape.

    Source: Williamson, Wang and Wang, "Complex ratio masking for monaural speech separation",
    IEEE/ACM TASLP 24, 2016; masks here are not bounded.
    """
    real, imaginary = masks.unbind(dim=-1)
    heard_real, heard_imaginary = spectra.unsqueeze(3).unbind(dim=-1)
    parts = (
        real * heard_real - imaginary * heard_imaginary,
        real * heard_imaginary + imaginary * heard_real,
    )
    return torch.stack(parts, dim=-1)
