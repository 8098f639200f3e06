"""Heads: head-related impulse responses, measured (SOFA) or of a rigid sphere.

Directions are unit vectors in the head's frame: x forward, y left, z up (as in SOFA, AES69).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy import fft, spatial
from scipy.special import eval_legendre, spherical_jn, spherical_yn

from kbbench.audio import Signal
from kbbench.corpora.base import Head
from kbbench.errors import InputError, one_line
from kbbench.units import SAMPLE_RATE, SPEED_OF_SOUND

SPHERE_TAPS = 256
"""Length of a rigid sphere's response: 16 ms."""
SPHERE_DIRECTIONS = 4000
"""Directions of a rigid sphere's grid: none is further than 2.5 degrees away (33 us of ITD)."""
SPHERE_DELAY = 64
"""Samples before the head's centre is reached, so that the nearer ear stays causal."""
SPHERE_EAR_DEG = 100.0
"""Azimuth of the ears, a little behind the middle (Duda and Martens 1998, section V)."""
BAND_EDGE_HZ = (7000.0, 8000.0)
"""A raised-cosine fade to the Nyquist frequency keeps a sphere's response short."""
GUARD_TAPS = 128
"""Zeros before a measured response is resampled, so that the filter's ringing is kept."""
CROPPED = 1e-6
"""Share of all directions' energy that is cut off before, and after, the responses."""
DIFFUSE_DIRECTIONS = 4000
"""Directions that make sound from all around."""
DIFFUSE_TAPS = 512
"""Length of the filters of diffuse sound: 32 ms."""


