"""A short-time Fourier transform whose frames are chunks: 192-sample window, 128-sample hop."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kbbench.units import CHUNK, LOOKAHEAD


class ChunkSTFT(nn.Module):
    """STFT whose frame k sees samples [128 k, 128 k + 192) and no other.

    Chunk k is complete once frames k - 1 and k are: 64 samples of look-ahead, 12 ms algorithmic
    latency. Nothing is centred, padded by reflection or normalized over the utterance, so a model
    between :meth:`forward` and :meth:`inverse` is as causal as what it does to the frames.

    The window, for analysis and synthesis, is the square root of a trapezoid (64-sample
    sine-squared slopes, flat between); shifted by 128 samples, its squares sum to one, so that
    untouched frames give the signal back. Only the first 64 samples, which no earlier frame
    overlaps, fade in.
    """

    bins = (CHUNK + LOOKAHEAD) // 2 + 1
    """Frequencies a frame: 97, from 0 to 8 kHz."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        slope = torch.sin((torch.arange(LOOKAHEAD) + 0.5) * (math.pi / 2 / LOOKAHEAD))
        window = torch.cat([slope, torch.ones(CHUNK - LOOKAHEAD), slope.flip(0)])
        self.register_buffer("window", window, persistent=False)

    def forward(self, signal: Tensor) -> Tensor:
        """Signal (..., T) to frames (..., K, 97), complex; K = ceil(T / 128)."""
        chunks = -(-signal.shape[-1] // CHUNK)
        padded = nn.functional.pad(signal, (0, chunks * CHUNK + LOOKAHEAD - signal.shape[-1]))
        return self.analyse(padded.unfold(-1, CHUNK + LOOKAHEAD, CHUNK))

    def inverse(self, frames: Tensor, length: int) -> Tensor:
        """Frames (..., K, 97) to a signal (..., length)."""
        pieces = self.synthesize(frames)
        carried = nn.functional.pad(pieces[..., :-1, CHUNK:], (0, 0, 1, 0))
        head = pieces[..., :LOOKAHEAD] + carried
        chunks = torch.cat([head, pieces[..., LOOKAHEAD:CHUNK]], dim=-1)
        return chunks.flatten(-2)[..., :length]

    def analyse(self, frame: Tensor) -> Tensor:
        """Samples (..., 192) of one frame, or many, to bins (..., 97)."""
        spectrum: Tensor = torch.fft.rfft(frame * self.window)
        return spectrum

    def synthesize(self, bins: Tensor) -> Tensor:
        """Bins (..., 97) to windowed samples (..., 192), to be overlapped and added."""
        piece: Tensor = torch.fft.irfft(bins, n=CHUNK + LOOKAHEAD)
        return piece * self.window

    def analyse_pairs(self, frame: Tensor) -> Tensor:
        """Samples (..., 192) to real and imaginary parts of bins (..., 97, 2).

        Within an export to ONNX, whose exporter has no complex numbers, by a matrix.
        """
        if not torch.onnx.is_in_onnx_export():
            return torch.view_as_real(self.analyse(frame))
        waves = np.ascontiguousarray(np.fft.rfft(np.eye(CHUNK + LOOKAHEAD))).view(np.float64)
        pairs: Tensor = (frame * self.window) @ _constant(waves)
        return pairs.reshape(*pairs.shape[:-1], self.bins, 2)

    def overlap_pairs(self, pairs: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`overlap`, from real and imaginary parts (..., 97, 2)."""
        if not torch.onnx.is_in_onnx_export():
            return self.overlap(torch.view_as_complex(pairs.contiguous()), carried)
        units = np.eye(2 * self.bins).view(np.complex128)
        waves = np.fft.irfft(units, n=CHUNK + LOOKAHEAD)
        return _add(pairs.flatten(-2) @ _constant(waves) * self.window, carried)

    def overlap(self, bins: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
        """Streaming inverse: bins (..., 97) and the last call's carry (..., 64).

        Returns:
            the chunk (..., 128), and the carry (..., 64) for the next call; start with zeros.
        """
        return _add(self.synthesize(bins), carried)


def _add(piece: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
    """A windowed piece (..., 192) and a carry (..., 64) to a chunk (..., 128) and the next."""
    chunk = torch.cat([piece[..., :LOOKAHEAD] + carried, piece[..., LOOKAHEAD:CHUNK]], dim=-1)
    return chunk, piece[..., CHUNK:]


def _constant(values: NDArray[np.float64]) -> Tensor:
    """Numbers that a tracer takes as they are, not as what made them."""
    return torch.from_numpy(values.astype(np.float32))
