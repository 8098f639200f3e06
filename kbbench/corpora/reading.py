"""Reading a corpus' recordings: at 16 kHz and one channel, whatever the file is.

A recording of several channels is heard at its first one: the average of microphones that stand
apart would comb. Another sample rate is resampled by soxr (very high quality), an excerpt with so
much around it that it is what the whole file resampled would hold.
"""

from __future__ import annotations

import math

import numpy as np
import soundfile
import soxr

from kbbench.audio import Signal, read_pcm, to_float
from kbbench.corpora.base import NoiseRecording, Utterance
from kbbench.errors import InputError, one_line
from kbbench.units import SAMPLE_RATE

MARGIN_S = 0.05
"""Read around an excerpt that is resampled: soxr's VHQ filter is shorter at speech's rates."""


def samples_at_16k(frames: int, rate: int) -> int:
    """Samples that a recording has once it is resampled.

    >>> samples_at_16k(48_001, 48_000)
    16000
    """
    return frames * SAMPLE_RATE // rate


def read_mono(recording: Utterance | NoiseRecording, start: int, samples: int) -> Signal:
    """Samples [start, start + samples) at 16 kHz, full scale 1, shape (samples,).

    Raises:
        InputError: the file is missing, damaged, too short, or not as it was indexed.
    """
    path = recording.path
    if recording.rate == SAMPLE_RATE:
        pcm = read_pcm(path, start, samples)
        if pcm.shape[0] != recording.channels:
            raise InputError(
                f"{path}: {pcm.shape[0]} channels, expected {recording.channels}; "
                "the file has changed since it was indexed"
            )
        return np.asarray(to_float(pcm)[0])
    divisor = math.gcd(recording.rate, SAMPLE_RATE)
    native, ours = recording.rate // divisor, SAMPLE_RATE // divisor
    margin = math.ceil(MARGIN_S * SAMPLE_RATE / ours)
    first = max(start // ours - margin, 0)
    last = -(-(start + samples) // ours) + margin
    data = _read(recording, first * native, last * native)
    resampled = soxr.resample(data, recording.rate, SAMPLE_RATE, quality="VHQ")
    excerpt = resampled[start - first * ours :][:samples]
    return np.asarray(np.pad(excerpt, (0, samples - len(excerpt))))


def _read(recording: Utterance | NoiseRecording, first: int, last: int) -> Signal:
    """Frames [first, last) of the first channel, as many of them as there are."""
    path = recording.path
    try:
        with soundfile.SoundFile(path) as file:
            if (file.samplerate, file.channels) != (recording.rate, recording.channels):
                raise InputError(
                    f"{path}: {file.channels} channels at {file.samplerate} Hz, expected "
                    f"{recording.channels} at {recording.rate} Hz; "
                    "the file has changed since it was indexed"
                )
            if samples_at_16k(file.frames, file.samplerate) < recording.samples:
                raise InputError(
                    f"{path}: {file.frames} samples, expected {recording.samples} at 16 kHz; "
                    "the file is cut short or another one"
                )
            file.seek(first)
            data = file.read(min(last, file.frames) - first, dtype="float64", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        why = one_line(error) if path.is_file() else "no such file"
        raise InputError(f"{path}: {why}; expected a sound file") from error
    return np.ascontiguousarray(data[:, 0])
