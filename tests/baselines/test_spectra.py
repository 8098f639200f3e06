"""Cues to direction and masks, against complex arithmetic by NumPy."""

from __future__ import annotations

import numpy as np
import torch

from kbbench.baselines.spectra import interaural, masked
from kbbench.rng import Stream


def spectra(name: str, *shape: int) -> np.ndarray:
    parts = Stream("test", "spectra", name).white(2, *shape)
    return parts[0] + 1j * parts[1]


def pairs(values: np.ndarray) -> torch.Tensor:
    return torch.view_as_real(torch.from_numpy(values)).float()


def test_cues_are_level_and_phase_between_the_ears() -> None:
    heard = spectra("heard", 2, 3, 5, 2)
    cues = interaural(pairs(heard)).numpy()
    between = np.exp(1j * np.angle(heard[..., 0] / heard[..., 1]))
    np.testing.assert_allclose(cues[..., 2] + 1j * cues[..., 3], between, atol=1e-3)
    louder = cues[..., 0] - cues[..., 1]
    ratio = np.abs(heard[..., 0] / heard[..., 1]) ** 2
    np.testing.assert_allclose(louder, 0.2 * np.log(ratio), atol=1e-2)


def test_in_silence_cues_are_finite_and_there_is_no_phase() -> None:
    cues = interaural(torch.zeros(1, 1, 1, 2, 2))
    assert torch.isfinite(cues).all()
    assert (cues[..., 2:] == 0).all()


def test_a_mask_turns_and_scales_what_each_ear_hears() -> None:
    masks, heard = spectra("masks", 2, 3, 5, 4, 2), spectra("heard", 2, 3, 5, 2)
    expected = pairs(masks * heard[:, :, :, None])
    torch.testing.assert_close(masked(pairs(masks), pairs(heard)), expected)
