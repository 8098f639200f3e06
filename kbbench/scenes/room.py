"""Binaural room impulse responses: image sources through a head, then a diffuse tail.

Image sources of the shoebox (pyroomacoustics' image-source model) are heard through the head's
response from their own direction, until :data:`IMAGES` of them have arrived. From then on the room
is diffuse: noise with the interaural coherence of sound from all around, and the power that the
images would have on average (:mod:`kbbench.scenes.field`), so that nothing is fitted.

Sources: Allen and Berkley, JASA 65(4), 1979 (images); Lindau, Kosanke and Weinzierl, JAES 60(11),
2012 (mixing time of binaural responses); Lehmann and Johansson, IEEE TASLP 18(6), 2010 (diffuse
tails on image sources).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyroomacoustics
from numpy.typing import NDArray
from scipy import fft

from kbbench.audio import Signal
from kbbench.corpora.hrtf import Hrtf
from kbbench.rng import Stream
from kbbench.scenes.field import Field, Metres, schroeder_db
from kbbench.units import SAMPLE_RATE, SPEED_OF_SOUND

EARLY_S = 0.050
"""Early reflections end so long after the direct sound (ISO 3382-1, C50 for speech)."""
IMAGES = 4000
"""Images that are heard one by one. With as many, the decay stays within 1 dB of that of all
images down to -30 dB, for RT60 of 0.15 to 0.6 s (benchmarks/rooms.py)."""
MIXING_BASE_S, MIXING_S_PER_M3 = 0.0501, 0.0117e-3
"""Perceptual mixing time over room volume (Lindau 2012, t_mp95)."""
CROSSFADE_S = 0.010
"""Images fade out and the tail fades in, at constant power, over so long."""
SINC_HALF_WIDTH = 20
"""A fractional delay is a Hann-windowed sinc so many samples to each side."""
FRACTIONS = 64
"""Delays are kept to a 64th of a sample: within 0.5 microseconds."""
FADE_S = 0.002
"""Half-width of the fade between early and late reflections."""


@dataclass(frozen=True)
class Brir:
    """Responses from one source to both ears, (2, N) each; their sum is the whole."""

    direct: Signal
    early: Signal
    late: Signal

    @property
    def whole(self) -> Signal:
        """(2, N)."""
        return self.direct + self.early + self.late


@dataclass(frozen=True)
class Arrivals:
    """Sound at the head's centre: directions (n, 3) in its frame, seconds (n,), amplitudes (n,)."""

    directions: NDArray[np.float64]
    times_s: NDArray[np.float64]
    amplitudes: NDArray[np.float64]

    def only(self, which: NDArray[np.bool_]) -> Arrivals:
        """Some of them."""
        return Arrivals(self.directions[which], self.times_s[which], self.amplitudes[which])

    def faded(self, gains: NDArray[np.float64]) -> Arrivals:
        """Each at its gain."""
        return Arrivals(self.directions, self.times_s, self.amplitudes * gains)


def binaural_response(
    room_m: Metres,
    rt60_s: float,
    listener_m: Metres,
    yaw_deg: float,
    source_m: Metres,
    hrtf: Hrtf,
    stream: Stream,
) -> Brir:
    """The response from a source to the ears of a head.

    Args:
        room_m: length, width and height.
        rt60_s: 0 for free field.
        listener_m: where the head's centre is.
        yaw_deg: where the head looks, counter-clockwise from the x axis.
        source_m: where the source is.
        hrtf: the head.
        stream: for the tail.

    Returns:
        responses at 16 kHz, as long as the reverberant field takes to fall by 60 dB.
    """
    direct_s = math.dist(listener_m, source_m) / SPEED_OF_SOUND
    field = Field.of(room_m, rt60_s) if rt60_s else None
    mixing_s = mixing_time_s(room_m, direct_s)
    end_s = mixing_s + CROSSFADE_S / 2 if field else direct_s
    arrivals = image_sources(room_m, field, listener_m, yaw_deg, source_m, end_s)
    length = math.ceil((max(field.end_s, end_s) if field else 0.0) * SAMPLE_RATE)
    length += math.ceil(direct_s * SAMPLE_RATE) + 2 * SINC_HALF_WIDTH + hrtf.responses.shape[-1]
    first = arrivals.times_s <= direct_s + 1e-6
    direct = through_head(arrivals.only(first), hrtf, length)
    if field is None:
        return Brir(direct, np.zeros_like(direct), np.zeros_like(direct))
    reflected = arrivals.only(~first)
    fade = _ramp(reflected.times_s, mixing_s, CROSSFADE_S / 2)
    rest = through_head(reflected.faded(np.sqrt(1 - fade)), hrtf, length)
    times_s = np.arange(length) / SAMPLE_RATE
    power = field.power(times_s, source_m, listener_m) / SAMPLE_RATE
    rest += diffuse_noise(power * _ramp(times_s, mixing_s, CROSSFADE_S / 2), hrtf, stream)
    late = _ramp(times_s, direct_s + EARLY_S, FADE_S)
    return Brir(direct, rest * (1 - late), rest * late)


