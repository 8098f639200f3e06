"""SDR: closed forms, an independent implementation, and least squares written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.linalg import toeplitz
from torchmetrics.functional.audio import signal_distortion_ratio

from kbbench.metrics import sdr
from kbbench.metrics.bss import AT_ONCE, FILTER_TAPS

Make = Callable[..., torch.Tensor]


def least_squares_db(estimate: np.ndarray, reference: np.ndarray) -> float:
    """The definition: project on the reference's first 512 shifts, all samples written out."""
    tail = np.zeros(FILTER_TAPS - 1)
    shifts = toeplitz(np.r_[reference, tail], np.r_[reference[0], tail])
    padded = np.r_[estimate, tail]
    taps = np.linalg.solve(shifts.T @ shifts, shifts.T @ padded)
    target = shifts @ taps
    return float(10 * np.log10(np.sum(target**2) / np.sum((padded - target) ** 2)))


def test_it_is_the_definition_written_out(signal: Make) -> None:
    reference = signal(1200).double()
    for level in (0.05, 0.5, 5.0):
        estimate = reference.roll(7) + level * signal(1200, seed=1)
        expected = least_squares_db(estimate.numpy(), reference.numpy())
        assert float(sdr(estimate, reference)) == pytest.approx(expected, abs=1e-6)


def test_agrees_with_torchmetrics_on_speech(speech: torch.Tensor, signal: Make) -> None:
    estimates = torch.stack([speech + g * signal(len(speech)) for g in (0.001, 0.01, 0.1)])
    theirs = signal_distortion_ratio(estimates, speech.expand_as(estimates))
    torch.testing.assert_close(sdr(estimates, speech), theirs.double(), atol=1e-4, rtol=0)


def test_a_filter_of_512_taps_is_forgiven_and_a_longer_one_is_not(signal: Make) -> None:
    reference = torch.nn.functional.pad(signal(4000).double(), (0, 1000))
    noise = 0.1 * signal(5000, seed=1).double()
    within = [sdr(reference.roll(delay) + noise, reference) for delay in (0, 100, 511)]
    assert all(float(value) == pytest.approx(20, abs=1.5) for value in within)
    assert float(sdr(reference.roll(600) + noise, reference)) < 0
    assert float(sdr(3.0 * (reference + noise), reference)) == pytest.approx(float(within[0]))


def test_all_estimates_at_once_are_each_alone(speech: torch.Tensor, signal: Make) -> None:
    rows = torch.stack([speech + 0.01 * signal(len(speech), seed=n) for n in range(AT_ONCE + 2)])
    alone = torch.stack([sdr(row, speech) for row in rows])
    torch.testing.assert_close(sdr(rows, speech), alone, atol=1e-9, rtol=0)
    assert sdr(rows.reshape(2, -1, len(speech)), speech).shape == (2, len(rows) // 2)


def test_bad_input_is_refused(signal: Make) -> None:
    with pytest.raises(ValueError, match=r"estimate has shape \(5,\), reference \(6,\)"):
        sdr(signal(5), signal(6))
    with pytest.raises(ValueError, match="511 samples, SDR needs 512 or more"):
        sdr(signal(511), signal(511))
    with pytest.raises(ValueError, match="reference is silent"):
        sdr(signal(600), torch.zeros(600))
    with pytest.raises(ValueError, match="estimate is silent"):
        sdr(torch.stack([signal(600), torch.zeros(600)]), signal(600))
