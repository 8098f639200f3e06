"""A joint model: small, large and the link between them in one ``forward(mixture, delay)``."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from kbbench.models.adapters.plain import Plain
from kbbench.models.contract import Opaque


def joint(network: nn.Module) -> Callable[[int], Opaque]:
    """Take a network whose ``forward(mixture, delay)`` delays its own hints, as ``boosted``.

    The harness does not own its link, and cannot prove that hints are late: runs are marked
    "opaque link" and ranked apart. There are no controls for it (hints off, other hints), and it
    runs at fixed delays alone.

    Args:
        network: mixture (B, C, T) and a delay in chunks to estimates (B, S, C, T). Where its
            ``forward`` has an argument ``enrollment``, it is given (B, 1, T_e), or None.
    """
    return lambda delay_chunks: Opaque(Plain(network, delay_chunks))
