"""Numbers of trained parameters."""

from __future__ import annotations

from typing import Any

from torch import nn

from kbbench.cost.result import CostFigure, figure


def parameters(*models: Any) -> CostFigure:
    """Parameters of models together; what they share, and what is tied, counts once.

    Buffers (windows, filter banks) are no parameters. TorchScript that was frozen has
    turned its own into constants, which cannot be told from others; give the model unfrozen.
    """
    if not all(isinstance(model, nn.Module) for model in models):
        return figure("parameters", None, "not a torch.nn.Module")
    found = {id(value): value.numel() for model in models for value in model.parameters()}
    return figure("parameters", sum(found.values()))
