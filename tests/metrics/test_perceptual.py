"""Perceptual scores: the packages' own values on real speech, and reasons instead of failures."""

from __future__ import annotations

from collections.abc import Callable

import pesq
import pystoi
import pytest
import torch

from kbbench.audio import read_pcm, to_float
from kbbench.corpora import load_corpus
from kbbench.metrics import METRICS, Score, estoi, pesq_wb, score, stoi

Make = Callable[..., torch.Tensor]


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    """Three seconds of a talker."""
    longest = max(load_corpus("mini").utterances, key=lambda item: item.samples)
    return torch.from_numpy(to_float(read_pcm(longest.path, 0, 48_000))[0])


def test_values_are_those_of_the_packages(speech: torch.Tensor, signal: Make) -> None:
    noisy = speech + 0.02 * signal(len(speech))
    x, y = speech.numpy(), noisy.numpy()
    # The packages' own linear algebra may differ in the last bit from call to call.
    assert pesq_wb(noisy, speech) == pytest.approx(pesq.pesq(16_000, x, y, "wb"), abs=1e-9)
    assert stoi(noisy, speech) == pytest.approx(pystoi.stoi(x, y, 16_000), abs=1e-9)
    assert estoi(noisy, speech) == pytest.approx(pystoi.stoi(x, y, 16_000, True), abs=1e-9)


def test_the_reference_itself_is_best(speech: torch.Tensor) -> None:
    assert pesq_wb(speech, speech) == pytest.approx(4.644, abs=0.001)
    assert stoi(speech, speech) == pytest.approx(1.0, abs=1e-6)
    assert estoi(speech, speech) == pytest.approx(1.0, abs=1e-6)


def test_more_noise_is_worse(speech: torch.Tensor, signal: Make) -> None:
    noise = signal(len(speech))
    for metric in (pesq_wb, stoi, estoi):
        values = [metric(speech + gain * noise, speech) for gain in (0.003, 0.03, 0.3)]
        assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_silence_has_a_reason_and_no_value(name: str, signal: Make) -> None:
    silence = torch.zeros(32_000)
    for estimate, reference in ((silence, signal(32_000)), (signal(32_000), silence)):
        result = score(METRICS[name], estimate, reference)
        if name == "snr" and reference.any():
            assert result.value == pytest.approx(0.0)
        else:
            assert result.value is None
            assert result.reason


@pytest.mark.parametrize("name", ["pesq_wb", "stoi", "estoi"])
def test_a_very_short_signal_has_a_reason(name: str, signal: Make) -> None:
    result = score(METRICS[name], signal(800), signal(800, seed=1))
    assert result.value is None
    assert result.reason


def test_a_score_is_a_value_or_a_reason() -> None:
    for value, reason in ((None, None), (1.0, "why")):
        with pytest.raises(ValueError, match="a value or a reason"):
            Score(value, reason)
