"""STOI and ESTOI: one front end for both, the reference prepared once for all estimates.

Everything that decides a value is pystoi's: its resampling, its third-octave bands, its constants.
pystoi adds random numbers of 2e-16 before it divides; here the smallest number is added to what is
divided by, so nothing is random, and a band that holds nothing counts 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor

from kbbench.metrics.signals import check_pair
from kbbench.units import SAMPLE_RATE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StoiReference:
    """A reference ready for any number of estimates.

    Args:
        samples: of the signal.
        heard: of its frames, those that are not silent.
        segments: its third-octave bands in every 30 frames, (segments, bands, frames).
        norms: of each band in each segment, (segments, bands, 1).
        stoi: the segments as STOI correlates them.
        estoi: the segments as ESTOI does.
    """

    samples: int
    heard: NDArray[np.bool_]
    segments: Array
    norms: Array
    stoi: Array
    estoi: Array

    @classmethod
    def of(cls, reference: Tensor) -> StoiReference:
        """Prepare a reference (samples,).

        Raises:
            ValueError: it is silent, or holds less than 0.4 s of speech.
        """
        from pystoi.stoi import DYN_RANGE
        from pystoi.utils import EPS

        if not reference.any():
            raise ValueError("reference is silent")
        frames = _frames(_resampled(reference))
        if not len(frames):
            raise ValueError(_TOO_SHORT)
        energies_db = 20 * np.log10(np.linalg.norm(frames, axis=1) + EPS)
        heard = energies_db > energies_db.max() - DYN_RANGE
        segments = _segments(frames[heard])
        norms = np.linalg.norm(segments, axis=2, keepdims=True)
        return cls(
            len(reference), heard, segments, norms, _centred_rows(segments), _normalized(segments)
        )


_TOO_SHORT = "STOI: less than 0.4 s of speech"


def stoi_segments(estimate: Tensor, reference: StoiReference) -> Array:
    """Third-octave bands of an estimate where the reference is not silent: for both metrics.

    Args:
        estimate: (samples,).
        reference: prepared.

    Raises:
        ValueError: the estimate is silent, or of another length.
    """
    if estimate.shape != (reference.samples,):
        raise ValueError(
            f"estimate has shape {tuple(estimate.shape)}, reference ({reference.samples},)"
        )
    if not estimate.any():
        raise ValueError("estimate is silent")
    return _segments(_frames(_resampled(estimate))[reference.heard])


def stoi_of(segments: Array, reference: StoiReference) -> float:
    """STOI of an estimate's segments."""
    from pystoi.stoi import BETA
    from pystoi.utils import EPS

    norms = np.linalg.norm(segments, axis=2, keepdims=True)
    scaled = segments * (reference.norms / (norms + EPS))
    clipped = np.minimum(scaled, reference.segments * (1 + 10 ** (-BETA / 20)))
    return float(np.vdot(_centred_rows(clipped), reference.stoi) / np.prod(segments.shape[:2]))


def estoi_of(segments: Array, reference: StoiReference) -> float:
    """ESTOI of an estimate's segments."""
    count, _, frames = segments.shape
    return float(np.vdot(_normalized(segments), reference.estoi) / frames / count)


def stoi(estimate: Tensor, reference: Tensor) -> float:
    """Short-time objective intelligibility, up to 1; higher is better.

    Args:
        estimate: (samples,).
        reference: (samples,).

    Raises:
        ValueError: no value: silence, or less than 0.4 s of speech.

    Source: Taal et al., IEEE TASLP 19(7), 2011, as in the package pystoi.
    """
    check_pair(estimate, reference)
    prepared = StoiReference.of(reference)
    return stoi_of(stoi_segments(estimate, prepared), prepared)


def estoi(estimate: Tensor, reference: Tensor) -> float:
    """Extended STOI, for fluctuating noise; arguments, returns, raises as :func:`stoi`.

    Source: Jensen and Taal, IEEE/ACM TASLP 24(11), 2016, as in the package pystoi.
    """
    check_pair(estimate, reference)
    prepared = StoiReference.of(reference)
    return estoi_of(stoi_segments(estimate, prepared), prepared)


def _resampled(signal: Tensor) -> Array:
    from pystoi.stoi import FS
    from pystoi.utils import resample_oct

    resampled: Array = resample_oct(signal.double().numpy(), FS, SAMPLE_RATE)
    return resampled


def _frames(samples: Array) -> Array:
    """Windowed frames that overlap by half, (frames, 256); the last whole one is left out."""
    from pystoi.stoi import N_FRAME

    window = np.hanning(N_FRAME + 2)[1:-1]
    starts = slice(0, max(len(samples) - N_FRAME, 0), N_FRAME // 2)
    padded = samples if len(samples) >= N_FRAME else np.zeros(N_FRAME)
    framed: Array = sliding_window_view(padded, N_FRAME)[starts] * window
    return framed


def _segments(frames: Array) -> Array:
    """Frames are put together again; then bands of the whole, (segments, bands, 30 frames)."""
    from pystoi.stoi import NFFT, OBM, N

    count, length = frames.shape
    halves = np.zeros((count + 1, length // 2))
    halves[:-1] += frames[:, : length // 2]
    halves[1:] += frames[:, length // 2 :]
    spectra = fft.rfft(_frames(halves.reshape(-1)), NFFT)
    if len(spectra) < N:
        raise ValueError(_TOO_SHORT)
    bands = np.sqrt(OBM @ (spectra.real**2 + spectra.imag**2).T)
    segments: Array = np.ascontiguousarray(
        sliding_window_view(bands, N, axis=1).transpose(1, 0, 2), dtype=np.float64
    )
    return segments


def _centred_rows(segments: Array) -> Array:
    """Each band less its mean, over its norm."""
    from pystoi.utils import EPS

    centred: Array = segments - segments.mean(axis=2, keepdims=True)
    centred /= np.linalg.norm(centred, axis=2, keepdims=True) + EPS
    return centred


def _normalized(segments: Array) -> Array:
    """Bands, then frames, less their mean, over their norm."""
    from pystoi.utils import EPS

    rows = _centred_rows(segments)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + EPS
    return rows
