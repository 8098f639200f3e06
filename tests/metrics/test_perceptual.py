"""PESQ: the package's own value on real speech, and a reason instead of a failure."""

from __future__ import annotations

from collections.abc import Callable

import pesq
import pytest
import torch

from kbbench.metrics import estoi, pesq_wb, stoi

Make = Callable[..., torch.Tensor]


def test_values_are_those_of_the_package(speech: torch.Tensor, signal: Make) -> None:
    noisy = speech + 0.02 * signal(len(speech))
    expected = pesq.pesq(16_000, speech.numpy(), noisy.numpy(), "wb")
    assert pesq_wb(noisy, speech) == pytest.approx(expected, abs=1e-9)


def test_the_reference_itself_is_best(speech: torch.Tensor) -> None:
    assert pesq_wb(speech, speech) == pytest.approx(4.644, abs=0.001)
    assert stoi(speech, speech) == pytest.approx(1.0, abs=1e-6)
    assert estoi(speech, speech) == pytest.approx(1.0, abs=1e-6)


def test_more_noise_is_worse(speech: torch.Tensor, signal: Make) -> None:
    noise = signal(len(speech))
    for metric in (pesq_wb, stoi, estoi):
        values = [metric(speech + gain * noise, speech) for gain in (0.003, 0.03, 0.2)]
        assert values == sorted(values, reverse=True)


def test_beyond_full_scale_there_is_no_pesq(speech: torch.Tensor) -> None:
    full = speech / speech.abs().max()
    assert pesq_wb(full, speech) == pytest.approx(4.644, abs=0.001)
    with pytest.raises(ValueError, match=r"estimate clips: \d+ samples beyond full scale, peak 2"):
        pesq_wb(2 * full, speech)


def test_a_very_short_signal_has_a_reason(signal: Make) -> None:
    with pytest.raises(ValueError, match="PESQ: "):
        pesq_wb(0.1 * signal(800), signal(800, seed=1))
