"""A picture of a sound: time to the right, frequency up, bright where it is loud."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np
from scipy.signal import ShortTimeFFT, get_window

from kbbench.audio import FULL_SCALE, Pcm
from kbbench.units import SAMPLE_RATE

WINDOW, HOP = 512, 256
"""Samples: 32 ms and 16 ms, narrow enough for the harmonics of a voice."""
RANGE_DB = 70.0
"""From the loudest down to black."""


def spectrogram_png(pcm: Pcm, loudest_db: float | None = None) -> bytes:
    """A PNG file, a column every 16 ms and a row every 31 Hz.

    Args:
        pcm: (channels, samples), int16; powers of the channels add up.
        loudest_db: level that is brightest, so that pictures can be compared; None takes the
            sound's own, as :func:`loudest` gives it.
    """
    level_db = _level_db(pcm)
    top = loudest(pcm) if loudest_db is None else loudest_db
    buffer = io.BytesIO()
    matplotlib.image.imsave(
        buffer,
        level_db,
        vmin=top - RANGE_DB,
        vmax=top,
        cmap="magma",
        origin="lower",
        format="png",
        metadata={"Software": "kbbench"},
    )
    return buffer.getvalue()


def loudest(pcm: Pcm) -> float:
    """The highest level of a sound's spectrogram in dB."""
    return float(_level_db(pcm).max())


def _level_db(pcm: Pcm) -> np.ndarray:
    transform = ShortTimeFFT(get_window("hann", WINDOW), HOP, SAMPLE_RATE)
    signal = pcm.astype(np.float64) / FULL_SCALE
    if signal.shape[-1] < WINDOW:
        signal = np.pad(signal, ((0, 0), (0, WINDOW - signal.shape[-1])))
    power = (np.abs(transform.stft(signal)) ** 2).sum(axis=0)
    return np.asarray(10 * np.log10(power + 1e-12))
