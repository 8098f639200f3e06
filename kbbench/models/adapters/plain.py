"""A plain network: mixture (B, C, T) to estimates (B, S, C, T), and nothing else."""

from __future__ import annotations

from torch import Tensor, nn

from kbbench.models.adapters.inputs import ENROLLMENT, takes


class Plain(nn.Module):
    """A model around a network that is given no hints.

    Args:
        network: as :func:`plain` takes it.
        more: what its ``forward`` takes after the mixture.
    """

    def __init__(self, network: nn.Module, *more: int) -> None:
        super().__init__()
        self.network, self.more = network, more
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
        """Mixture (B, C, T) to estimates (B, S, C, T); hints are not looked at."""
        given = {ENROLLMENT: enrollment} if self._enrolled else {}
        estimates: Tensor = self.network(mixture, *self.more, **given)
        return estimates


def plain(network: nn.Module) -> Plain:
    """Take a network whose ``forward(mixture)`` returns estimates, as small or large model.

    Args:
        network: mixture (B, C, T) to estimates (B, S, C, T). Where its ``forward`` has an argument
            ``enrollment``, it is given (B, 1, T_e), or None.
    """
    return Plain(network)
