"""Layers of a causal TF-GridNet, each for any number of frames after a state.

Features are (B, T, F, D): batch, frames, frequencies, features. What a layer needs of the past is
given and returned, so that a whole signal and one frame at a time run through the same code.

Source: Wang et al., "TF-GridNet: Integrating Full- and Sub-Band Modeling for Speech Separation",
IEEE/ACM TASLP 31, 2023 (arXiv 2211.12433), with kernel and stride 1 (a chunk is one frame, and no
bins are grouped) and one direction in time, so that nothing waits for the future.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KERNEL = 3
"""Frames and bins that the first and last convolution see."""

Recurrent = tuple[Tensor, Tensor]
"""Hidden and cell state of an LSTM, each (1, sequences, H)."""


class CausalConv(nn.Module):
    """3 x 3 convolution over the present and two past frames, and a bin on either side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, KERNEL, padding=(0, KERNEL // 2))

    def start(self, batch: int, bins: int) -> Tensor:
        """The two frames before the first: silence, (B, 2, F, D)."""
        weight = self.conv.weight
        return weight.new_zeros(batch, KERNEL - 1, bins, weight.shape[1])

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F, inputs) and the past to (B, T, F, outputs) and the next past."""
        x = torch.cat([past, x], dim=1)
        y: Tensor = self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return y, x[:, 1 - KERNEL :]


class FullBand(nn.Module):
    """Intra-frame: an LSTM over frequencies, both ways; no frame sees another."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.lstm = nn.LSTM(features, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F, D) to the same shape."""
        y, _ = self.lstm(self.norm(x).flatten(0, 1))
        change: Tensor = self.out(y).unflatten(0, x.shape[:2])
        return x + change


class SubBand(nn.Module):
    """Temporal: an LSTM over frames, one stream a frequency, the same for all."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.lstm = nn.LSTM(features, hidden, batch_first=True)
        self.out = nn.Linear(hidden, features)

    def start(self, batch: int, bins: int) -> Recurrent:
        """Zeros, (1, B x F, H)."""
        zeros = self.out.weight.new_zeros(1, batch * bins, self.lstm.hidden_size)
        return zeros, zeros.clone()

    def forward(self, x: Tensor, state: Recurrent) -> tuple[Tensor, Recurrent]:
        """(B, T, F, D) and the state to the same shape and the next state."""
        sequences = self.norm(x).transpose(1, 2)
        y, state = self.lstm(sequences.flatten(0, 1), state)
        y = self.out(y).unflatten(0, sequences.shape[:2]).transpose(1, 2)
        return x + y, state


class Film(nn.Module):
    """Feature-wise linear modulation: a condition scales and shifts features.

    Source: Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018.
    """

    def __init__(self, condition: int, features: int) -> None:
        super().__init__()
        self.affine = nn.Linear(condition, 2 * features)

    def begin_neutral(self) -> None:
        """Let the condition change nothing yet: scale one, shift zero."""
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, condition: Tensor, more: Tensor | None = None) -> Tensor:
        """Modulate (..., D) by (..., condition); ``more`` (..., 2 D) adds to scale and shift."""
        affine = self.affine(condition)
        scale, shift = (affine if more is None else affine + more).chunk(2, dim=-1)
        modulated: Tensor = x * (1 + scale) + shift
        return modulated
