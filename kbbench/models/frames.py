"""A mixture as a streaming model hears it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from kbbench.units import CHUNK, chunk_count


def frames(mixture: Tensor, lookahead: int) -> Iterator[Tensor]:
    """What a model hears at each step: frame k is samples [128 k, 128 (k + 1) + lookahead).

    Args:
        mixture: (B, C, T).
        lookahead: samples past the chunk; zeros past the mixture's end.

    Yields:
        K frames (B, C, 128 + lookahead), each a copy.
    """
    samples = mixture.shape[-1]
    end = chunk_count(samples) * CHUNK
    heard = torch.nn.functional.pad(mixture, (0, end + lookahead - samples))
    for start in range(0, end, CHUNK):
        yield heard[..., start : start + CHUNK + lookahead].clone()
