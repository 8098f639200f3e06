"""Target-speech extraction: is it the wanted talker at all?"""

from __future__ import annotations

import torch
from torch import Tensor

from kbbench.metrics.ratios import si_sdr


def wrong_talker(estimate: Tensor, wanted: Tensor, others: Tensor) -> float:
    """1 where the estimate is nearer to another talker than to the wanted one, else 0.

    Nearer is higher SI-SDR, in the mean over ears. All talkers are taken whole, as they are heard
    in the mixture, so that none has the advantage of more or less reverberation. A tie is no
    mistake: an estimate that holds equally much of both scores 0. The unprocessed mixture scores 1
    wherever another talker is louder than the wanted one. The mean over mixtures is the
    wrong-talker rate; lower is better.

    Args:
        estimate: (channels, samples).
        wanted: (channels, samples).
        others: (talkers, channels, samples), one or more.

    Raises:
        ValueError: shapes differ, the estimate is silent, or a talker is silent at an ear.
    """
    if not estimate.any():
        raise ValueError("estimate is silent")
    if not len(others):
        raise ValueError("no other talker")
    right = _nearness(estimate, wanted)
    return float(any(_nearness(estimate, other) > right for other in others))


def _nearness(estimate: Tensor, talker: Tensor) -> float:
    """Mean SI-SDR over ears; an ear at which the estimate holds nothing says nothing for it."""
    decibels = si_sdr(estimate, talker)
    return float(torch.where(decibels.isnan(), -torch.inf, decibels).mean())
