"""Wiener: a triple for enhancement that needs no training, and works.

All three models are the same decision-directed Wiener filter on frames of 12 ms. They differ in
how well they know the noise, which is what memory buys:

- the **small** model follows the minimum of the last second, one number a bin and sub-window;
- the **large** model keeps the spectra of the last five seconds and takes a low quantile of them;
- the **boosted** device is the small model that uses the large one's noise spectrum as soon as
  one has arrived. Noise changes slowly, so an old hint is nearly as good as a new one.

Hint: (B, K, C, 97), log10 of the noise power in each bin at each ear.

Sources: Ephraim and Malah, IEEE TASSP 32(6), 1984 (decision-directed a-priori SNR); Martin, IEEE
TSAP 9(5), 2001 (minimum statistics); Stahl, Fischer and Bippus, ICASSP 2000 (quantile noise).
Constants marked "measured" give the best mean SI-SDR improvement on the mini train split.

    kbbench evaluate recipes/models/wiener.py --data data/mini-enhancement --out runs/wiener
"""

from dataclasses import dataclass, replace
from math import ceil

import torch
from torch import Tensor, nn

from kbbench.models import Boosted, ChunkSTFT, Triple
from kbbench.units import CHUNK, LOOKAHEAD

SMALLEST = 1e-9
"""Power of a bin below which nothing is heard, full scale 1."""

DECISION = 0.9
"""Weight of the last frame's estimate in the a-priori SNR."""
PRIOR_FLOOR = 10**-2.5
"""Least a-priori SNR: -25 dB."""
GAIN_FLOOR = 10 ** (-15 / 20)
"""Least gain: -15 dB, so that noise stays natural."""
SHARED = 0.5
"""How much of each ear's SNR is the mean of both: ears hear the same speech."""

FAST = 0.8
"""Smoothing of power for the minimum, a chunk."""
SUB_WINDOW, SUB_WINDOWS = 16, 8
"""The minimum is taken over 8 windows of 16 chunks: one second."""
MINIMUM_TO_MEAN = 0.6
"""Noise power over that minimum, measured; below 1, since pauses of speech are rare."""

SLOW = 0.5
"""Smoothing of power for the quantile, a chunk."""
HISTORY, STRIDE = 156, 4
"""The quantile is taken over 156 spectra, one each 4 chunks: five seconds."""
QUANTILE, QUANTILE_TO_MEAN = 0.05, 1.2
"""The quantile, and noise power over it, measured."""


@dataclass(frozen=True)
class MinimumState:
    """Smoothed power, least power in this sub-window and in the earlier ones: (B, C, F, ...)."""

    chunk: int
    smooth: Tensor
    present: Tensor
    past: Tensor


class MinimumTracker:
    """The small model's noise: the least power of the last second."""

    def start(self, batch: int) -> MinimumState | None:
        return None

    def step(self, power: Tensor, state: MinimumState | None) -> tuple[Tensor, MinimumState]:
        if state is None:
            past = power.new_full((*power.shape, SUB_WINDOWS), torch.inf)
            state = MinimumState(0, power, power, past)
        smooth = FAST * state.smooth + (1 - FAST) * power
        if state.chunk and state.chunk % SUB_WINDOW == 0:
            past = torch.cat([state.past[..., 1:], state.present[..., None]], dim=-1)
            present = smooth
        else:
            past, present = state.past, torch.minimum(state.present, smooth)
        noise = MINIMUM_TO_MEAN * torch.minimum(present, past.amin(-1))
        return noise, MinimumState(state.chunk + 1, smooth, present, past)


@dataclass(frozen=True)
class QuantileState:
    """Smoothed power (B, C, F), the spectra kept (B, C, F, HISTORY), and their quantile."""

    chunk: int
    smooth: Tensor
    kept: Tensor
    noise: Tensor


