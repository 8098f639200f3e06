"""Who speaks: what was heard of a voice so far, to one vector."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kbbench.baselines.level import Level, running_mean
from kbbench.models.stft import ChunkSTFT

SIZE = 64
"""Numbers that describe a talker."""
QUIET = 1e-4
"""Magnitudes are compressed as log(QUIET + |X|); about the quantization noise of 16 bits."""
TINY = 1e-10
KERNEL = 3
"""Frames that each convolution sees, the present one last."""


class Listened(NamedTuple):
    """What is remembered of voices: sums over the frames so far, and what convolutions look at.

    Level of (N,), spectra (N, 97, 2), inner (N, W, 2), weight (N, 1), sums (N, 2 W).
    """

    level: Level
    spectra: Tensor
    inner: Tensor
    weight: Tensor
    sums: Tensor


class TalkerEncoder(nn.Module):
    """Log spectra, two causal convolutions, weighted mean and deviation of all frames so far.

    The pooling is that of Okabe, Koshinaka and Shinoda, "Attentive statistics pooling for deep
    speaker embedding", Interspeech 2018, as it goes: every frame has its vector.

    Args:
        width: features a frame.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.stft = ChunkSTFT()
        self.first = nn.Conv1d(ChunkSTFT.bins, width, KERNEL)
        self.second = nn.Conv1d(width, width, KERNEL)
        self.weight = nn.Conv1d(width, 1, 1)
        self.out = nn.Linear(2 * width, SIZE)
        self.norm = nn.LayerNorm(SIZE)

    def forward(self, sound: Tensor) -> Tensor:
        """A whole utterance (B, 1, samples) to (B, 64)."""
        return self.known(self.heard(sound))

    def heard(self, sound: Tensor) -> Tensor:
        """What is looked at of an utterance (B, 1, samples): log spectra (B, K, 97)."""
        return log_spectra(self.stft(sound[:, 0]))

    def known(self, spectra: Tensor) -> Tensor:
        """All that was heard, log spectra (B, K, 97) to (B, 64)."""
        vectors, _ = self.listen(spectra, self.start(len(spectra)))
        return vectors[:, -1]

    def start(self, voices: int) -> Listened:
        """Before the first frame of so many voices."""
        zeros = self.out.weight.new_zeros
        return Listened(
            level=Level(zeros(voices), zeros(voices)),
            spectra=zeros(voices, ChunkSTFT.bins, KERNEL - 1),
            inner=zeros(voices, self.width, KERNEL - 1),
            weight=zeros(voices, 1),
            sums=zeros(voices, 2 * self.width),
        )

    def follow(self, power: Tensor, level: Tensor, past: Listened) -> tuple[Tensor, Listened]:
        """Candidates' :func:`powers` at their level (B, T): (2 B, T, 64), the state.

        Voices of a mixture come side by side.
        """
        sizes = power.sqrt() * level[:, :, None, None]
        return self.listen(log_spectra(sizes).permute(0, 3, 1, 2).flatten(0, 1), past)

    def listen(self, spectra: Tensor, past: Listened) -> tuple[Tensor, Listened]:
        """Log spectra (N, K, 97) to the voice so far at each frame, (N, K, 64), and the state."""
        mean, level = running_mean(spectra.mean(dim=-1), past.level)
        x = (spectra - mean[:, :, None]).transpose(1, 2)  # level is not the talker's
        x = torch.cat([past.spectra, x], dim=2)
        inner = torch.cat([past.inner, self.first(x).relu()], dim=2)
        y = self.second(inner).relu().float()
        share = self.weight(y).float().sigmoid()
        weight = share.cumsum(dim=2) + past.weight[:, :, None]
        sums = torch.cat([share * y, share * y.square()], dim=1).cumsum(dim=2)
        sums = sums + past.sums[:, :, None]
        mean, square = (sums / (weight + QUIET)).chunk(2, dim=1)
        spread = ((square - mean.square()).relu() + QUIET).sqrt()
        vectors: Tensor = self.norm(self.out(torch.cat([mean, spread], dim=1).transpose(1, 2)))
        last = 1 - KERNEL
        return vectors, Listened(
            level,
            x[:, :, last:],
            inner[:, :, last:],
            weight[:, :, -1],
            sums[:, :, -1],
        )


def powers(spectra: Tensor) -> Tensor:
    """Of candidates' spectra (B, T, F, 2, E, 2) in each bin, mean of the ears: (B, T, F, 2)."""
    return spectra.square().sum(dim=-1).mean(dim=-1) + TINY


def log_spectra(spectra: Tensor) -> Tensor:
    """What the encoder hears of spectra, complex or their magnitudes."""
    return (spectra.abs() + QUIET).log()
