"""Heads against closed forms, and SOFA files against what is in them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from kbbench.corpora import Head, load_corpus
from kbbench.corpora.hrtf import (
    SPHERE_EAR_DEG,
    Hrtf,
    fibonacci,
    load_head,
    rigid_sphere,
    sofa,
    sphere_transfer,
    unit_vector,
)
from kbbench.errors import InputError
from kbbench.units import SAMPLE_RATE, SPEED_OF_SOUND

RADIUS_M = 0.0875
LEFT, AHEAD = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])


def kemar() -> Hrtf:
    return sofa(next(head.path for head in load_corpus("mini").heads if head.path is not None))


def itd_s(responses: np.ndarray) -> float:
    """Lead of the left ear over the right: the lag of their cross-correlation below 1.5 kHz."""
    size = 2 * responses.shape[-1]
    spectra = np.fft.rfft(responses, size)
    spectra[:, np.fft.rfftfreq(size, 1 / SAMPLE_RATE) > 1500] = 0
    fine = 32
    correlation = np.fft.irfft(spectra[1] * spectra[0].conj(), size * fine)
    lag = int(np.argmax(correlation))
    return (lag if lag < size * fine // 2 else lag - size * fine) / (SAMPLE_RATE * fine)


def ild_db(responses: np.ndarray) -> float:
    left, right = np.square(responses).sum(-1)
    return float(10 * np.log10(left / right))


def test_a_point_on_a_small_sphere_hears_the_free_field() -> None:
    pressure = sphere_transfer(np.array([1e-3]), np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose(np.abs(pressure), 1.0, atol=2e-3)


def test_the_front_of_a_large_sphere_doubles_the_pressure() -> None:
    pressure = sphere_transfer(np.array([40.0]), np.array([1.0]))
    assert abs(pressure[0, 0]) == pytest.approx(2.0, rel=0.01)


def test_low_frequencies_arrive_three_halves_of_the_straight_path_apart() -> None:
    """Kuhn, JASA 62(1), 1977: the delay between ears 180 degrees apart tends to 3 a / c."""
    wave = np.array([0.05])
    near, far = np.angle(sphere_transfer(wave, np.array([1.0, -1.0])))[:, 0]
    delay_s = (near - far) / wave[0] * RADIUS_M / SPEED_OF_SOUND
    assert delay_s == pytest.approx(3 * RADIUS_M / SPEED_OF_SOUND, rel=0.01)


def test_a_sphere_is_causal_and_symmetric() -> None:
    sphere = rigid_sphere(RADIUS_M)
    energy = np.square(sphere.responses)
    assert energy[..., :32].sum() < 1e-3 * energy.sum()
    assert energy[..., -32:].sum() < 1e-3 * energy.sum()
    front = sphere.responses[sphere.nearest(AHEAD)]
    assert abs(itd_s(front)) < 40e-6
    assert abs(ild_db(front)) < 1.0


def test_ears_that_turn_one_way_hear_as_if_all_sources_turned_the_other() -> None:
    turned, azimuth = np.radians(15.0), np.radians([0.0, 40.0, 120.0, 250.0])
    own = np.radians([SPHERE_EAR_DEG, -SPHERE_EAR_DEG])
    level = np.zeros(4)
    moved = rigid_sphere(0.09, unit_vector(azimuth, level), unit_vector(own + turned, level[:2]))
    still = rigid_sphere(0.09, unit_vector(azimuth - turned, level))
    np.testing.assert_allclose(moved.responses, still.responses, atol=1e-12)


@pytest.mark.parametrize("radius_m", [0.01, 0.5])
def test_a_sphere_that_is_no_head_is_refused(radius_m: float) -> None:
    with pytest.raises(InputError, match="expected a head's"):
        rigid_sphere(radius_m)


def test_the_grid_is_fine_enough_for_40_us_and_1_db() -> None:
    """Any direction's own differences, by the series, against those of the nearest on the grid."""
    sphere = rigid_sphere(RADIUS_M)
    rng = np.random.default_rng(0)
    directions = unit_vector(rng.uniform(-np.pi, np.pi, 60), rng.uniform(-0.5, 0.8, 60))
    exact = rigid_sphere(RADIUS_M, directions)
    for index, nearest in enumerate(sphere.nearest(directions)):
        mine, own = sphere.responses[nearest], exact.responses[index]
        assert abs(itd_s(mine) - itd_s(own)) < 40e-6
        assert abs(ild_db(mine) - ild_db(own)) < 1.0


def test_fibonacci_directions_are_even() -> None:
    directions = fibonacci(4000)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    rng = np.random.default_rng(0)
    probes = rng.standard_normal((500, 3))
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    furthest = np.degrees(np.arccos((probes @ directions.T).max(axis=1).min()))
    assert furthest < 2.5


def test_kemar_has_the_ears_of_a_person() -> None:
    head = kemar()
    left = head.responses[head.nearest(LEFT)]
    # 0.6 to 0.8 ms at the side for adult heads (Kuhn 1977); the nearer ear is the louder one.
    assert 600e-6 < itd_s(left) < 800e-6
    assert ild_db(left) > 5.0
    front = head.responses[head.nearest(AHEAD)]
    assert abs(itd_s(front)) < 40e-6
    assert abs(ild_db(front)) < 1.0
    assert head.responses.shape[1] == 2
    np.testing.assert_allclose(np.linalg.norm(head.directions, axis=1), 1.0, atol=1e-9)


def test_resampling_keeps_the_spectrum() -> None:
    path = next(head.path for head in load_corpus("mini").heads if head.path is not None)
    with h5py.File(path) as file:
        raw, rate = np.asarray(file["Data.IR"]), float(np.asarray(file["Data.SamplingRate"])[0])
    assert rate == 44_100.0
    hertz = np.array([250.0, 500.0, 1000.0, 2000.0, 4000.0, 6000.0])
    head = sofa(path)

    def magnitude(responses: np.ndarray, rate: float) -> np.ndarray:
        angles = -2j * np.pi * hertz[:, None] * np.arange(responses.shape[-1]) / rate
        return np.abs(responses @ np.exp(angles).T) / rate

    ratio = magnitude(head.responses[:50], SAMPLE_RATE) / magnitude(raw[:50], rate)
    np.testing.assert_allclose(20 * np.log10(ratio), 0.0, atol=0.05)


def test_heads_are_of_one_level() -> None:
    for head in load_corpus("mini").heads:
        energy = np.square(load_head(head).responses).sum(-1).mean()
        assert energy == pytest.approx(1.0)


def test_cipic_heads_load(shared: Path) -> None:
    for path in sorted((shared / "hrtf").glob("*.sofa")):
        head = load_head(Head(path.stem, "test", path=path))
        assert head.responses.shape[:2] == (1250, 2)
        left = head.responses[head.nearest(LEFT)]
        assert 500e-6 < itd_s(left) < 900e-6, path.name


def test_what_is_no_sofa_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.sofa"
    path.write_text("nothing")
    with pytest.raises(InputError, match="expected a SOFA file"):
        sofa(path)