class QuantileTracker:
    """The large model's noise: a low quantile of the last five seconds."""

    def start(self, batch: int) -> QuantileState | None:
        return None

    def step(self, power: Tensor, state: QuantileState | None) -> tuple[Tensor, QuantileState]:
        power = share(neighbours(power))
        if state is None:
            kept = power.new_full((*power.shape, HISTORY), torch.inf)
            state = QuantileState(0, power, kept, power)
        chunk, smooth = state.chunk, SLOW * state.smooth + (1 - SLOW) * power
        if chunk >= HISTORY and chunk % STRIDE:
            return state.noise, replace(state, chunk=chunk + 1, smooth=smooth)
        place = chunk if chunk < HISTORY else chunk // STRIDE % HISTORY
        kept = state.kept.clone()
        kept[..., place] = smooth
        rank = max(1, ceil(QUANTILE * min(chunk + 1, HISTORY)))
        noise = QUANTILE_TO_MEAN * kept.kthvalue(rank, dim=-1).values
        return noise, QuantileState(chunk + 1, smooth, kept, noise)


@dataclass(frozen=True)
class FilterState:
    """The tracker's state, the last frame's speech SNR, the samples that overlap (B, C, 64)."""

    tracker: MinimumState | QuantileState | None
    speech: Tensor
    carry: Tensor


class Wiener(nn.Module):
    """The decision-directed Wiener filter, for one noise tracker; (B, C, T) in and out."""

    def __init__(self, tracker: MinimumTracker | QuantileTracker, remote: bool = False) -> None:
        super().__init__()
        self.stft, self.tracker, self.remote = ChunkSTFT(), tracker, remote

    def start(self, batch: int, enrollment: Tensor | None = None, channels: int = 2) -> FilterState:
        speech = torch.zeros(batch, channels, ChunkSTFT.bins)
        carry = torch.zeros(batch, channels, LOOKAHEAD)
        return FilterState(self.tracker.start(batch), speech, carry)

    def step(
        self,
        frame: Tensor,
        state: FilterState,
        hint: Tensor | None = None,
        age: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """One chunk: frame (B, C, 192), hint (B, C, 97), age (B,), -1 where there is no hint."""
        bins = self.stft.analyse(frame)
        power = bins.abs().square()
        noise, tracker = self.tracker.step(power, state.tracker)
        if hint is not None and age is not None:
            noise = torch.where(age[:, None, None] >= 0, 10**hint, noise)
        noise = noise.clamp(min=SMALLEST)
        posterior = power / noise
        instant = (share(neighbours(posterior)) - 1).clamp(min=0)
        prior = (DECISION * state.speech + (1 - DECISION) * instant).clamp(min=PRIOR_FLOOR)
        gain = (prior / (1 + prior)).clamp(min=GAIN_FLOOR)
        chunk, carry = self.stft.overlap(gain * bins, state.carry)
        after = FilterState(tracker, gain.square() * posterior, carry)
        if self.remote:
            return chunk[:, None], noise.log10(), after
        return chunk[:, None], after

    def forward(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The same steps, chunk by chunk: streaming and offline are one."""
        batch, channels, length = mixture.shape
        chunks = ceil(length / CHUNK)
        padded = nn.functional.pad(mixture, (0, chunks * CHUNK + LOOKAHEAD - length))
        state = self.start(batch, channels=channels)
        estimates, told = [], []
        for k in range(chunks):
            frame = padded[..., k * CHUNK : (k + 1) * CHUNK + LOOKAHEAD]
            if hints is not None and age is not None:
                estimate, *hint, state = self.step(frame, state, hints[:, k], age[:, k])
            else:
                estimate, *hint, state = self.step(frame, state)
            estimates.append(estimate)
            told += hint
        signal = torch.cat(estimates, dim=-1)[..., :length]
        return (signal, torch.stack(told, dim=1)) if self.remote else signal


def neighbours(values: Tensor) -> Tensor:
    """Smooth over three bins, weights 1, 2, 1; the outermost bins count themselves again."""
    padded = nn.functional.pad(values, (1, 1), mode="replicate")
    return 0.25 * padded[..., :-2] + 0.5 * padded[..., 1:-1] + 0.25 * padded[..., 2:]


def share(values: Tensor) -> Tensor:
    """Lean each ear (B, C, F) on the mean of both."""
    return (1 - SHARED) * values + SHARED * values.mean(dim=1, keepdim=True)


def triple() -> Triple:
    """Small and device are one model: it uses hints where it is given some."""
    device = Wiener(MinimumTracker())
    large = Wiener(QuantileTracker(), remote=True)
    return Triple("wiener", "enhancement", device, large, Boosted(device, large))
