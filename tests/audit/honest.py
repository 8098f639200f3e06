"""Honest triples of many kinds: what the audit must let through, and what cheats are made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from kbbench.models import ChunkSTFT
from kbbench.units import CHUNK, LOOKAHEAD, chunk_count

EARS = 2
KERNEL, WINDOW, TAPS = 3, 24, 40
"""Chunks that a convolution, attention and the long convolution look back."""


class Gru(nn.Module):
    """A recurrence over chunks."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(size, size, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(x)[0]

    def step(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        y, state = self.gru(x[:, None], state)
        return y[:, 0], state


class Conv(nn.Module):
    """A causal convolution over chunks."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(size, size, KERNEL)

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x.transpose(1, 2), (KERNEL - 1, 0))
        return torch.tanh(self.conv(padded)).transpose(1, 2)

    def step(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        past = x.new_zeros(len(x), KERNEL - 1, x.shape[-1]) if state is None else state
        heard = torch.cat([past, x[:, None]], dim=1)
        return torch.tanh(self.conv(heard.transpose(1, 2)))[..., 0], heard[:, 1:]


class Attention(nn.Module):
    """Attention to the last chunks, by a mask."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.project = nn.Linear(size, 3 * size)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x).chunk(3, dim=-1)
        age = torch.arange(x.shape[1])[:, None] - torch.arange(x.shape[1])
        mask = (age >= 0) & (age < WINDOW)
        return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    def step(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        now = self.project(x)[:, None]
        kept = now if state is None else torch.cat([state, now], dim=1)[:, -WINDOW:]
        _, k, v = kept.chunk(3, dim=-1)
        q = now.chunk(3, dim=-1)[0]
        return nn.functional.scaled_dot_product_attention(q, k, v)[:, 0], kept


class LongConv(nn.Module):
    """A long causal convolution by FFT, padded with zeros: rounding goes everywhere."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.randn(TAPS, size) / TAPS)

    def forward(self, x: Tensor) -> Tensor:
        n = 2 * max(x.shape[1], TAPS)
        spectrum = torch.fft.rfft(x, n, dim=1) * torch.fft.rfft(self.taps, n, dim=0)
        return torch.fft.irfft(spectrum, n, dim=1)[:, : x.shape[1]]


CORES: dict[str, Callable[[int], nn.Module]] = {
    "gru": Gru,
    "conv": Conv,
    "attention": Attention,
    "long conv": LongConv,
}


class LayerNorm(nn.LayerNorm):
    """Each chunk by itself."""

    def step(self, x: Tensor, state: None) -> tuple[Tensor, None]:
        return self(x), state


class BatchNorm(nn.BatchNorm1d):
    """With running statistics, in evaluation mode."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)

    def step(self, x: Tensor, state: None) -> tuple[Tensor, None]:
        return self(x[:, None])[:, 0], state


class CumulativeNorm(nn.Module):
    """By the mean of all chunks so far."""

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        count = torch.arange(1, x.shape[1] + 1)[:, None]
        return x - x.mean(-1, keepdim=True).cumsum(1) / count

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        count, total = state or (0, 0.0)
        state = (count + 1, total + x.mean(-1, keepdim=True))
        return x - state[1] / state[0], state


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "layer": LayerNorm,
    "batch": BatchNorm,
    "cumulative": CumulativeNorm,
}


class Net(nn.Module):
    """A mask on chunks, from both ears, and from an enrollment and hints where there are any.

    Small, device and remote in one: with ``hint_in`` numbers a hint, it takes hints of
    (..., 2, hint_in / 2); with ``hint_out``, it writes such hints.
    """

    def __init__(
        self,
        core: str,
        norm: str,
        size: int,
        sources: int,
        enrolled: bool,
        hint_in: int = 0,
        hint_out: int = 0,
    ) -> None:
        super().__init__()
        self.stft, self.sources, self.hint_in = ChunkSTFT(), sources, hint_in
        self.encode = nn.Linear(EARS * ChunkSTFT.bins + (hint_in + 1 if hint_in else 0), size)
        self.norm, self.core = NORMS[norm](size), CORES[core](size)
        self.mask = nn.Linear(size, sources * EARS * ChunkSTFT.bins)
        self.tell = nn.Linear(size, hint_out) if hint_out else None
        self.known = nn.Linear(ChunkSTFT.bins, size) if enrolled else None

    def features(self, frames: Tensor) -> Tensor:
        """Frames (B, C, K, 97) to (B, K, C * 97)."""
        return frames.abs().clamp(min=1e-4).log().transpose(1, 2).flatten(2)

    def told(self, x: Tensor, hints: Tensor | None, age: Tensor | None) -> Tensor:
        """Features (B, K, F) with hints and their age."""
        if not self.hint_in:
            return x
        if hints is None or age is None:
            return nn.functional.pad(x, (0, self.hint_in + 1))
        return torch.cat([x, hints.flatten(2), age[..., None] / 12], dim=-1)

    def voice(self, enrollment: Tensor | None) -> Tensor | float:
        """What an enrollment says: (B, size)."""
        if self.known is None:
            return 0.0
        if enrollment is None:
            raise ValueError("no enrollment")
        frames = self.stft(enrollment)[:, 0]
        return self.known(frames.abs().clamp(min=1e-4).log().mean(1))

    def estimate(self, y: Tensor, frames: Tensor) -> Tensor:
        """Masked frames (B, S, C, K, 97)."""
        mask = self.mask(y).sigmoid().unflatten(-1, (self.sources, EARS, -1))
        return mask.permute(0, 2, 3, 1, 4) * frames[:, None]

    def hint(self, y: Tensor) -> Tensor:
        """Hints (B, K, 2, H / 2)."""
        assert self.tell is not None
        return self.tell(y).unflatten(-1, (2, -1))

    def forward(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        frames = self.stft(mixture)
        x = self.encode(self.told(self.features(frames), hints, age))
        voice = self.voice(enrollment)
        x = x + (voice[:, None] if isinstance(voice, Tensor) else voice)
        y = self.core(self.norm(x))
        estimates = self.stft.inverse(self.estimate(y, frames), mixture.shape[-1])
        return estimates if self.tell is None else (estimates, self.hint(y))


class StreamingNet(Net):
    """The same with the streaming form."""

    def start(self, batch: int, enrollment: Tensor | None = None) -> Any:
        carry = torch.zeros(batch, self.sources, EARS, LOOKAHEAD)
        return None, None, self.voice(enrollment), carry

    def step(
        self, frame: Tensor, state: Any, hint: Tensor | None = None, age: Tensor | None = None
    ) -> tuple[Any, ...]:
        normed, cored, voice, carry = state
        frames = self.stft.analyse(frame)[:, :, None]
        hints = None if hint is None else hint[:, None]
        ages = None if age is None else age[:, None]
        x = self.encode(self.told(self.features(frames), hints, ages))[:, 0] + voice
        x, normed = self.norm.step(x, normed)
        y, cored = self.core.step(x, cored)
        masked = self.estimate(y[:, None], frames)[..., 0, :]
        chunk, carry = self.stft.overlap(masked, carry)
        after = (normed, cored, voice, carry)
        return (chunk, after) if self.tell is None else (chunk, self.hint(y[:, None])[:, 0], after)


class Samples(nn.Module):
    """No transform: a causal filter on samples that refuses NaN; it needs no look-ahead."""

    def __init__(self, sources: int, hint_in: int = 0, hint_out: int = 0) -> None:
        super().__init__()
        self.filter = nn.Conv1d(EARS, sources * EARS, 33)
        self.sources = sources
        self.hear = nn.Linear(hint_in, 1) if hint_in else None
        self.tell = nn.Linear(EARS * CHUNK, hint_out) if hint_out else None

    def forward(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        if mixture.isnan().any():
            raise ValueError("NaN in the mixture")
        length = mixture.shape[-1]
        heard = self.filter(nn.functional.pad(mixture, (32, 0)))
        estimates = heard.unflatten(1, (self.sources, EARS))
        if self.hear is not None and hints is not None and seen_mask is not None:
            gain = self.hear(hints.flatten(2)).sigmoid() * seen_mask[..., None]
            estimates = (
                estimates * (1 + gain[..., 0].repeat_interleave(CHUNK, 1))[:, None, None, :length]
            )
        if self.tell is None:
            return estimates
        padded = nn.functional.pad(mixture, (0, -length % CHUNK))
        frames = padded.unfold(-1, CHUNK, CHUNK).transpose(1, 2).flatten(2)
        assert frames.shape[1] == chunk_count(length)
        return estimates, self.tell(frames).unflatten(-1, (2, -1))
