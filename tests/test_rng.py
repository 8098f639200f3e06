"""Keyed randomness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbbench.rng import Stream


def test_a_key_gives_the_same_numbers_for_ever() -> None:
    # Drawn once on Linux x86-64 with NumPy 2.4; a change here moves every dataset.
    stream = Stream("mini-separation", 1, "test", 17, "room")
    assert stream.units(3).tolist() == GOLDEN


GOLDEN = [0.10807650899300769, 0.8715878808815524, 0.5390946036580502]


def test_parts_of_a_key_do_not_run_together() -> None:
    keys = [("a", "bc"), ("ab", "c"), ("a", 1), ("a", "1"), ("a",), ("a", "")]
    assert len({Stream(*key).uniform(0, 1) for key in keys}) == len(keys)


@given(st.integers(-5, 5), st.integers(0, 9), st.integers(0, 2**32))
def test_integers_stay_in_their_range(low: int, span: int, seed: int) -> None:
    assert low <= Stream(seed).integer(low, low + span) <= low + span


def test_integers_are_even() -> None:
    stream = Stream("even")
    counts = np.bincount([stream.integer(0, 4) for _ in range(10_000)])
    # Five standard deviations of a binomial around 2000.
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(10_000 * 0.2 * 0.8)


def test_samples_are_different_items() -> None:
    assert sorted(Stream("s").sample(list("abcdef"), 6)) == list("abcdef")
    with pytest.raises(ValueError, match="7 different items out of 6"):
        Stream("s").sample(list("abcdef"), 7)


def test_white_noise_has_unit_variance_and_a_flat_spectrum() -> None:
    noise = Stream("white").white(2, 2**15)
    assert noise.std() == pytest.approx(1.0, abs=0.01)
    spectrum = np.square(np.abs(np.fft.rfft(noise))).reshape(2, -1)[:, 1:].reshape(2, 16, -1)
    assert np.ptp(10 * np.log10(spectrum.mean(-1))) < 1.5
