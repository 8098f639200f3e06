"""Who is wanted: an enrollment to one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbbench.models.stft import ChunkSTFT

SIZE = 64
"""Numbers that describe a talker."""
QUIET = 1e-4
"""Magnitudes are compressed as log(QUIET + |X|); about the quantization noise of 16 bits."""


class Enrollment(nn.Module):
    """Log spectra, two convolutions over time, mean and deviation over time, one vector."""

    def __init__(self) -> None:
        super().__init__()
        self.stft = ChunkSTFT()
        self.layers = nn.Sequential(
            nn.Conv1d(ChunkSTFT.bins, SIZE, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(SIZE, SIZE, 3, padding=1),
            nn.ReLU(),
        )
        self.out = nn.Linear(2 * SIZE, SIZE)
        self.norm = nn.LayerNorm(SIZE)

    def forward(self, enrollment: Tensor) -> Tensor:
        """(B, 1, T_e) to (B, 64)."""
        return self.encode(self.spectra(enrollment))

    def spectra(self, enrollment: Tensor) -> Tensor:
        """Log spectra, (B, 1, T_e) to (B, K, 97)."""
        spectra: Tensor = (self.stft(enrollment[:, 0]).abs() + QUIET).log()
        return spectra

    def encode(self, spectra: Tensor) -> Tensor:
        """Log spectra (B, K, 97) to (B, 64)."""
        spectra = spectra - spectra.mean(dim=(1, 2), keepdim=True)  # level is not the talker's
        frames = self.layers(spectra.transpose(1, 2))
        spread = (frames.var(dim=-1, unbiased=False) + QUIET).sqrt()
        vector: Tensor = self.norm(self.out(torch.cat([frames.mean(dim=-1), spread], dim=-1)))
        return vector
