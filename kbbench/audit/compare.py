"""When an output has changed, and where: exactly, or by more than rounding."""

from __future__ import annotations

import torch
from torch import Tensor

from kbbench.units import CHUNK

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
on. Measured for float32 GRU, convolution and attention of 12 to 257 units: at most 5e-6, hence a
factor of twenty.
"""


def by_chunk(first: Tensor, second: Tensor, output: str, before: int | None = None) -> Tensor:
    """Largest difference in each chunk, as a share of the peak of both; NaN counts as infinite.

    Args:
        first: estimates (B, S, C, T) or hints (B, K, ...).
        second: the same shape.
        output: which of the two it is. Each source, ear or feature is held to its own peak, so
            that a large one does not hide a small one.
        before: a chunk; none from it on is looked at.

    Returns:
        (B, K), or (B, before): 0 where all is equal to the last bit.
    """
    a, b = _time_last(first, output), _time_last(second, output)
    chunk = CHUNK if output == "estimates" else 1
    samples = min(a.shape[-1], (before or a.shape[-1]) * chunk)
    chunks = -(-samples // chunk)
    x, y = a[..., :samples], b[..., :samples]
    if a.shape[1] == 0 or torch.equal(x, y):
        return torch.zeros(len(a), chunks)
    peak = torch.maximum(_peak(a), _peak(b))
    difference = (x - y).abs_().nan_to_num_(nan=torch.inf, posinf=torch.inf)
    share = torch.where(difference > 0, difference / peak, 0.0)
    padded = torch.nn.functional.pad(share, (0, chunks * chunk - samples))
    return padded.unfold(-1, chunk, chunk).amax(dim=(1, 3))


def first_chunk(difference: Tensor, tolerance: float) -> Tensor:
    """The first chunk of each row (B, K) over a tolerance, or K where there is none: (B,)."""
    chunks = torch.arange(difference.shape[1])
    return torch.where(difference > tolerance, chunks, difference.shape[1]).amin(1)


def first_sample(first: Tensor, second: Tensor, chunk: int, tolerance: float) -> int:
    """The first changed sample of estimates (S, C, T) that differ from a chunk on."""
    a, b = first.flatten(0, 1), second.flatten(0, 1)
    difference = (a - b).abs().nan_to_num(nan=torch.inf, posinf=torch.inf)
    over = difference > tolerance * torch.maximum(_peak(a), _peak(b))
    start = chunk * CHUNK
    where = over.any(0)[start:].nonzero()
    return start + int(where[0]) if len(where) else start


def _time_last(values: Tensor, output: str) -> Tensor:
    """(B, features, time); whole numbers in float64."""
    if not values.is_floating_point():
        values = values.double()
    elif values.element_size() < 4:
        values = values.float()
    if output == "hints":
        return values.reshape(*values.shape[:2], values[0, 0].numel()).transpose(1, 2)
    return values.flatten(1, 2)


def _peak(values: Tensor) -> Tensor:
    return values.nan_to_num(0.0, 0.0, 0.0).abs().amax(-1, keepdim=True)
