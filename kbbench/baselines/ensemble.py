"""Two networks at once: what one would do without a link to a remote.

The mean of their estimates, spectrum by spectrum. Networks that were trained apart need not give
the sources in one order, so the second's are put into the first's, frame by frame: the order that
agrees best over all frames up to this one. It never waits, and never goes back; where it changes,
the overlap of the frames fades from one to the other.
"""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kbbench.baselines.gridnet import GridNet
from kbbench.baselines.gridnet import State as NetworkState


class State(NamedTuple):
    """Of both networks, and the agreement (B, S, S) of all sources of one with those of the other.

    The mean's carry is the first network's.
    """

    first: NetworkState
    second: NetworkState
    agreement: Tensor


class Ensemble(nn.Module):
    """The mean of two devices without hints; streams exactly what it gives offline.

    Args:
        first: decides the order of the sources.
        second: of as many sources.

    Raises:
        ValueError: the numbers of sources differ.
    """

    def __init__(self, first: GridNet, second: GridNet) -> None:
        super().__init__()
        if first.config.sources != second.config.sources:
            raise ValueError(
                f"an ensemble of networks with {first.config.sources} and "
                f"{second.config.sources} sources, expected as many"
            )
        self.first, self.second = first, second

    def forward(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor:
        """Mixture (B, C, T) to estimates (B, S, C, T); hints are not heard."""
        frames = torch.view_as_real(self.first.stft(mixture))
        bins, _ = self._run(frames, self.start(len(mixture), enrollment))
        bins = torch.view_as_complex(bins.contiguous())
        return self.first.stft.inverse(bins, mixture.shape[-1])

    def start(self, batch: int, enrollment: Tensor | None = None) -> State:
        """The state before the first chunk; an enrollment (B, 1, T_e) is encoded here, once."""
        first = self.first.start(batch, enrollment)
        sources = self.first.config.sources
        agreement = first.carry.new_zeros(batch, sources, sources, dtype=torch.float64)
        return State(first, self.second.start(batch, enrollment), agreement)

    def step(
        self, frame: Tensor, state: State, hint: Tensor | None = None, age: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Frame (B, C, 192) to a chunk (B, S, C, 128), state; hints are not heard."""
        stft = self.first.stft
        bins, state = self._run(stft.analyse_pairs(frame)[:, :, None], state)
        chunk, carry = stft.overlap_pairs(bins[:, :, :, 0], state.first.carry)
        return chunk, state._replace(first=state.first._replace(carry=carry))

    def _run(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Frames (B, C, T, 97, 2) to the estimates' (B, S, C, T, 97, 2)."""
        ours, first = self.first.run(frames, state.first, None)
        theirs, second = self.second.run(frames, state.second, None)
        ordered, agreement = in_order(theirs.estimates, ours.estimates, state.agreement)
        return (ours.estimates + ordered) / 2, State(first, second, agreement)


def in_order(theirs: Tensor, ours: Tensor, agreement: Tensor) -> tuple[Tensor, Tensor]:
    """Put sources into the order of others, frame by frame, by what was heard so far.

    Args:
        theirs: spectra (B, S, C, T, F, 2), in an order of their own.
        ours: the same shape.
        agreement: (B, S, S), ours by theirs, float64: correlations, summed over all frames before.

    Returns:
        theirs in the order of greatest agreement up to each frame, and the sums to go on from.
    """
    each = torch.einsum("bictfp,bjctfp->btij", ours, theirs)
    sums = agreement[:, None] + each.double().cumsum(dim=1)
    order = best_order(sums)[..., None, None, None]  # (B, T, S, 1, 1, 1)
    frames = theirs.movedim(3, 1)
    ordered = frames.gather(2, order.expand_as(frames)).movedim(1, 3)
    return ordered, sums[:, -1]


def best_order(agreement: Tensor) -> Tensor:
    """Of ours with theirs, (..., S, S), to the order of theirs that agrees best, (..., S)."""
    count = agreement.shape[-1]
    sources = torch.arange(count, device=agreement.device)
    orders = torch.tensor(list(permutations(range(count))), device=agreement.device)
    best = agreement[..., sources, orders].sum(dim=-1).argmax(dim=-1)
    return orders[best]
