"""Reading at 16 kHz and one channel, against a tone's closed form and the whole file resampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from kbbench.audio import read_pcm, to_float
from kbbench.corpora import NoiseRecording, read_mono
from kbbench.corpora.index import measure
from kbbench.corpora.reading import samples_at_16k
from kbbench.errors import InputError
from tests.corpora.conftest import sound


def recording(path: Path) -> NoiseRecording:
    facts = measure(path)
    length = samples_at_16k(facts.frames, facts.rate)
    return NoiseRecording("x", "test", path, length, "", facts.rate, facts.channels)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
def test_a_tone_arrives_in_phase(rate: int, tmp_path: Path) -> None:
    hertz = 997.0
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(2 * rate) / rate)
    soundfile.write(tmp_path / "tone.wav", tone, rate, subtype="FLOAT")
    start, count = 9001, 12_345
    got = read_mono(recording(tmp_path / "tone.wav"), start, count)
    at = np.arange(start, start + count) / 16_000
    np.testing.assert_allclose(got, 0.5 * np.sin(2 * np.pi * hertz * at), atol=1e-4)


@pytest.mark.parametrize("rate", [11_025, 44_100, 48_000, 96_000])
def test_an_excerpt_is_that_part_of_the_whole_file_resampled(rate: int, tmp_path: Path) -> None:
    item = recording(sound(tmp_path / "noise.flac", rate, seconds=1.0))
    data, _ = soundfile.read(item.path)
    whole = soxr.resample(data, rate, 16_000, quality="VHQ")
    for start, count in ((0, 16_000), (0, 100), (7777, 1234), (15_990, 10)):
        got = read_mono(item, start, count)
        assert got.shape == (count,)
        np.testing.assert_allclose(got, whole[start : start + count], atol=2e-5)


def test_the_first_channel_is_heard(tmp_path: Path) -> None:
    for rate in (16_000, 32_000):
        path = sound(tmp_path / f"two-{rate}.wav", rate, 2)
        left = tmp_path / f"left-{rate}.wav"
        data, _ = soundfile.read(path)
        soundfile.write(left, data[:, 0], rate, subtype="PCM_16")
        np.testing.assert_allclose(
            read_mono(recording(path), 10, 1000), read_mono(recording(left), 10, 1000), atol=1e-4
        )


def test_16_khz_is_read_to_the_last_bit(tmp_path: Path) -> None:
    path = sound(tmp_path / "plain.flac")
    np.testing.assert_array_equal(
        read_mono(recording(path), 7, 50), to_float(read_pcm(path, 7, 50))[0]
    )


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_file_that_has_changed_is_named(rate: int, tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav", rate, 2)
    item = recording(path)
    sound(path, rate, 1)
    with pytest.raises(InputError, match=r"a\.wav: 1 channels.*has changed since it was indexed"):
        read_mono(item, 0, 100)
    sound(path, rate, 2, seconds=0.1)
    with pytest.raises(InputError, match=r"a\.wav: .* samples, expected"):
        read_mono(item, 0, item.samples)
    path.unlink()
    with pytest.raises(InputError, match=r"a\.wav: no such file"):
        read_mono(item, 0, 100)
