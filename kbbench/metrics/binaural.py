"""Is a source still heard where it was? Errors of the differences between the ears."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft, signal
from torch import Tensor

from kbbench.units import SAMPLE_RATE

LONGEST_SAMPLES = 16
"""Interaural delays that are looked for: up to 1 ms, more than any head makes."""
STEPS = 16
"""Of delay in a sample: 3.9 us."""
MARGIN_SAMPLES = 16
"""Correlation beyond the longest delay that the interpolation between samples sees."""
MICRO = 1e6


@dataclass(frozen=True, eq=False)
class BinauralReference:
    """A reference (2, samples) for any number of estimates: measured once, when asked for."""

    signal: Tensor

    @cached_property
    def ild_db(self) -> float:
        """As :func:`ild_db`."""
        return ild_db(self.signal)

    @cached_property
    def itd_us(self) -> float:
        """As :func:`itd_us`."""
        return itd_us(self.signal)


def ild_error_db(estimate: Tensor, reference: Tensor) -> float:
    """Absolute error of the interaural level difference in dB; lower is better.

    Args:
        estimate: (2, samples), left and right ear.
        reference: (2, samples).

    Raises:
        ValueError: no value: not two ears, or an ear is silent.

    Source: the broadband difference of Han, Luo and Mesgarani, "Real-time binaural speech
    separation with preserved spatial cues", ICASSP 2020.
    """
    return ild_error_of(estimate, BinauralReference(reference))


def ild_error_of(estimate: Tensor, reference: BinauralReference) -> float:
    """As :func:`ild_error_db`."""
    _check(estimate, reference.signal)
    return abs(ild_db(estimate) - reference.ild_db)


def itd_error_us(estimate: Tensor, reference: Tensor) -> float:
    """Absolute error of the interaural time difference in microseconds; lower is better.

    Arguments and errors as :func:`ild_error_db`; a signal of 64 samples or less has no value.

    Source: as :func:`ild_error_db`, delays as :func:`itd_us` finds them.
    """
    return itd_error_of(estimate, BinauralReference(reference))


def itd_error_of(estimate: Tensor, reference: BinauralReference) -> float:
    """As :func:`itd_error_us`."""
    _check(estimate, reference.signal)
    return abs(itd_us(estimate) - reference.itd_us)


def ild_db(both: Tensor) -> float:
    """Energy of the left ear over that of the right in dB; (2, samples), neither silent."""
    left, right = both.double().square().sum(-1).tolist()
    return float(10 * np.log10(left / right))


def itd_us(both: Tensor) -> float:
    """How much later the left ear hears than the right, in microseconds, within 1 ms.

    Args:
        both: (2, samples), neither silent.

    Raises:
        ValueError: 64 samples or less.

    Source: the lag of the largest interaural cross-correlation within 1 ms (ISO 3382-1, annex B);
    between samples by band-limited interpolation, in steps of 3.9 us. Not whitened (GCC-PHAT):
    then bins in which there is no speech, and the cut at a signal's ends, count as much as speech.
    """
    reach = LONGEST_SAMPLES + MARGIN_SAMPLES
    if both.shape[-1] <= 2 * reach:
        raise ValueError(f"{both.shape[-1]} samples, ITD needs more than {2 * reach}")
    size = fft.next_fast_len(both.shape[-1] + reach, real=True)
    left, right = fft.rfft(both.double().numpy(), size)
    correlation = fft.irfft(left * right.conj(), size)[np.arange(-reach, reach + 1)]
    fine = signal.resample_poly(correlation, STEPS, 1)
    inside = fine[STEPS * MARGIN_SAMPLES : STEPS * (MARGIN_SAMPLES + 2 * LONGEST_SAMPLES) + 1]
    delay_samples = int(np.argmax(inside)) / STEPS - LONGEST_SAMPLES
    return MICRO * delay_samples / SAMPLE_RATE


def _check(estimate: Tensor, reference: Tensor) -> None:
    if estimate.shape != reference.shape or estimate.ndim != 2:
        raise ValueError(
            f"estimate has shape {tuple(estimate.shape)}, reference {tuple(reference.shape)}, "
            "expected one (channels, samples) for both"
        )
    if len(estimate) != 2:
        raise ValueError(f"{len(estimate)} channels, expected two ears")
    for name, both in (("estimate", estimate), ("reference", reference)):
        if not both.any(dim=-1).all():
            raise ValueError(f"{name} is silent at an ear")
