"""What models are given: sound that opens gates, and futures that differ from it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from kbbench.rng import Stream
from kbbench.units import SAMPLE_RATE

EARS = 2
LEVELS = (0.1, 4.0, 0.01, 0.4, 0.001, 0.03)
"""RMS of the rows, full scale 1; from -60 dB to so loud that most of it clips."""
SYLLABLE_HZ = 4.0
"""Syllables a second, as in speech."""
FLOOR = 10 ** (-50 / 20)
"""Noise between syllables, below the syllables' own level."""
TILT_HZ = 500.0
"""Above this, sound falls by 6 dB an octave, as speech does."""
INTERAURAL_SAMPLES, FAR_EAR = 8, 0.7
"""The second ear hears later, and less."""


def white(stream: Stream, *shape: int) -> Tensor:
    """White noise of unit variance, float32."""
    return torch.from_numpy(stream.white(*shape).astype(np.float32))


def sounds(stream: Stream, rows: int, samples: int) -> Tensor:
    """Speech-like noise (rows, 2, samples), each row at its own level, clipped at full scale."""
    level = torch.tensor([LEVELS[row % len(LEVELS)] for row in range(rows)])
    return (level[:, None, None] * _speech(stream, rows, samples)).clamp(-1, 1)


def voices(stream: Stream, rows: int, samples: int) -> Tensor:
    """Enrollments (rows, 1, samples)."""
    return (0.1 * _speech(stream, rows, samples)[:, :1]).clamp(-1, 1)


def _speech(stream: Stream, rows: int, samples: int) -> Tensor:
    """Noise of unit RMS in syllables, the second ear late and quieter: (rows, 2, samples)."""
    spectrum = torch.fft.rfft(white(stream, rows, samples))
    hertz = torch.linspace(0, SAMPLE_RATE / 2, spectrum.shape[-1])
    noise = torch.fft.irfft(spectrum / (1 + hertz / TILT_HZ), samples)
    seconds = torch.arange(samples) / SAMPLE_RATE
    phase = torch.from_numpy(stream.units(rows).astype(np.float32))[:, None]
    syllables = torch.sin(2 * math.pi * (SYLLABLE_HZ * seconds + phase)).clamp(min=0)
    loud = noise / noise.square().mean(-1, keepdim=True).sqrt() * (syllables + FLOOR)
    loud = loud / loud.square().mean(-1, keepdim=True).sqrt()
    late = FAR_EAR * torch.nn.functional.pad(loud, (INTERAURAL_SAMPLES, 0))[..., :samples]
    return torch.stack([loud, late], dim=1)


Change = Callable[[Tensor, Stream], Tensor]
"""From sound (B, C, T) to other sound of the same shape, of which the future is taken."""


def _louder(amplitude: float) -> Change:
    return lambda sound, stream: sound + amplitude * white(stream, *sound.shape)


def _another(sound: Tensor, stream: Stream) -> Tensor:
    rows, _, samples = sound.shape
    return sounds(stream, rows, samples)


NAN, IMPULSE = "NaN", "an impulse"
FUTURES: dict[str, Change] = {
    NAN: lambda sound, stream: torch.full_like(sound, torch.nan),
    "noise of 0.001": _louder(0.001),
    "noise of 0.1": _louder(0.1),
    "noise of 3": _louder(3.0),
    "other speech": _another,
    "silence": lambda sound, stream: torch.zeros_like(sound),
    IMPULSE: lambda sound, stream: sound + 1.0,
}
"""NaN passes through products with zero, finite noise through functions that swallow NaN; loud
noise opens gates, quiet noise and silence leave them closed, speech looks like what came before."""


def with_future(kind: str, sound: Tensor, starts: Tensor, stream: Stream) -> Tensor:
    """Sound (B, C, T) that is another from sample ``starts`` (B,) on, or there alone (impulse)."""
    place = torch.arange(sound.shape[-1])
    later = place >= starts[:, None]
    if kind == IMPULSE:
        later = place == starts[:, None]
    return torch.where(later[:, None], FUTURES[kind](sound, stream), sound)
