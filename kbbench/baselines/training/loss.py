"""What training makes small: negative SI-SDR, permutation-invariant, with a little SNR."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor

SOFT_CEILING = 1e-3
"""A ratio counts up to about 30 dB, so that easy clips do not drown the hard ones.

Source: Wisdom et al., "Unsupervised sound separation using mixture invariant training", NeurIPS
2020."""
SILENT = 1e-9
"""Mean power below which a reference is silent (-90 dB) and counts nothing."""
TINY = 1e-12
"""Keeps ratios finite."""


def separation_loss(estimates: Tensor, references: Tensor, snr_weight: float) -> Tensor:
    """Loss of a batch in dB, lower is better.

    Args:
        estimates: (B, S, C, T); any order of sources, the same at all ears.
        references: the same shape. Silent ones are left out.
        snr_weight: of SNR, beside SI-SDR.

    Returns:
        a scalar.
    """
    estimates, references = estimates.float(), references.float()
    table = pairs(estimates, references, SOFT_CEILING)
    order = best_orders(table.detach())
    counts = _sounds(references)
    si_sdr = _picked(table, order).masked_fill(~counts, 0)
    ordered = estimates[torch.arange(len(order), device=order.device)[:, None], order]
    error = (ordered - references).square().mean(-1)
    power = references.square().mean(-1)
    snr = _decibels(power, error + SOFT_CEILING * power).masked_fill(~counts, 0)
    return -(si_sdr + snr_weight * snr).sum() / counts.sum().clamp(min=1)


def si_sdr_improvement(estimates: Tensor, references: Tensor, mixture: Tensor) -> Tensor:
    """Mean over sources and ears of each mixture, in dB.

    Args:
        estimates: (B, S, C, T), in the best order.
        references: (B, S, C, T); silent ones are left out.
        mixture: (B, C, T).

    Returns:
        (B,)
    """
    table = pairs(estimates.float(), references, 0)
    reached = _picked(table, best_orders(table))
    before = pairs(mixture[:, None], references, 0)[:, :, 0]
    counts = _sounds(references)
    gain = (reached - before).masked_fill(~counts, 0).flatten(1).sum(1)
    return gain / counts.flatten(1).sum(1).clamp(min=1)


def with_rest(wanted: Tensor, mixture: Tensor) -> Tensor:
    """What is wanted (B, 1, C, T), and all else in the mixture (B, C, T): (B, 2, C, T)."""
    return torch.cat([wanted, mixture[:, None] - wanted], dim=1)


def nearer(estimates: Tensor, references: Tensor, mixture: Tensor) -> Tensor:
    """Whether the first estimate of each mixture is nearer to its reference than to all else.

    Args:
        estimates: (B, S, C, T).
        references: (B, S, C, T).
        mixture: (B, C, T).

    Returns:
        (B,), bool: by the SI-SDR, in the mean over ears.
    """
    sides = with_rest(references[:, :1], mixture)
    own, other = pairs(estimates[:, :1].float(), sides, 0)[:, :, 0].mean(-1).unbind(dim=1)
    return own > other


def pairs(estimates: Tensor, references: Tensor, ceiling: float) -> Tensor:
    """SI-SDR in dB of every estimate for every reference, (B, S, E, C).

    Source: Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.
    """
    wanted, offered = references[:, :, None], estimates[:, None]
    power = wanted.square().sum(-1, keepdim=True)
    target = (offered * wanted).sum(-1, keepdim=True) / (power + TINY) * wanted
    signal = target.square().sum(-1)
    return _decibels(signal, (offered - target).square().sum(-1) + ceiling * signal)


def best_orders(table: Tensor) -> Tensor:
    """(B, S, E, C) to the estimate of each source, (B, S), that gives the greatest sum.

    Source: Kolbaek et al., IEEE/ACM TASLP 25(10), 2017.
    """
    sources = table.shape[1]
    orders = torch.tensor(list(permutations(range(sources))), device=table.device)
    rows = torch.arange(sources, device=table.device)
    sums = table.mean(-1)[:, rows, orders].sum(-1)  # (B, orders)
    return orders[sums.argmax(dim=1)]


def _picked(table: Tensor, order: Tensor) -> Tensor:
    """(B, S, E, C) and (B, S) to (B, S, C)."""
    batch = torch.arange(len(order), device=order.device)[:, None]
    rows = torch.arange(order.shape[1], device=order.device)
    return table[batch, rows, order]


def _sounds(references: Tensor) -> Tensor:
    return references.square().mean(-1) > SILENT


def _decibels(signal: Tensor, noise: Tensor) -> Tensor:
    return 10 * torch.log10((signal + TINY) / (noise + TINY))
