"""Binaural room impulse responses: image sources through a head, then a diffuse tail.

Up to the mixing time every image source of the shoebox (pyroomacoustics' image-source model) is
heard through the head's response from its own direction. After it the room is diffuse: noise
from all around, through the same responses, whose energy is what the image-source model tends to,
``c / (4 pi V)`` a second, decaying by 60 dB in RT60. Both parts share one energy scale, so that
nothing is fitted.

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
from kbbench.corpora.hrtf import Hrtf, fibonacci
from kbbench.rng import Stream
from kbbench.units import SAMPLE_RATE, SPEED_OF_SOUND

EARLY_S = 0.050
"""Early reflections end so long after the direct sound (ISO 3382-1, C50 for speech)."""
MIXING_BASE_S, MIXING_S_PER_M3 = 0.0501, 0.0117e-3
"""Perceptual mixing time over room volume (Lindau 2012, t_mp95)."""
CROSSFADE_S = 0.010
"""Images fade out and the tail fades in, at constant power, over so long."""
TAIL_DIRECTIONS = 64
"""Directions that a diffuse field is made of; neighbours are 28 degrees apart."""
SINC_HALF_WIDTH = 20
"""A fractional delay is a Hann-windowed sinc so many samples to each side."""
FADE_S = 0.002
"""Half-width of the fade between early and late reflections."""
DECAY_60_DB = math.log(1e6)


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


def binaural_response(
    room_m: tuple[float, float, float],
    rt60_s: float,
    listener_m: tuple[float, float, float],
    yaw_deg: float,
    source_m: tuple[float, float, float],
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
        responses at 16 kHz, as long as the sound takes to fall by 60 dB.
    """
    direct_s = math.dist(listener_m, source_m) / SPEED_OF_SOUND
    mixing_s = direct_s + mixing_time_s(room_m)
    end_s = mixing_s + CROSSFADE_S / 2 if rt60_s else direct_s
    arrivals = image_sources(room_m, rt60_s, listener_m, yaw_deg, source_m, end_s)
    first = arrivals.times_s <= direct_s + 1e-6
    length = math.ceil((max(rt60_s, end_s if rt60_s else 0.0) + direct_s) * SAMPLE_RATE)
    length += 2 * SINC_HALF_WIDTH + hrtf.responses.shape[-1]
    direct = _through_head(_keep(arrivals, first), hrtf, length)
    if not rt60_s:
        return Brir(direct, np.zeros_like(direct), np.zeros_like(direct))
    reflected = _keep(arrivals, ~first)
    fade = _ramp(reflected.times_s, mixing_s, CROSSFADE_S / 2)
    reflected = Arrivals(
        reflected.directions, reflected.times_s, reflected.amplitudes * np.sqrt(1 - fade)
    )
    rest = _through_head(reflected, hrtf, length)
    rest += diffuse_tail(room_m, rt60_s, mixing_s, hrtf, length, stream)
    late = _ramp(np.arange(length) / SAMPLE_RATE, direct_s + EARLY_S, FADE_S)
    return Brir(direct, rest * (1 - late), rest * late)


def mixing_time_s(room_m: tuple[float, float, float]) -> float:
    """When 95 % of listeners hear a diffuse field, after the direct sound (Lindau 2012)."""
    return MIXING_BASE_S + MIXING_S_PER_M3 * math.prod(room_m)


def reverberation_time_s(response: Signal, range_db: float = 30.0) -> float:
    """T30 of a response (N,), in seconds: the decay from -5 to -35 dB, carried on to 60 dB.

    Args:
        response: one channel.
        range_db: 30 for T30, 20 for T20 (-5 to -25 dB).

    Source: ISO 3382-1, by Schroeder's backward integration (JASA 37, 1965).
    """
    energy = np.cumsum(np.square(response)[::-1])[::-1]
    decay = 10 * np.log10(energy / energy[0] + 1e-12)
    start, end = int(np.argmax(decay < -5)), int(np.argmax(decay < -5 - range_db))
    slope = np.polyfit(np.arange(start, end) / SAMPLE_RATE, decay[start:end], 1)[0]
    return float(-60 / slope)


