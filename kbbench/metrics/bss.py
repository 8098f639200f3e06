"""Signal-to-distortion ratio of BSS Eval, by the package of the field."""

from __future__ import annotations

import torch
from torch import Tensor

FILTER_TAPS = 512
"""Length of the filter that is forgiven: 32 ms; that of BSS Eval version 3."""
AT_ONCE = 12
"""Estimates that one call takes: a run's conditions share what is prepared of the reference."""
DIGITS = 9
"""Decimals of dB: those beyond depend on what else is computed in the same call."""


def sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Signal-to-distortion ratio in dB, up to a filter of 512 taps; higher is better.

    Args:
        estimate: (..., samples), float: all estimates of one reference, which is prepared once for
            every twelve of them.
        reference: (samples,), float, not silent. Means are not removed.

    Returns:
        dB, shape (...); infinite where an estimate is the reference, filtered.

    Raises:
        ValueError: shapes differ, a signal is silent or shorter than the filter.

    Source: Vincent et al., "Performance measurement in blind audio source separation", IEEE TASLP
    14(4), 2006, through the package fast-bss-eval (Scheibler, "SDR - Medium rare with fast
    computations", ICASSP 2022).
    """
    import fast_bss_eval

    if estimate.shape[-1:] != reference.shape:
        raise ValueError(
            f"estimate has shape {tuple(estimate.shape)}, reference {tuple(reference.shape)}, "
            "expected (..., samples) and (samples,)"
        )
    if len(reference) < FILTER_TAPS:
        raise ValueError(f"{len(reference)} samples, SDR needs {FILTER_TAPS} or more")
    rows, x = estimate.double().reshape(-1, len(reference)), reference.double()
    if not x.any():
        raise ValueError("reference is silent")
    if not rows.any(dim=-1).all():
        raise ValueError("estimate is silent")
    negative = [
        fast_bss_eval.sdr_loss(part, x[None], filter_length=FILTER_TAPS, pairwise=True)[0]
        for part in torch.split(rows, AT_ONCE)
    ]
    return -torch.cat(negative).round(decimals=DIGITS).reshape(estimate.shape[:-1])
