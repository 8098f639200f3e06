"""A small streaming separator whose every cost is known by hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kbbench.models import Boosted, Triple
from kbbench.units import CHUNK, LOOKAHEAD, chunk_count

EARS, SOURCES, FEATURES, TAPS = 2, 2, 24, 3


class State(NamedTuple):
    """Features (B, N, 2) and samples (B, S, C, 64) of the last chunks; the GRU's (1, B, H)."""

    features: Tensor
    gru: Tensor
    carry: Tensor


class Separator(nn.Module):
    """Learned filter bank, causal convolution, GRU that takes hints, masks, and back."""

    def __init__(self, hidden: int, hint_size: int = 0, remote: bool = False) -> None:
        super().__init__()
        self.hidden, self.remote = hidden, remote
        self.encoder = nn.Conv1d(EARS, FEATURES, CHUNK + LOOKAHEAD, CHUNK, bias=False)
        self.context = nn.Conv1d(FEATURES, FEATURES, TAPS, groups=FEATURES)
        self.gru = nn.GRU(FEATURES, hidden, batch_first=True)
        self.merge = nn.Linear(hint_size, hidden, bias=False) if hint_size else None
        self.mask = nn.Linear(hidden, SOURCES * FEATURES)
        self.decoder = nn.ConvTranspose1d(FEATURES, EARS, CHUNK + LOOKAHEAD, CHUNK, bias=False)

    def start(self, batch: int, enrollment: Tensor | None = None) -> State:
        return State(
            torch.zeros(batch, FEATURES, TAPS - 1),
            torch.zeros(1, batch, self.hidden),
            torch.zeros(batch, SOURCES, EARS, LOOKAHEAD),
        )

    def run(
        self, padded: Tensor, state: State, hints: Tensor | None
    ) -> tuple[Tensor, Tensor, State]:
        """Samples (B, C, 128 K + 64) to estimates (B, S, C, 128 K), hints (B, K, H), state."""
        features = self.encoder(padded)
        past = torch.cat([state.features, features], dim=-1)
        hidden, gru = self.gru(self.context(past).transpose(1, 2), state.gru)
        merged = hidden
        if self.merge is not None and hints is not None:
            merged = hidden + self.merge(hints)
        masks = self.mask(merged).sigmoid().unflatten(-1, (SOURCES, FEATURES)).permute(0, 2, 3, 1)
        pieces = self.decoder((masks * features[:, None]).flatten(0, 1))
        pieces = pieces.unflatten(0, (-1, SOURCES))
        head = pieces[..., :LOOKAHEAD] + state.carry
        estimates = torch.cat([head, pieces[..., LOOKAHEAD:-LOOKAHEAD]], dim=-1)
        carry = pieces[..., -LOOKAHEAD:]
        return estimates, hidden, State(past[..., 1 - TAPS :], gru, carry)

    def forward(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        length = mixture.shape[-1]
        spare = chunk_count(length) * CHUNK + LOOKAHEAD - length
        padded = nn.functional.pad(mixture, (0, spare))
        estimates, told, _ = self.run(padded, self.start(len(mixture)), hints)
        return (estimates[..., :length], told) if self.remote else estimates[..., :length]

    def step(
        self, frame: Tensor, state: State, hint: Tensor | None = None, age: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        hints = None if hint is None else hint[:, None]
        estimate, told, state = self.run(frame, state, hints)
        return (estimate, told[:, 0], state) if self.remote else (estimate, state)  # type: ignore[return-value]


def macs_by_hand(hidden: int, hint_size: int = 0) -> int:
    """Of one chunk."""
    bank = EARS * FEATURES * (CHUNK + LOOKAHEAD)
    gates = 3 * hidden * (FEATURES + hidden)
    return (
        bank
        + FEATURES * TAPS
        + gates
        + hint_size * hidden
        + hidden * SOURCES * FEATURES
        + SOURCES * bank
    )


def state_bytes_by_hand(hidden: int) -> int:
    """Of float32."""
    return 4 * (FEATURES * (TAPS - 1) + hidden + SOURCES * EARS * LOOKAHEAD)


def parameters_by_hand(hidden: int, hint_size: int = 0) -> int:
    bank = EARS * FEATURES * (CHUNK + LOOKAHEAD)
    gru = 3 * hidden * (FEATURES + hidden + 2)
    mask = (hidden + 1) * SOURCES * FEATURES
    return 2 * bank + FEATURES * (TAPS + 1) + gru + hint_size * hidden + mask


def separator_triple() -> Triple:
    """Small of 16 units, large of 96, and a device of 16 that takes 96 numbers a hint."""
    torch.manual_seed(0)
    large = Separator(96, remote=True)
    boosted = Boosted(Separator(16, hint_size=96), large)
    return Triple("separator", "separation", Separator(16), large, boosted)
