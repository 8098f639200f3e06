"""Sound files and levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kbbench.audio import (
    decibels,
    flac_bytes,
    loudness_lufs,
    pcm_sha256,
    power,
    read_pcm,
    to_float,
    to_pcm,
    write_flac,
)
from kbbench.errors import InputError


@pytest.fixture
def pcm() -> np.ndarray:
    return np.random.default_rng(0).integers(-32768, 32768, (2, 5000), dtype=np.int16)


def test_flac_gives_every_bit_back(pcm: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    write_flac(path, pcm)
    np.testing.assert_array_equal(read_pcm(path), pcm)
    np.testing.assert_array_equal(read_pcm(path, start=7, samples=11), pcm[:, 7:18])
    assert flac_bytes(pcm) == path.read_bytes()


def test_the_hash_is_of_the_samples_and_not_of_the_codec(pcm: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", pcm.T, 16_000, subtype="PCM_16")
    write_flac(tmp_path / "a.flac", pcm)
    hashes = {pcm_sha256(read_pcm(tmp_path / name)) for name in ("a.wav", "a.flac")}
    assert len(hashes) == 1
    assert pcm_sha256(pcm[::-1]) not in hashes


def test_floats_round_to_the_nearest_step_and_clip(pcm: np.ndarray) -> None:
    np.testing.assert_array_equal(to_pcm(to_float(pcm)), pcm)
    assert to_pcm(np.array([1.5, -1.5, 0.4 / 32768, 0.6 / 32768])).tolist() == [32767, -32768, 0, 1]


def test_levels() -> None:
    assert power(np.array([[1.0, -1.0], [3.0, -3.0]])) == pytest.approx(5.0)
    assert decibels(1000.0) == pytest.approx(30.0)
    assert decibels(0.0) == -np.inf


def test_loudness_is_that_of_the_standard() -> None:
    """ITU-R BS.1770-4: a 997 Hz sine at full scale in one channel is -3.01 LUFS."""
    sine = np.sin(2 * np.pi * 997 * np.arange(5 * 16_000) / 16_000)
    # K-weighting is specified at 48 kHz; its shelf bends a little at 16 kHz.
    assert loudness_lufs(sine[None]) == pytest.approx(-3.01, abs=0.2)
    assert loudness_lufs(0.1 * sine[None]) == pytest.approx(-23.01, abs=0.2)
    both = np.stack([sine, sine])
    assert loudness_lufs(both) - loudness_lufs(sine[None]) == pytest.approx(3.01, abs=0.01)


def test_what_is_wrong_with_a_file_is_said_in_one_line(pcm: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, pcm.T, 8000)
    with pytest.raises(InputError, match=r"a\.wav: sample rate 8000 Hz, expected 16000 Hz"):
        read_pcm(path)
    soundfile.write(path, pcm.T, 16_000)
    with pytest.raises(InputError, match=r"5000 samples, expected at least 5001"):
        read_pcm(path, start=5000, samples=1)
    with pytest.raises(InputError, match=r"b\.wav: no such file"):
        read_pcm(tmp_path / "b.wav")
    path.write_text("no sound")
    with pytest.raises(InputError, match=r"a\.wav: .*expected a sound file") as caught:
        read_pcm(path)
    assert "\n" not in str(caught.value)
