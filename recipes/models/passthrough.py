"""Passthrough: every estimate is the mixture. The lower bound of every task.

kbbench evaluate recipes/models/passthrough.py --data DATA --out RUN
"""

import torch
from torch import Tensor, nn

from kbbench.models import Boosted, Triple

SOURCES = {"separation": 2, "target_speech": 1, "enhancement": 1}
"""Estimates that each task asks for."""


class Passthrough(nn.Module):
    """(B, C, T) to (B, S, C, T), unchanged; as a remote it has nothing to tell."""

    def __init__(self, sources: int, remote: bool = False) -> None:
        super().__init__()
        self.sources = sources
        self.remote = remote

    def forward(
        self, mixture: Tensor, **arguments: Tensor | None
    ) -> Tensor | tuple[Tensor, Tensor]:
        estimates = mixture[:, None].expand(-1, self.sources, -1, -1)
        if not self.remote:
            return estimates
        chunks = -(-mixture.shape[-1] // 128)
        return estimates, torch.zeros(len(mixture), chunks, 1)


def triple(task: str = "enhancement") -> Triple:
    """One file for all tasks: the harness says which."""
    device = Passthrough(SOURCES[task])
    remote = Passthrough(SOURCES[task], remote=True)
    return Triple("passthrough", task, small=device, large=remote, boosted=Boosted(device, remote))
