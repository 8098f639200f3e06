"""An upper bound for what a mask in a hint can do: the remote knows the answer.

The remote writes the ideal mask of every frame. By itself it applies it at once; the boosted device
applies the newest mask that has arrived to the frame that it hears now. Speech moves on in the
meantime, so the gap closed is 1 at delay 0 and falls from there: the curve shows what delay alone
costs a device that can only follow its hints. Marked as an oracle; it never ranks.

Hints: (B, K, S, C, 97), the mask of chunk k's frame for each source, channel and frequency, 0..1.
"""

import torch
from torch import Tensor, nn

from kbbench.models import Boosted, ChunkSTFT, Triple
from kbbench.units import CHUNK, SAMPLE_RATE

MASK_MEMORY_S = 0.080
"""A mask's deviation from its mean is trusted by exp(-age / this). Measured: the best of 40, 80
and 160 ms at 6 chunks, mini-enhancement, train."""
TINY_POWER = 1e-12
"""|STFT|^2 below this (full scale 1) is silence; far under one 16-bit step."""


class IdealMask(nn.Module):
    """The large model: a phase-sensitive mask from the references themselves.

    Source: Erdogan et al., "Phase-sensitive and recognition-boosted speech separation using deep
    recurrent neural networks", ICASSP 2015; cut off at 0 and 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stft = ChunkSTFT()

    def forward(
        self, mixture: Tensor, *, reference: Tensor, enrollment: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mixture (B, C, T) and reference (B, S, C, T) to estimates and hints (B, K, S, C, 97)."""
        heard = self.stft(mixture)[:, None]
        wanted = self.stft(reference)
        power = heard.abs().square().clamp(min=TINY_POWER)
        mask = ((wanted * heard.conj()).real / power).clamp(0, 1)
        return self.stft.inverse(mask * heard, mixture.shape[-1]), mask.movedim(3, 1)


class OldMask(nn.Module):
    """The device: applies the newest mask that has arrived, trusting it less as it ages.

    An old mask is drawn towards the mean of all that have arrived, which is the better guess once
    speech has moved on. Before the first hint, and without hints, every source gets the same share
    of the mixture; that is the small model.
    """

    def __init__(self, sources: int) -> None:
        super().__init__()
        self.sources = sources
        self.stft = ChunkSTFT()

    def forward(
        self,
        mixture: Tensor,
        *,
        reference: Tensor | None = None,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor:
        """Mixture (B, C, T) to estimates (B, S, C, T); the reference is not looked at."""
        if hints is None or seen_mask is None or age is None:
            return mixture[:, None].repeat(1, self.sources, 1, 1) / self.sources
        seen = seen_mask[:, :, None, None, None]
        arrived = seen.cumsum(1).clamp(min=1)
        mean = torch.where(seen, hints, 0).cumsum(1) / arrived
        age_s = age[:, :, None, None, None] * (CHUNK / SAMPLE_RATE)
        aged = mean + torch.exp(-age_s / MASK_MEMORY_S) * (hints - mean)
        mask = torch.where(seen, aged, 1 / self.sources).movedim(1, 3)
        return self.stft.inverse(mask * self.stft(mixture)[:, None], mixture.shape[-1])


def triple(task: str = "enhancement") -> Triple:
    """The same for every task; separation has two sources, the others one."""
    device, remote = OldMask(2 if task == "separation" else 1), IdealMask()
    return Triple("oracle-mask", task, device, remote, Boosted(device, remote), oracle=True)
