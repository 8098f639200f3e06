"""The reverberant field of a shoebox: the energy that its image sources carry, and when.

On its way in direction u, sound meets ``|u_x| / L_x + |u_y| / L_y + |u_z| / L_z`` walls a metre,
and each takes its share. The mean over all directions is what the image-source model tends to once
images are many. It is no exponential: sound along the longest side lasts longest, so walls after
Sabine or Eyring make a room that rings 15 to 50 % longer than it should. Here walls are chosen so
that the field itself has the reverberation time that is declared.

Source: Lehmann and Johansson, "Prediction of energy decay in room impulse responses simulated with
an image-source model", JASA 124(1), 2008; T30 by ISO 3382-1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kbbench.units import SPEED_OF_SOUND

Metres = tuple[float, float, float]
Numbers = NDArray[np.float64]

QUADRATURE = 24
"""Gauss-Legendre points for each of two angles of an octant; twice as many move T30 by 1e-6."""
CURVE_POINTS = 400
"""Of a decay curve on its way to 70 dB below its start."""
CURVE_DB = 70.0
END_DB = -60.0
"""A response ends where its decay curve has come down to this."""


def reverberation_time_s(times_s: Numbers, decay_db: Numbers, range_db: float = 30.0) -> float:
    """T30 of a decay curve: its slope from -5 to -35 dB, carried on to 60 dB.

    Args:
        times_s: (N,), ascending.
        decay_db: (N,), falling from 0, down to -35 dB at least.
        range_db: 30 for T30, 20 for T20 (-5 to -25 dB).

    Source: ISO 3382-1.

    >>> times_s = np.linspace(0, 1, 101)
    >>> round(reverberation_time_s(times_s, -60 * times_s / 0.4), 6)
    0.4
    """
    start, end = int(np.argmax(decay_db < -5)), int(np.argmax(decay_db < -5 - range_db))
    slope = np.polyfit(times_s[start:end], decay_db[start:end], 1)[0]
    return float(-60 / slope)


def schroeder_db(energy: Numbers) -> Numbers:
    """Decay curve in dB of an energy (..., N), from 0 dB on (Schroeder, JASA 37, 1965)."""
    rest = np.cumsum(energy[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(10 * np.log10(rest / rest[..., :1] + 1e-12))


@dataclass(frozen=True)
class Field:
    """A shoebox and what its walls take.

    Args:
        room_m: length, width and height.
        loss: of energy at each wall, in nepers: a reflection keeps ``exp(-loss)``.
    """

    room_m: Metres
    loss: float

    @classmethod
    def of(cls, room_m: Metres, rt60_s: float) -> Field:
        """The field whose T30 is a reverberation time.

        Loss and time come in as their product alone, so the loss follows without a search.
        """
        return cls(room_m, _unit_reverberation_s(room_m) / rt60_s)

    @property
    def absorption(self) -> float:
        """Share of energy that a wall takes."""
        return 1 - math.exp(-self.loss)

    @property
    def end_s(self) -> float:
        """When the energy that is still to come has fallen by 60 dB."""
        times, decay = _unit_decay(self.room_m)
        return float(times[np.argmax(decay <= END_DB)]) / self.loss

    def power(self, times_s: Numbers, source_m: Metres, listener_m: Metres) -> Numbers:
        """Mean energy a second of all images together, at times after the source sounds.

        A free-field arrival over r metres has energy ``1 / (4 pi r) ** 2``. Images stand at
        ``2 n L + s - l`` (2 n reflections) and ``2 n L - s - l`` (2 n - 1), so near and far walls
        are met a little before or after their mean: the hyperbolic cosines.

        Args:
            times_s: (N,).
            source_m: in the room.
            listener_m: in the room.
        """
        rates, weights = _reflections_per_s(self.room_m)
        grid = np.linspace(0, float(times_s[-1]), CURVE_POINTS)
        mean = np.sum(np.exp(-self.loss * grid[:, None] * rates) * weights, axis=1)
        decay = np.exp(np.interp(times_s, grid, np.log(mean)))
        level = SPEED_OF_SOUND / (4 * np.pi * math.prod(self.room_m))
        for source, listener, side in zip(source_m, listener_m, self.room_m, strict=True):
            even = math.cosh(self.loss * (source - listener) / side)
            odd = math.cosh(self.loss * ((source + listener) / side - 1))
            level *= (even + odd) / 2
        return np.asarray(level * decay)


@lru_cache(maxsize=64)
def _reflections_per_s(room_m: Metres) -> tuple[Numbers, Numbers]:
    """Walls met a second in each direction of an octant, and the weights of their mean."""
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE)
    nodes, weights = (nodes + 1) / 2, weights / 2
    up, angle = np.meshgrid(nodes, nodes * np.pi / 2, indexing="ij")
    flat = np.sqrt(1 - up**2)
    length, width, height = room_m
    rates = flat * np.cos(angle) / length + flat * np.sin(angle) / width + up / height
    return SPEED_OF_SOUND * rates.ravel(), np.outer(weights, weights).ravel()


@lru_cache(maxsize=64)
def _unit_decay(room_m: Metres) -> tuple[Numbers, Numbers]:
    """Decay curve of the field for a loss of one neper: times (N,), dB (N,)."""
    rates, weights = _reflections_per_s(room_m)
    times = np.linspace(0, CURVE_DB / 10 * math.log(10) / rates.min(), CURVE_POINTS)
    rest = np.sum(np.exp(-times[:, None] * rates) * (weights / rates), axis=1)
    return times, 10 * np.log10(rest / rest[0])


@lru_cache(maxsize=64)
def _unit_reverberation_s(room_m: Metres) -> float:
    return reverberation_time_s(*_unit_decay(room_m))
