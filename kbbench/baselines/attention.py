"""Attention of each frame to the frames of the last 0.4 s: to their own, or to hinted context.

A frame's key is made of all its bins, so that attention compares whole frames; source as in
:mod:`kbbench.baselines.layers`, limited to ``WINDOW`` frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kbbench.baselines.config import WINDOW

BLOCK = 40
"""Frames whose windows are cut at once: cost grows with length, not with its square, and 40 divides
the lengths at which `kbbench profile` counts."""


class Memory(NamedTuple):
    """Keys (B, H, W - 1, E F), values (B, H, W - 1, V F), which of them count (B, W - 1)."""

    keys: Tensor
    values: Tensor
    valid: Tensor


class Heads(nn.Module):
    """Bins' features to one vector a frame and head: linear, PReLU and norm, or linear alone."""

    def __init__(
        self, features: int, heads: int, size: int, bins: int, plain: bool, affine: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.size, self.bins = heads, size, bins
        self.linear = nn.Linear(features, heads * size, bias=not plain)
        self.prelu = None if plain else nn.PReLU()
        self.norm = None if plain else nn.LayerNorm(bins * size, elementwise_affine=False)
        self.affine = affine and not plain
        if self.affine:
            self.scale = nn.Parameter(torch.ones(heads, bins * size))
            self.shift = nn.Parameter(torch.zeros(heads, bins * size))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F, D) to (B, H, T, F E)."""
        y: Tensor = self.linear(x).unflatten(-1, (self.heads, self.size)).transpose(2, 3).flatten(3)
        if self.prelu is not None and self.norm is not None:
            y = self.norm(self.prelu(y))
        if self.affine:
            y = y * self.scale + self.shift
        return y.transpose(1, 2)


class Attention(nn.Module):
    """Each frame looks for what it needs in the last ``WINDOW`` frames of a context.

    Args:
        features: of queries' and context's bins; the heads share them in the output.
        heads: that look for different things.
        key: features a bin of queries and keys.
        bins: frequencies.
        plain: values and output are linear alone, which a small device affords.
        affine: norms scale and shift each number by parameters of its own.
    """

    def __init__(
        self, features: int, heads: int, key: int, bins: int, plain: bool, affine: bool = True
    ) -> None:
        super().__init__()
        value = features // heads
        self.bins = bins
        self.query = Heads(features, heads, key, bins, plain=False, affine=affine)
        self.key = Heads(features, heads, key, bins, plain=False, affine=affine)
        self.value = Heads(features, heads, value, bins, plain, affine)
        self.out = Heads(features, 1, features, bins, plain, affine)

    def start(self, batch: int) -> Memory:
        """Nothing to look at yet."""
        weight = self.out.linear.weight
        before = WINDOW - 1
        return Memory(
            weight.new_zeros(batch, self.key.heads, before, self.key.size * self.bins),
            weight.new_zeros(batch, self.key.heads, before, self.value.size * self.bins),
            torch.zeros(batch, before, dtype=torch.bool, device=weight.device),
        )

    def forward(
        self, x: Tensor, context: Tensor, valid: Tensor, past: Memory
    ) -> tuple[Tensor, Memory]:
        """What x (B, T, F, D) finds in the context (B, T, F, D), frames with valid (B, T) alone.

        Returns:
            (B, T, F, D), and the memory for the next call.
        """
        keys = torch.cat([past.keys.to(x.dtype), self.key(context)], dim=2)
        values = torch.cat([past.values.to(x.dtype), self.value(context)], dim=2)
        valid = torch.cat([past.valid, valid], dim=1)
        found = look_back(self.query(x), keys, values, valid)
        # (B, H, T, F V) to bins whose features are those of all heads.
        bins = found.reshape(*found.shape[:3], self.bins, -1).permute(0, 2, 3, 1, 4).flatten(3)
        y = self.out(bins)[:, 0].unflatten(-1, (self.bins, -1))
        last = 1 - WINDOW
        return y, Memory(keys[:, :, last:], values[:, :, last:], valid[:, last:])


def look_back(query: Tensor, keys: Tensor, values: Tensor, valid: Tensor) -> Tensor:
    """Scaled dot-product attention of frame t to context frames t - W + 1 .. t.

    Args:
        query: (B, H, T, E).
        keys: (B, H, W - 1 + T, E), those of the W - 1 frames before the first included.
        values: (B, H, W - 1 + T, V).
        valid: (B, W - 1 + T), bool; where a window holds none, zeros are found.

    Returns:
        (B, H, T, V).
    """
    frames = query.shape[2]
    block = min(frames, BLOCK)
    spare = -frames % block
    span = block + WINDOW - 1
    queries = nn.functional.pad(query, (0, 0, 0, spare))
    queries = queries.reshape(*query.shape[:2], -1, block, query.shape[-1])
    keys = _windows(nn.functional.pad(keys, (0, 0, 0, spare)), 2, span, block)  # (B, H, N, E, span)
    # Even with weight zero, a value that is not finite would reach frames that do not look at it.
    values = _windows(nn.functional.pad(values.nan_to_num(), (0, 0, 0, spare)), 2, span, block)
    valid = _windows(nn.functional.pad(valid, (0, spare)), 1, span, block)
    ahead = (
        torch.arange(span, device=query.device) - torch.arange(block, device=query.device)[:, None]
    )
    inside = (ahead >= 0) & (ahead < WINDOW) & valid[:, None, :, None, :]
    scores = (queries @ keys) * query.shape[-1] ** -0.5
    scores = scores.masked_fill(~inside, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1).masked_fill(~inside, 0)
    found: Tensor = weights.to(values.dtype) @ values.transpose(-1, -2)
    return found.flatten(2, 3)[:, :, :frames]


def _windows(x: Tensor, dim: int, span: int, block: int) -> Tensor:
    """Windows of ``span`` every ``block``, the axis of a window last; one alone needs no copying.

    (One alone is also all that ONNX's exporter can take.)
    """
    if x.shape[dim] == span:
        return x.movedim(dim, -1).unsqueeze(dim)
    return x.unfold(dim, span, block)
