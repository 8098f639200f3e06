"""What moves the weights: AdamW alone, or Muon for the matrices of layers with AdamW beside it."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from kbbench.baselines.training.trainee import Trainee
from kbbench.errors import InputError

MATRICES = (nn.Linear, nn.LSTM)
"""Layers whose matrices Muon moves."""


class Optimizer(Protocol):
    """What a training asks of an optimizer of torch, or of several together."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Whose ``lr`` is set before each step."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients."""

    def step(self) -> object:
        """Move by them."""

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Carry on from there."""


class Together:
    """Optimizers of different parameters, as one."""

    def __init__(self, parts: dict[str, torch.optim.Optimizer]) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of all."""
        return [group for part in self.parts.values() for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all."""
        for part in self.parts.values():
            part.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        """Move all."""
        for part in self.parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Each one's own, by name."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Give each its own."""
        for name, part in self.parts.items():
            part.load_state_dict(state_dict[name])


def optimizer_of(trainee: Trainee) -> Optimizer:
    """The optimizer that a trainee's settings ask for, of all its parameters that learn.

    With Muon the update of a matrix has about orthonormal rows or columns, at the size of one of
    AdamW, so that one learning rate serves both. Source: Jordan et al., "Muon: an optimizer for
    hidden layers in neural networks", 2024; sizes as in Liu et al., "Muon is scalable for LLM
    training", 2025 (arXiv 2502.16982).

    Raises:
        InputError: this torch has no Muon.
    """
    settings, learning = trainee.settings, trainee.trained()
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(learning, lr=rate, weight_decay=decay)
    if not hasattr(torch.optim, "Muon"):
        raise InputError(
            f"--optimizer muon: torch {torch.__version__} has none; "
            "install torch 2.9 or newer, or leave it out"
        )
    layers = [layer for layer in trainee.modules() if isinstance(layer, MATRICES)]
    inside = {id(own) for layer in layers for own in layer.parameters() if own.ndim == 2}
    matrices = [parameter for parameter in learning if id(parameter) in inside]
    others = [parameter for parameter in learning if id(parameter) not in inside]
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    return Together({"muon": muon, "adamw": torch.optim.AdamW(others, lr=rate, weight_decay=decay)})
