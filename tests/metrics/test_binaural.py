"""Differences between the ears: exact where one ear is the other, scaled or late."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import fft

from kbbench.metrics import ild_error_db, itd_error_us
from kbbench.metrics.binaural import ild_db, itd_us

Make = Callable[..., torch.Tensor]
SAMPLE_US = 62.5


def late(signal: torch.Tensor, samples: float) -> torch.Tensor:
    """The signal so many samples later, around the end."""
    spectrum = fft.rfft(signal.double().numpy())
    turn = torch.arange(len(spectrum)) * (-2j * math.pi * samples / len(signal))
    return torch.from_numpy(fft.irfft(spectrum * torch.exp(turn).numpy(), len(signal)))


@given(st.floats(0.01, 100.0))
def test_a_scaled_ear_is_an_error_of_its_level(gain: float) -> None:
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(2, 400, generator=generator, dtype=torch.float64)
    estimate = reference * torch.tensor([[gain], [1.0]], dtype=torch.float64)
    expected = abs(20 * math.log10(gain))
    assert ild_error_db(estimate, reference) == pytest.approx(expected, abs=1e-9)
    assert ild_error_db(3 * reference, reference) == pytest.approx(0.0, abs=1e-12)
    assert itd_error_us(estimate, reference) == 0.0


@pytest.mark.parametrize("samples", [-16, -3, 0, 1, 11, 16])
def test_a_late_ear_is_an_error_of_its_delay(
    samples: int, speech: torch.Tensor, signal: Make
) -> None:
    for sound in (speech, signal(9000).double()):
        mono = torch.nn.functional.pad(sound, (16, 16))
        reference = torch.stack([mono, mono])
        estimate = torch.stack([mono.roll(samples), mono])
        assert itd_us(estimate) == samples * SAMPLE_US
        assert itd_error_us(estimate, reference) == abs(samples) * SAMPLE_US
        assert ild_error_db(estimate, reference) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("samples", [0.5, -2.25, 7.8])
def test_delays_between_samples_are_found(
    samples: float, speech: torch.Tensor, signal: Make
) -> None:
    mono = torch.nn.functional.pad(speech + 1e-3 * signal(len(speech)), (500, 500))
    both = torch.stack([late(mono, samples), mono])
    assert itd_us(both) == pytest.approx(samples * SAMPLE_US, abs=4.0)


def test_the_ears_swapped_change_the_sign(speech: torch.Tensor) -> None:
    both = torch.stack([0.5 * speech.roll(5), speech])
    assert itd_us(both.flip(0)) == -itd_us(both)
    assert ild_db(both) == pytest.approx(20 * math.log10(0.5))
    assert ild_db(both.flip(0)) == pytest.approx(-ild_db(both))


def test_both_ears_made_alike_lose_the_place(speech: torch.Tensor) -> None:
    speech = torch.nn.functional.pad(speech, (8, 8))
    reference = torch.stack([speech, 0.5 * speech.roll(8)])
    middle = reference.mean(0, keepdim=True).expand(2, -1)
    assert ild_error_db(middle, reference) == pytest.approx(20 * math.log10(2))
    assert itd_error_us(middle, reference) == 8 * SAMPLE_US


@pytest.mark.parametrize("metric", [ild_error_db, itd_error_us])
def test_what_has_no_value_has_a_reason(
    metric: Callable[[torch.Tensor, torch.Tensor], float], signal: Make
) -> None:
    both = signal(2, 400)
    with pytest.raises(ValueError, match="1 channels, expected two ears"):
        metric(both[:1], both[:1])
    with pytest.raises(ValueError, match="estimate is silent at an ear"):
        metric(both * torch.tensor([[1.0], [0.0]]), both)
    with pytest.raises(ValueError, match="reference is silent at an ear"):
        metric(both, torch.zeros(2, 400))
    with pytest.raises(ValueError, match=r"expected one \(channels, samples\)"):
        metric(both, both[:, 1:])


def test_a_short_signal_has_no_delay(signal: Make) -> None:
    with pytest.raises(ValueError, match="64 samples, ITD needs more than 64"):
        itd_error_us(signal(2, 64), signal(2, 64))
    assert itd_error_us(signal(2, 65), signal(2, 65)) == 0.0
