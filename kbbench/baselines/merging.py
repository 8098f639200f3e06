"""Where hints enter the device: modulated context that it attends to, or modulation alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kbbench.baselines.attention import Attention, Memory
from kbbench.baselines.config import WINDOW, GridNetConfig
from kbbench.baselines.layers import Film

OLDEST = WINDOW
"""A hint older than this many chunks (0.4 s) counts as lost: what it is about is forgotten."""


class Heard(NamedTuple):
    """Hints as they stand at each step: (B, T, F, E); usable (B, T), bool; age (B, T), chunks."""

    hints: Tensor
    usable: Tensor
    age: Tensor

    @classmethod
    def of(cls, hints: Tensor, seen: Tensor, age: Tensor) -> Heard:
        """Hints whose values are zero, and whose age is 0, where none may be used."""
        usable = seen & (age >= 0) & (age <= OLDEST)
        clean = torch.where(usable[:, :, None, None], hints, 0)
        return cls(clean, usable, torch.where(usable, age, 0))


class Context(NamedTuple):
    """The device's features of the last ``OLDEST`` frames (B, M, F, D), and attention's memory."""

    features: Tensor
    memory: Memory


class AgedFilm(nn.Module):
    """FiLM by a hint and by its age, so that one set of weights serves every delay."""

    def __init__(self, hint: int, features: int) -> None:
        super().__init__()
        self.film = Film(hint, features)
        self.age = nn.Embedding(OLDEST + 1, 2 * features)
        nn.init.zeros_(self.age.weight)

    def forward(self, x: Tensor, heard: Heard) -> Tensor:
        """Modulate (B, T, F, D) by the hint of each step."""
        modulated: Tensor = self.film(x, heard.hints, self.age(heard.age)[:, :, None])
        return modulated


class AttendedHints(nn.Module):
    """Knowledge boosting: hints modulate the features that they are about, and these are context.

    The hint of age a at step t tells about chunk t - a: it modulates the device's own features of
    that chunk (FiLM). The result is context frame t; the device attends from its present features
    to the last ``WINDOW`` context frames and adds what it finds: nothing, before a hint arrives.

    Source: Srinivas et al., "Knowledge boosting during low-latency inference", Interspeech 2024
    (arXiv 2407.11055); the embedding of age is ours.
    """

    def __init__(self, config: GridNetConfig, bins: int) -> None:
        super().__init__()
        self.bins, self.features = bins, config.features
        self.film = AgedFilm(config.hint_features, config.features)
        self.attention = Attention(
            config.features, config.heads, config.key, bins, plain=True, affine=not config.lean
        )

    def begin_neutral(self) -> None:
        """Let hints change nothing yet: what is found adds zero."""
        nn.init.zeros_(self.attention.out.linear.weight)

    def start(self, batch: int) -> Context:
        """Silence, and nothing to look at."""
        memory = self.attention.start(batch)
        shape = (batch, OLDEST, self.bins, self.features)
        return Context(memory.keys.new_zeros(shape), memory)

    def forward(self, x: Tensor, heard: Heard, past: Context) -> tuple[Tensor, Context]:
        """(B, T, F, D) to the same shape and the next context."""
        known = torch.cat([past.features.to(x.dtype), x], dim=1)
        steps = torch.arange(x.shape[1], device=x.device) + OLDEST
        batch = torch.arange(len(x), device=x.device)[:, None]
        context = self.film(known[batch, steps - heard.age], heard)
        context = torch.where(heard.usable[:, :, None, None], context, 0)
        found, memory = self.attention(x, context, heard.usable, past.memory)
        return x + found, Context(known[:, -OLDEST:], memory)


class LayerFilm(nn.Module):
    """The newest hint modulates the present features; where there is none, they stay as they are.

    Source: the layer-wise modulation of Fan et al., "Cloud-Boosted Low-Compute Multi-Channel Speech
    Enhancement", Interspeech 2026 (arXiv 2608.07423); the embedding of age is ours.
    """

    def __init__(self, config: GridNetConfig) -> None:
        super().__init__()
        self.film = AgedFilm(config.hint_features, config.features)

    def begin_neutral(self) -> None:
        """Let hints change nothing yet: scale one, shift zero."""
        self.film.film.begin_neutral()

    def start(self, batch: int) -> None:
        """Nothing is remembered."""

    def forward(self, x: Tensor, heard: Heard, past: None) -> tuple[Tensor, None]:
        """(B, T, F, D) to the same shape."""
        return torch.where(heard.usable[:, :, None, None], self.film(x, heard), x), None
