"""Sound files and levels: FLAC, 16 kHz, 16 bits, axes (channels, samples)."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from kbbench.errors import InputError, one_line
from kbbench.interrupts import interrupted_afterwards
from kbbench.units import SAMPLE_RATE

Pcm = NDArray[np.int16]
Signal = NDArray[np.float64]

FULL_SCALE = 32768
"""One step of 16-bit PCM is 1 / 32768 of full scale."""


def read_pcm(path: Path, start: int = 0, samples: int | None = None) -> Pcm:
    """A file's samples, or an excerpt of them: (channels, samples), int16.

    Raises:
        InputError: no such file, not sound, another sample rate, or too short for the excerpt.
    """
    try:
        with soundfile.SoundFile(path) as file:
            return _read(file, str(path), start, samples)
    except (OSError, soundfile.SoundFileError) as error:
        why = one_line(error) if path.is_file() else "no such file"
        raise InputError(f"{path}: {why}; expected a sound file") from error


def decode_pcm(data: bytes, name: str) -> Pcm:
    """The samples of a sound file in memory, called ``name`` in errors: as :func:`read_pcm`."""
    try:
        with interrupted_afterwards(), soundfile.SoundFile(io.BytesIO(data)) as file:
            return _read(file, name)
    except soundfile.SoundFileError as error:
        raise InputError(f"{name}: {one_line(error)}; expected a sound file") from error


def _read(file: soundfile.SoundFile, name: str, start: int = 0, samples: int | None = None) -> Pcm:
    if file.samplerate != SAMPLE_RATE:
        raise InputError(
            f"{name}: sample rate {file.samplerate} Hz, expected {SAMPLE_RATE} Hz; "
            "resample the file"
        )
    count = file.frames - start if samples is None else samples
    if start + count > file.frames:
        raise InputError(
            f"{name}: {file.frames} samples, expected at least {start + count}; "
            "the file is cut short or another one"
        )
    file.seek(start)
    return np.ascontiguousarray(file.read(count, dtype="int16", always_2d=True).T)


def write_flac(path: Path, pcm: Pcm) -> None:
    """Write (channels, samples) losslessly."""
    soundfile.write(path, pcm.T, SAMPLE_RATE, subtype="PCM_16", format="FLAC")


def flac_bytes(pcm: Pcm) -> bytes:
    """A FLAC file in memory."""
    buffer = io.BytesIO()
    with interrupted_afterwards():
        soundfile.write(buffer, pcm.T, SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    return buffer.getvalue()


def pcm_sha256(pcm: Pcm) -> str:
    """SHA-256 of the samples themselves, little-endian and interleaved, whatever the codec."""
    return hashlib.sha256(np.ascontiguousarray(pcm.T).astype("<i2").tobytes()).hexdigest()


def to_float(pcm: Pcm) -> Signal:
    """16-bit samples to full scale 1."""
    return pcm.astype(np.float64) / FULL_SCALE


def to_pcm(signal: NDArray[np.floating]) -> Pcm:
    """Full scale 1 to the nearest 16-bit samples; what lies beyond is clipped."""
    scaled = np.rint(np.asarray(signal, dtype=np.float64) * FULL_SCALE)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def power(signal: Signal) -> float:
    """Mean square over all channels and samples."""
    return float(np.mean(np.square(signal)))


def decibels(ratio: float) -> float:
    """A power ratio in dB; -inf for nothing.

    >>> decibels(100.0)
    20.0
    """
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(ratio))


def loudness_lufs(signal: Signal) -> float:
    """Integrated loudness of (channels, samples) in LUFS; -inf for silence.

    Source: ITU-R BS.1770-4, through pyloudnorm.
    """
    import pyloudnorm  # slow to import, and only rendering needs it

    meter = pyloudnorm.Meter(SAMPLE_RATE)
    with np.errstate(divide="ignore"):
        return float(meter.integrated_loudness(signal.T))