@dataclass(frozen=True)
class Hrtf:
    """One head.

    Args:
        directions: (D, 3), unit vectors to the sources.
        responses: (D, 2, N), left and right ear, at 16 kHz.
    """

    directions: NDArray[np.float64]
    responses: Signal

    def nearest(self, directions: NDArray[np.float64]) -> NDArray[np.int64]:
        """For each unit vector (..., 3) the index of the nearest direction of the head."""
        return np.asarray(self._tree.query(directions)[1], dtype=np.int64)

    @cached_property
    def diffuse(self) -> tuple[int, Signal]:
        """What makes two independent white noises sound as from all around.

        Returns:
            samples that the filters lag behind the responses, and filters (2, 2, N): each ear's of
            each noise. Spectra and coherence of the ears are those of the mean over all directions
            (the Hermitian root of the cross-spectral matrix).

        Source: Borss and Martin, "An improved parametric model for perception-based design of
        virtual acoustics", AES 35th conference, 2009, for any head.
        """
        used, rows = np.unique(self.nearest(fibonacci(DIFFUSE_DIRECTIONS)), return_inverse=True)
        shares = np.bincount(rows) / DIFFUSE_DIRECTIONS
        responses = self.responses[used]
        spectra = fft.rfft(responses, DIFFUSE_TAPS) * np.sqrt(shares)[:, None, None]
        cross = np.einsum("def,dgf->feg", spectra, spectra.conj())
        values, vectors = np.linalg.eigh(cross)
        roots = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None]) @ vectors.conj().mT
        centred = np.roll(fft.irfft(roots.transpose(1, 2, 0), DIFFUSE_TAPS), DIFFUSE_TAPS // 2, -1)
        energy = np.sum(np.square(responses) * shares[:, None, None], axis=(0, 1))
        lag = round(float(np.sum(energy * np.arange(len(energy))) / energy.sum()))
        return DIFFUSE_TAPS // 2 - lag, centred * np.hanning(DIFFUSE_TAPS + 1)[:-1]

    @cached_property
    def _tree(self) -> spatial.cKDTree:
        return spatial.cKDTree(self.directions)


def load_head(head: Head) -> Hrtf:
    """A head's responses, cropped; their mean energy over all directions is 1.

    Absolute level and delay are free: both are common to all directions.
    """
    hrtf = sofa(head.path) if head.path is not None else rigid_sphere(head.radius_m or 0.0)
    energy = np.mean(np.square(hrtf.responses), axis=(0, 1))
    passed = np.cumsum(energy) / energy.sum()
    first, last = (int(np.argmax(passed > share)) for share in (CROPPED, 1 - CROPPED))
    kept = slice(first, last + 1)
    return Hrtf(hrtf.directions, hrtf.responses[..., kept] / np.sqrt(energy[kept].sum()))


def sofa(path: Path) -> Hrtf:
    """Read a SimpleFreeFieldHRIR file, resampled to 16 kHz.

    Raises:
        InputError: no SOFA file, another convention, or not two ears.

    Source: AES69-2022, through the package sofar.
    """
    import sofar  # slow to import, and only rendering needs it

    try:
        file = sofar.read_sofa(str(path), verify=False, verbose=False)
        responses = np.asarray(file.Data_IR, dtype=np.float64)
        rate = float(np.atleast_1d(file.Data_SamplingRate)[0])
        positions = np.atleast_2d(np.asarray(file.SourcePosition, dtype=np.float64))
        spherical = str(file.SourcePosition_Type) == "spherical"
    except Exception as error:
        raise InputError(f"{path}: {one_line(error)}; expected a SOFA file of HRIRs") from error
    if responses.ndim != 3 or responses.shape[1] != 2:
        raise InputError(f"{path}: responses {responses.shape}, expected (directions, 2, taps)")
    if rate != SAMPLE_RATE:
        padded = np.pad(responses, ((0, 0), (0, 0), (GUARD_TAPS, GUARD_TAPS)))
        flat = padded.reshape(-1, padded.shape[-1]).T
        responses = soxr.resample(flat, rate, SAMPLE_RATE).T.reshape(*padded.shape[:2], -1)
    if spherical:
        azimuth, elevation = np.radians(positions[:, 0]), np.radians(positions[:, 1])
        positions = unit_vector(azimuth, elevation)
    directions = positions / np.linalg.norm(positions, axis=1, keepdims=True)
    return Hrtf(directions, responses)


def rigid_sphere(
    radius_m: float,
    directions: NDArray[np.float64] | None = None,
    ears: NDArray[np.float64] | None = None,
) -> Hrtf:
    """The head as a rigid sphere with ears at +-100 degrees, lit by plane waves.

    Args:
        radius_m: of the head.
        directions: (D, 3), unit vectors, instead of an even grid.
        ears: (2, 3), unit vectors to the left and the right one, instead of those.

    Raises:
        InputError: the radius is no head's.

    Source: Duda and Martens, "Range dependence of the response of a spherical head model",
    JASA 104(5), 1998; far-field limit of their equation (3).
    """
    if not 0.05 <= radius_m <= 0.15:
        raise InputError(f"sphere radius {radius_m} m, expected a head's, 0.05 to 0.15 m")
    directions = fibonacci(SPHERE_DIRECTIONS) if directions is None else directions
    if ears is None:
        ears = unit_vector(np.radians([SPHERE_EAR_DEG, -SPHERE_EAR_DEG]), np.zeros(2))
    cosines = np.clip(np.einsum("dx,ex->de", directions, ears), -1.0, 1.0)
    hertz = np.arange(SPHERE_TAPS // 2 + 1, dtype=np.float64) * SAMPLE_RATE / SPHERE_TAPS
    wave = 2 * np.pi * hertz / SPEED_OF_SOUND * radius_m
    spectrum = np.ones((*cosines.shape, len(hertz)), dtype=np.complex128)
    spectrum[..., 1:] = sphere_transfer(wave[1:], cosines)
    low, high = BAND_EDGE_HZ
    fade = np.cos(np.clip((hertz - low) / (high - low), 0, 1) * np.pi / 2) ** 2
    spectrum *= fade * np.exp(-2j * np.pi * hertz * SPHERE_DELAY / SAMPLE_RATE)
    return Hrtf(directions, np.fft.irfft(spectrum, n=SPHERE_TAPS, axis=-1))


def sphere_transfer(
    wave: NDArray[np.float64], cosines: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Pressure on a rigid sphere, relative to the free field at its centre.

    Args:
        wave: (F,), wave number times radius, above 0.
        cosines: (...), of the angle between source and ear.

    Returns:
        (..., F), complex, for the time convention exp(+j omega t).
    """
    terms = int(np.ceil(wave.max())) + 20
    total = np.zeros((*cosines.shape, len(wave)), dtype=np.complex128)
    for order in range(terms):
        slope = spherical_jn(order, wave, True) - 1j * spherical_yn(order, wave, True)
        radial = (2 * order + 1) * 1j ** (order - 1) / (wave**2 * slope)
        total += eval_legendre(order, cosines)[..., None] * radial
    return total


def unit_vector(
    azimuth: NDArray[np.float64], elevation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Radians, counter-clockwise from straight ahead and up from the horizon, to (..., 3)."""
    return np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation) * np.ones_like(azimuth),
        ],
        axis=-1,
    )


def fibonacci(count: int) -> NDArray[np.float64]:
    """Evenly spread directions on the sphere, (count, 3) (Gonzalez, Math. Geosci. 2010)."""
    index = np.arange(count) + 0.5
    azimuth = index * (np.pi * (3 - np.sqrt(5)))
    return unit_vector(azimuth, np.arcsin(1 - 2 * index / count))