def absorption(room_m: tuple[float, float, float], rt60_s: float) -> float:
    """Energy absorption of all walls for a reverberation time (Eyring, JASA 1(2), 1930)."""
    length, width, height = room_m
    surface = 2 * (length * width + length * height + width * height)
    return 1 - math.exp(-4 * DECAY_60_DB * math.prod(room_m) / (SPEED_OF_SOUND * surface * rt60_s))


def image_sources(
    room_m: tuple[float, float, float],
    rt60_s: float,
    listener_m: tuple[float, float, float],
    yaw_deg: float,
    source_m: tuple[float, float, float],
    end_s: float,
) -> Arrivals:
    """All arrivals up to ``end_s``, the direct sound among them."""
    reach_m = end_s * SPEED_OF_SOUND
    order = math.ceil(reach_m * math.sqrt(sum(side**-2 for side in room_m))) + 1 if rt60_s else 0
    energy = absorption(room_m, rt60_s) if rt60_s else 1.0
    room = pyroomacoustics.ShoeBox(
        room_m, fs=SAMPLE_RATE, materials=pyroomacoustics.Material(energy), max_order=order
    )
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


def diffuse_tail(
    room_m: tuple[float, float, float],
    rt60_s: float,
    start_s: float,
    hrtf: Hrtf,
    length: int,
    stream: Stream,
) -> Signal:
    """Late reverberation (2, length): noise from everywhere, from ``start_s`` on."""
    times = np.arange(length - hrtf.responses.shape[-1]) / SAMPLE_RATE
    density = SPEED_OF_SOUND / (4 * np.pi * math.prod(room_m) * SAMPLE_RATE)
    energy = (
        density * np.exp(-DECAY_60_DB / rt60_s * times) * _ramp(times, start_s, CROSSFADE_S / 2)
    )
    trains = stream.white(TAIL_DIRECTIONS, len(times)) * np.sqrt(energy / TAIL_DIRECTIONS)
    return _filter(trains, hrtf.responses[hrtf.nearest(fibonacci(TAIL_DIRECTIONS))], length)


def _through_head(arrivals: Arrivals, hrtf: Hrtf, length: int) -> Signal:
    """Each arrival at its time, through the response from the nearest direction: (2, length)."""
    nearest = hrtf.nearest(arrivals.directions)
    used, rows = np.unique(nearest, return_inverse=True)
    exact = arrivals.times_s * SAMPLE_RATE
    whole = np.floor(exact).astype(np.int64)
    taps = np.arange(-SINC_HALF_WIDTH + 1, SINC_HALF_WIDTH + 1)
    distance = taps[None, :] - (exact - whole)[:, None]
    window = np.cos(np.clip(distance / SINC_HALF_WIDTH, -1, 1) * (np.pi / 2)) ** 2
    pulses = arrivals.amplitudes[:, None] * np.sinc(distance) * window
    columns = whole[:, None] + taps[None, :]
    end = int(columns.max()) + 1
    inside = columns >= 0
    trains = np.zeros((len(used), end))
    rows = np.broadcast_to(rows[:, None], columns.shape)
    np.add.at(trains, (rows[inside], columns[inside]), pulses[inside])
    return _filter(trains, hrtf.responses[used], length)


def _filter(trains: Signal, responses: Signal, length: int) -> Signal:
    """Sum over directions of train (D, T) through response (D, 2, N): (2, length)."""
    size = fft.next_fast_len(trains.shape[1] + responses.shape[-1] - 1, real=True)
    spectrum = np.zeros((2, size // 2 + 1), dtype=np.complex128)
    train_spectra = fft.rfft(trains, size)
    for ear in range(2):
        spectrum[ear] = np.sum(train_spectra * fft.rfft(responses[:, ear], size), axis=0)
    both = fft.irfft(spectrum, size)[:, :length]
    return np.pad(both, ((0, 0), (0, length - both.shape[1])))


def _keep(arrivals: Arrivals, which: NDArray[np.bool_]) -> Arrivals:
    return Arrivals(arrivals.directions[which], arrivals.times_s[which], arrivals.amplitudes[which])


def _ramp(times_s: NDArray[np.float64], at_s: float, half_width_s: float) -> NDArray[np.float64]:
    """From 0 to 1 around a time."""
    return np.clip((times_s - at_s) / (2 * half_width_s) + 0.5, 0, 1)