def energy_decay(
    room_m: Metres, rt60_s: float, listener_m: Metres, source_m: Metres
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Decay of the energy that reaches the head's centre, as rooms here are made.

    Energies add up, as they do on average over places and frequencies; in one response at one ear
    images interfere, and its own decay scatters around this.

    Returns:
        times (N,) in seconds, and what energy is still to come, (N,), in dB.
    """
    field = Field.of(room_m, rt60_s)
    mixing_s = mixing_time_s(room_m, math.dist(listener_m, source_m) / SPEED_OF_SOUND)
    arrivals = image_sources(room_m, field, listener_m, 0.0, source_m, mixing_s)
    times_s = np.arange(math.ceil((mixing_s + field.end_s) * SAMPLE_RATE)) / SAMPLE_RATE
    energy = field.power(times_s, source_m, listener_m) / SAMPLE_RATE * (times_s > mixing_s)
    places = np.floor(arrivals.times_s * SAMPLE_RATE).astype(np.int64)
    energy += np.bincount(places, np.square(arrivals.amplitudes), len(times_s))
    return times_s, schroeder_db(energy)


def mixing_time_s(room_m: Metres, direct_s: float) -> float:
    """When images give way to diffuse noise, after the source sounds.

    That is when :data:`IMAGES` have arrived, but never before 95 % of listeners hear a diffuse
    field (Lindau 2012).
    """
    volume_m3 = math.prod(room_m)
    heard = direct_s + MIXING_BASE_S + MIXING_S_PER_M3 * volume_m3
    reach_m = math.cbrt(3 * IMAGES * volume_m3 / (4 * math.pi))
    return max(heard, reach_m / SPEED_OF_SOUND)


def image_sources(
    room_m: Metres,
    field: Field | None,
    listener_m: Metres,
    yaw_deg: float,
    source_m: Metres,
    end_s: float,
) -> Arrivals:
    """All arrivals up to ``end_s``, the direct sound among them; it alone in free field."""
    reach_m = end_s * SPEED_OF_SOUND
    order = math.ceil(reach_m * math.sqrt(sum(side**-2 for side in room_m))) + 1 if field else 0
    walls = pyroomacoustics.Material(field.absorption if field else 1.0)
    room = pyroomacoustics.ShoeBox(room_m, fs=SAMPLE_RATE, materials=walls, max_order=order)
    room.add_source(source_m).add_microphone(listener_m)
    room.image_source_model()
    images = room.sources[0].images.astype(np.float64)
    paths = (images - np.asarray(listener_m)[:, None]).T
    distances = np.sqrt(np.sum(np.square(paths), axis=1))
    near = distances <= reach_m + 1e-4
    paths, distances = paths[near], distances[near]
    turn = math.radians(yaw_deg)
    ahead = paths[:, 0] * math.cos(turn) + paths[:, 1] * math.sin(turn)
    left = paths[:, 1] * math.cos(turn) - paths[:, 0] * math.sin(turn)
    directions = np.stack([ahead, left, paths[:, 2]], axis=1) / distances[:, None]
    damping = room.sources[0].damping[0, near].astype(np.float64)
    return Arrivals(directions, distances / SPEED_OF_SOUND, damping / (4 * np.pi * distances))


def through_head(arrivals: Arrivals, hrtf: Hrtf, length: int) -> Signal:
    """Each arrival at its time, through the response from the nearest direction: (2, length).

    Responses are added up on whole samples, apart for each fraction of a sample that a delay can
    have; one filter a fraction then delays all that share it.
    """
    ticks = np.rint(arrivals.times_s * (SAMPLE_RATE * FRACTIONS)).astype(np.int64)
    whole, part = np.divmod(ticks, FRACTIONS)
    fractions, rows = np.unique(part, return_inverse=True)
    copies = hrtf.responses[hrtf.nearest(arrivals.directions)]
    copies *= arrivals.amplitudes[:, None, None]
    taps = copies.shape[-1]
    end = int(whole.max()) + taps
    places = np.arange(2)[:, None] * end + np.arange(taps)
    places = (rows * 2 * end + whole)[:, None, None] + places
    sums = np.bincount(places.ravel(), copies.ravel(), len(fractions) * 2 * end)
    offsets = np.arange(1 - SINC_HALF_WIDTH, SINC_HALF_WIDTH + 1) - fractions[:, None] / FRACTIONS
    window = np.cos(np.clip(offsets / SINC_HALF_WIDTH, -1, 1) * (np.pi / 2)) ** 2
    size = fft.next_fast_len(end + offsets.shape[1] - 1, real=True)
    delays = fft.rfft(np.sinc(offsets) * window, size)
    spectra = fft.rfft(sums.reshape(len(fractions), 2, end), size)
    both = fft.irfft(np.sum(spectra * delays[:, None], axis=0), size)
    return _fit(both[:, SINC_HALF_WIDTH - 1 :], length)


def diffuse_noise(power: NDArray[np.float64], hrtf: Hrtf, stream: Stream) -> Signal:
    """Noise at both ears as from all around, (2, N).

    Args:
        power: (N,), energy a sample at the head's centre.
        hrtf: gives spectra and coherence of both ears (:attr:`Hrtf.diffuse`).
        stream: of the noise.
    """
    noise = stream.white(2, len(power)) * np.sqrt(power)
    lead, filters = hrtf.diffuse
    size = fft.next_fast_len(len(power) + filters.shape[-1] - 1, real=True)
    spectra = np.sum(fft.rfft(filters, size) * fft.rfft(noise, size), axis=1)
    both = fft.irfft(spectra, size)
    return _fit(both[:, lead:] if lead >= 0 else np.pad(both, ((0, 0), (-lead, 0))), len(power))


def _fit(both: Signal, length: int) -> Signal:
    """(2, N) cut or filled up to (2, length)."""
    cut = both[:, :length]
    return np.pad(cut, ((0, 0), (0, length - cut.shape[1])))


def _ramp(times_s: NDArray[np.float64], at_s: float, half_width_s: float) -> NDArray[np.float64]:
    """From 0 to 1 around a time."""
    return np.clip((times_s - at_s) / (2 * half_width_s) + 0.5, 0, 1)
