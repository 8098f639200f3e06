"""Energy ratios against closed forms and an independent implementation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.audio import (
    permutation_invariant_training,
    scale_invariant_signal_distortion_ratio,
    signal_noise_ratio,
)

from kbbench.metrics import best_permutation, si_sdr, snr

Make = Callable[..., torch.Tensor]


def orthogonal(signal: Make) -> tuple[torch.Tensor, torch.Tensor]:
    """A reference and noise of the same power with nothing in common."""
    reference = signal(2, 8000).double()
    noise = signal(2, 8000, seed=1).double()
    noise -= (noise * reference).sum(-1, True) / reference.square().sum(-1, True) * reference
    return reference, noise * reference.norm(dim=-1, keepdim=True) / noise.norm(
        dim=-1, keepdim=True
    )


@pytest.mark.parametrize("level_db", [-30.0, -5.0, 0.0, 12.5, 60.0])
def test_orthogonal_noise_gives_its_level(level_db: float, signal: Make) -> None:
    reference, noise = orthogonal(signal)
    estimate = reference + 10 ** (-level_db / 20) * noise
    expected = torch.full((2,), level_db, dtype=torch.float64)
    torch.testing.assert_close(si_sdr(estimate, reference), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(snr(estimate, reference), expected, atol=1e-6, rtol=0)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_si_sdr_does_not_see_scale(a: float, b: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, generator=generator, dtype=torch.float64)
    y = x + 0.3 * torch.randn(500, generator=generator, dtype=torch.float64)
    assert float(si_sdr(a * y, b * x)) == pytest.approx(float(si_sdr(y, x)), abs=1e-6)


def test_snr_sees_scale(signal: Make) -> None:
    x = signal(100)
    assert float(snr(2 * x, x)) == pytest.approx(0.0, abs=1e-5)
    assert float(si_sdr(2 * x, x)) > 100


def test_agrees_with_torchmetrics(signal: Make) -> None:
    x, y = signal(3, 2, 4000), signal(3, 2, 4000) + 0.5 * signal(3, 2, 4000, seed=1)
    theirs = scale_invariant_signal_distortion_ratio(y.double(), x.double())
    torch.testing.assert_close(si_sdr(y, x), theirs, atol=1e-6, rtol=0)
    theirs = signal_noise_ratio(y.double(), x.double())
    torch.testing.assert_close(snr(y, x), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_the_permutation_is_found(order: tuple[int, ...], signal: Make) -> None:
    references = signal(3, 2, 2000)
    estimates = torch.empty_like(references)
    for source, estimate in enumerate(order):
        estimates[estimate] = references[source] + 0.5 * signal(2, 2000, seed=9 + source)
    assert best_permutation(estimates, references) == order
    _, theirs = permutation_invariant_training(
        estimates[None, :, 0], references[None, :, 0], scale_invariant_signal_distortion_ratio
    )
    assert best_permutation(estimates[:, :1], references[:, :1]) == tuple(theirs[0].tolist())


def test_a_silent_estimate_takes_the_place_that_is_left(signal: Make) -> None:
    references = signal(2, 1, 500)
    estimates = torch.stack([torch.zeros(1, 500), references[0]])
    assert best_permutation(estimates, references) == (1, 0)


@pytest.mark.parametrize("metric", [si_sdr, snr])
def test_bad_input_is_refused(metric: Callable[..., torch.Tensor], signal: Make) -> None:
    with pytest.raises(ValueError, match=r"estimate has shape \(5,\), reference \(6,\)"):
        metric(signal(5), signal(6))
    with pytest.raises(ValueError, match="reference is silent"):
        metric(signal(2, 5), torch.stack([torch.zeros(5), torch.ones(5)]))
