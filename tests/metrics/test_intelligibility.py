"""STOI and ESTOI are pystoi's, to the ninth digit, and the same each time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pystoi
import pytest
import torch

from kbbench.metrics import estoi, stoi
from kbbench.metrics.intelligibility import StoiReference, estoi_of, stoi_of, stoi_segments

Make = Callable[..., torch.Tensor]


def estimates(speech: torch.Tensor, signal: Make) -> list[torch.Tensor]:
    """Noise, another level, a delay, half of it silent, hum, and the reference itself."""
    noise = signal(len(speech))
    half = speech.clone()
    half[len(half) // 2 :] = 1e-4 * noise[len(half) // 2 :]
    hum = torch.sin(torch.arange(len(speech)) / 30)
    noisy = [speech + gain * noise for gain in (0.003, 0.03, 0.3)]
    return [*noisy, 1e-3 * noisy[1], 30 * noisy[1], noisy[0].roll(40), half, speech + hum, speech]


def test_values_are_those_of_the_package(speech: torch.Tensor, signal: Make) -> None:
    gaps = speech.clone()
    gaps[10_000:16_000] = 0.0  # silent frames, that both leave out
    for reference in (speech, gaps):
        x = reference.numpy()
        for estimate in estimates(reference, signal):
            y = estimate.numpy()
            assert stoi(estimate, reference) == pytest.approx(pystoi.stoi(x, y, 16_000), abs=1e-9)
            expected = pystoi.stoi(x, y, 16_000, True)
            assert estoi(estimate, reference) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("samples", [9_500, 12_345, 16_001])
def test_any_length_will_do(samples: int, speech: torch.Tensor, signal: Make) -> None:
    reference = speech[4000 : 4000 + samples]
    estimate = reference + 0.02 * signal(samples)
    x, y = reference.numpy(), estimate.numpy()
    assert stoi(estimate, reference) == pytest.approx(pystoi.stoi(x, y, 16_000), abs=1e-9)
    assert estoi(estimate, reference) == pytest.approx(pystoi.stoi(x, y, 16_000, True), abs=1e-9)


def test_one_reference_does_for_all_and_nothing_is_random(
    speech: torch.Tensor, signal: Make
) -> None:
    prepared = StoiReference.of(speech)
    for estimate in estimates(speech, signal):
        state = np.random.get_state()[1].copy()
        segments = stoi_segments(estimate, prepared)
        kept = segments.copy()
        assert stoi_of(segments, prepared) == stoi(estimate, speech)
        assert estoi_of(segments, prepared) == estoi(estimate, speech)
        np.testing.assert_array_equal(segments, kept)
        np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_bands_that_hold_nothing_count_nothing(speech: torch.Tensor) -> None:
    """pystoi correlates random numbers there."""
    start = speech.clone()
    start[16_000:] = 0.0
    values = {stoi(start, speech) for _ in range(3)} | {estoi(start, speech) for _ in range(3)}
    assert len(values) == 2
    assert all(0.0 < value < 0.6 for value in values)


def test_too_little_speech_has_a_reason(speech: torch.Tensor, signal: Make) -> None:
    for reference in (speech[:100], speech[:6000], signal(409)):
        for metric in (stoi, estoi):
            with pytest.raises(ValueError, match=r"STOI: less than 0\.4 s of speech"):
                metric(reference + 0.1, reference)
    click = torch.zeros(32_000)
    click[100] = 1.0
    with pytest.raises(ValueError, match=r"STOI: less than 0\.4 s of speech"):
        StoiReference.of(click)
    with pytest.raises(ValueError, match=r"estimate has shape \(5,\), reference \(48000,\)"):
        stoi_segments(signal(5), StoiReference.of(speech))
