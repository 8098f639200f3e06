"""When an output has changed, and where: exactly, or by more than rounding."""

from __future__ import annotations

import torch
from torch import Tensor

from kbbench.units import CHUNK, chunk_count

SAME_SHAPE = 1e-5
"""Two runs of one shape: a difference under this share of the output's peak is rounding.

Where nothing depends on what was changed, matrix products and convolutions give the same bits in
runs of one shape. What is spread over the whole input in floating point (an FFT) moves last bits:
2**-23 times a few dozen. A difference of -100 dB is below one step of 16-bit audio: it buys
nothing.
"""
OTHER_SHAPE = 1e-4
"""Two runs of different shape (alone and in a batch, chunk by chunk and at once).

Libraries pick other kernels for other shapes, which sum in another order; recurrences carry that
on. Measured for float32 GRU, convolution and attention: under 1e-5, hence a factor of ten.
"""


def by_chunk(first: Tensor, second: Tensor, output: str) -> Tensor:
    """Largest difference in each chunk, as a share of the peak of both; NaN counts as infinite.

    Args:
        first: estimates (B, S, C, T) or hints (B, K, ...).
        second: the same shape.
        output: which of the two it is. Each source, ear or feature is held to its own peak, so
            that a large one does not hide a small one.

    Returns:
        (B, K), 0 where all is equal to the last bit.
    """
    a, b = _time_last(first, output), _time_last(second, output)
    if a.shape[1] == 0:
        return torch.zeros(a.shape[0], chunk_count(a.shape[2]))
    difference = (a - b).abs()
    difference = torch.where(a == b, 0.0, difference.nan_to_num(nan=torch.inf, posinf=torch.inf))
    peak = torch.maximum(_peak(a), _peak(b))
    share = torch.where(difference > 0, difference / peak, 0.0)
    if output == "hints":
        return share.amax(1)
    padded = torch.nn.functional.pad(share, (0, -share.shape[-1] % CHUNK))
    return padded.unfold(-1, CHUNK, CHUNK).amax(dim=(1, 3))


def first_chunk(difference: Tensor, tolerance: float) -> Tensor:
    """The first chunk of each row (B, K) over a tolerance, or K where there is none: (B,)."""
    chunks = torch.arange(difference.shape[1])
    return torch.where(difference > tolerance, chunks, difference.shape[1]).amin(1)


def first_sample(first: Tensor, second: Tensor, chunk: int, tolerance: float) -> int:
    """The first changed sample of estimates (S, C, T) that differ from a chunk on."""
    a, b = first.flatten(0, 1).double(), second.flatten(0, 1).double()
    peak = torch.maximum(_peak(a[None]), _peak(b[None]))[0]
    # The same division as in by_chunk, so that both agree on what is over the tolerance.
    over = ~(((a - b).abs() / peak) <= tolerance) & (a != b)
    start = chunk * CHUNK
    where = over.any(0)[start:].nonzero()
    return start + int(where[0]) if len(where) else start


def _time_last(values: Tensor, output: str) -> Tensor:
    """(B, features, time) in float64."""
    values = values.double()
    if output == "hints":
        return values.reshape(*values.shape[:2], values[0, 0].numel()).transpose(1, 2)
    return values.flatten(1, 2)


def _peak(values: Tensor) -> Tensor:
    return values.nan_to_num(0.0, 0.0, 0.0).abs().amax(-1, keepdim=True)
