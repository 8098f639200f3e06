"""Energy ratios in dB."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor


def si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB; higher is better.

    Args:
        estimate: (..., samples), float.
        reference: the same shape, not silent. Means are not removed.

    Returns:
        dB, shape (...); infinite where the estimate is the reference, scaled, and -inf where it
        holds nothing of it.

    Raises:
        ValueError: shapes differ, or a reference is silent.

    Source: Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.

    >>> reference = torch.tensor([1.0, 0.0, -1.0, 0.0])
    >>> float(si_sdr(reference + torch.tensor([0.0, 0.1, 0.0, 0.1]), reference).round(decimals=4))
    20.0
    """
    _check(estimate, reference)
    estimate, reference = estimate.double(), reference.double()
    scale = (estimate * reference).sum(-1) / reference.square().sum(-1)
    target = scale[..., None] * reference
    return 10 * torch.log10(target.square().sum(-1) / (estimate - target).square().sum(-1))


def snr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Signal-to-noise ratio in dB, scale and all; arguments, returns, raises as :func:`si_sdr`.

    >>> reference = torch.tensor([1.0, -1.0])
    >>> float(snr(1.1 * reference, reference).round(decimals=4))
    20.0
    """
    _check(estimate, reference)
    estimate, reference = estimate.double(), reference.double()
    error = (estimate - reference).square().sum(-1)
    return 10 * torch.log10(reference.square().sum(-1) / error)


def best_permutation(estimates: Tensor, references: Tensor) -> tuple[int, ...]:
    """Which estimate belongs to which source, by mean SI-SDR over sources and channels.

    Args:
        estimates: (S, C, T).
        references: (S, C, T), none silent.

    Returns:
        ``order`` such that ``estimates[order[s]]`` is the estimate of source s. An estimate that
        is silent counts as the worst possible.

    Raises:
        ValueError: as :func:`si_sdr`.

    Source: Kolbaek et al., "Multitalker speech separation with utterance-level permutation
    invariant training", IEEE/ACM TASLP 25(10), 2017.
    """
    sources = range(references.shape[0])
    table = [
        [
            float(si_sdr(estimates[e], references[s]).nan_to_num(-1e6, 1e6, -1e6).mean())
            for e in sources
        ]
        for s in sources
    ]
    return max(permutations(sources), key=lambda order: sum(table[s][order[s]] for s in sources))


def _check(estimate: Tensor, reference: Tensor) -> None:
    if estimate.shape != reference.shape:
        raise ValueError(
            f"estimate has shape {tuple(estimate.shape)}, reference {tuple(reference.shape)}"
        )
    if not reference.square().sum(-1).all():
        raise ValueError("reference is silent")
