"""What keeps a signal from having a score."""

from __future__ import annotations

import torch
from torch import Tensor


def check_pair(estimate: Tensor, reference: Tensor) -> None:
    """Two signals (samples,) of one length, neither silent.

    Raises:
        ValueError: they are not.
    """
    if estimate.shape != reference.shape or estimate.ndim != 1:
        raise ValueError(
            f"estimate has shape {tuple(estimate.shape)}, reference {tuple(reference.shape)}, "
            "expected one (samples,) for both"
        )
    for name, signal in (("estimate", estimate), ("reference", reference)):
        if not signal.any():
            raise ValueError(f"{name} is silent")


def not_finite(signal: Tensor, name: str) -> str | None:
    """What is wrong with a signal in which some samples are no numbers; None where all are."""
    return None if torch.isfinite(signal).all() else f"{name} holds NaN or infinity"


def clipped_samples(signal: Tensor) -> int:
    """Samples beyond full scale, which no 16-bit file or converter can hold.

    >>> clipped_samples(torch.tensor([0.5, -1.0, 1.0, 1.25, -3.0]))
    2
    """
    return int((signal.abs() > 1.0).sum())


def check_full_scale(estimate: Tensor) -> None:
    """No sample is beyond full scale.

    Raises:
        ValueError: some are.
    """
    if count := clipped_samples(estimate):
        peak = float(estimate.abs().max())
        raise ValueError(f"estimate clips: {count} samples beyond full scale, peak {peak:.3g}")
