"""Oracle: ideal masks that arrive late. An upper bound, which never ranks.

The remote is told the references (``oracle=True``). Its hint for chunk k is the ideal mask of
frame k, the phase-sensitive one of Erdogan et al., "Phase-sensitive and recognition-boosted
speech separation using deep recurrent neural networks", ICASSP 2015, clamped to 0..1. The large
model applies it at once; the boosted device applies the newest that has arrived to its own present
frame. Speech changes within some ten milliseconds, so an old mask is worth less: the device leans
on it by ``exp(-age / TRUST_CHUNKS)`` and else on the blind mask of the small model.

    kbbench evaluate recipes/models/oracle.py --data DATA --out RUN
"""

import torch
from torch import Tensor, nn

from kbbench.models import Boosted, ChunkSTFT, Triple

SOURCES = {"separation": 2, "target_speech": 1, "enhancement": 1}
"""Estimates that each task asks for."""
BLIND = {"separation": 0.5, "target_speech": 1.0, "enhancement": 1.0}
"""The mask of someone who knows nothing: an equal share, or everything."""
TRUST_CHUNKS = 20.0
"""Age at which a mask is trusted by 1 / e, in chunks of 8 ms; measured on the mini train sets."""
FLOOR = 1e-8
"""Power below which a bin of the mixture counts as empty, full scale 1."""


class BlindDevice(nn.Module):
    """The small model: the same mask everywhere."""

    def __init__(self, task: str) -> None:
        super().__init__()
        self.sources, self.blind = SOURCES[task], BLIND[task]

    def forward(self, mixture: Tensor, **arguments: Tensor | None) -> Tensor:
        return self.blind * mixture[:, None].expand(-1, self.sources, -1, -1)


class MaskDevice(nn.Module):
    """The boosted device: the newest mask that has arrived, on the present frame."""

    def __init__(self, task: str) -> None:
        super().__init__()
        self.stft, self.blind = ChunkSTFT(), BLIND[task]

    def forward(
        self,
        mixture: Tensor,
        *,
        hints: Tensor,
        seen_mask: Tensor,
        age: Tensor,
        **arguments: Tensor | None,
    ) -> Tensor:
        trust = torch.exp(-age / TRUST_CHUNKS) * seen_mask
        trust = trust[:, :, None, None, None]
        mask = trust * hints + (1 - trust) * self.blind
        return apply(self.stft, mask, mixture)


class MaskRemote(nn.Module):
    """The large model: the ideal mask at once, which is its hint too, (B, K, S, C, 97)."""

    def __init__(self) -> None:
        super().__init__()
        self.stft = ChunkSTFT()

    def forward(
        self, mixture: Tensor, *, reference: Tensor, **arguments: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        heard = self.stft(mixture)[:, None]
        wanted = self.stft(reference)
        share = (wanted * heard.conj()).real / (heard.abs().square() + FLOOR)
        mask = share.clamp(0.0, 1.0).permute(0, 3, 1, 2, 4)
        return apply(self.stft, mask, mixture), mask


def apply(stft: ChunkSTFT, mask: Tensor, mixture: Tensor) -> Tensor:
    """Masks (B, K, S, C, 97) on a mixture (B, C, T): estimates (B, S, C, T)."""
    frames = stft(mixture)[:, None] * mask.permute(0, 2, 3, 1, 4)
    return stft.inverse(frames, mixture.shape[-1])


def triple(task: str = "enhancement") -> Triple:
    """One file for all tasks: the harness says which."""
    remote = MaskRemote()
    return Triple(
        name="oracle mask",
        task=task,
        small=BlindDevice(task),
        large=remote,
        boosted=Boosted(MaskDevice(task), remote),
        oracle=True,
    )
