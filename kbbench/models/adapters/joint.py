"""A joint model: small, large and the link between them in one ``forward(mixture, delay)``."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from kbbench.models.adapters.inputs import ENROLLMENT, takes
from kbbench.models.contract import Opaque


class AtDelay(nn.Module):
    """A joint model at one delay, called as a device without hints."""

    def __init__(self, network: nn.Module, delay_chunks: int) -> None:
        super().__init__()
        self.network = network
        self.delay_chunks = delay_chunks
        self._enrolled = takes(network.forward, ENROLLMENT)

    def forward(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor:
        """Mixture (B, C, T) to estimates (B, S, C, T); it makes its own hints."""
        given = {ENROLLMENT: enrollment} if self._enrolled else {}
        estimates: Tensor = self.network(mixture, self.delay_chunks, **given)
        return estimates


def joint(network: nn.Module) -> Callable[[int], Opaque]:
    """Take a network whose ``forward(mixture, delay)`` delays its own hints, as ``boosted``.

    The harness does not own its link, and cannot prove that hints are late: runs are marked
    "opaque link" and ranked apart. There are no controls for it (hints off, other hints), and it
    runs at fixed delays alone.

    Args:
        network: mixture (B, C, T) and a delay in chunks to estimates (B, S, C, T). Where its
            ``forward`` has an argument ``enrollment``, it is given (B, 1, T_e), or None.
    """
    return lambda delay_chunks: Opaque(AtDelay(network, delay_chunks))
