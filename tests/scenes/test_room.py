"""Rooms are physics: delays, levels, decays, and pyroomacoustics beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyroomacoustics
import pytest

from kbbench.corpora import Head, load_corpus
from kbbench.corpora.hrtf import Hrtf, load_head, rigid_sphere, unit_vector
from kbbench.rng import Stream
from kbbench.scenes.field import Field, Metres, reverberation_time_s, schroeder_db
from kbbench.scenes.room import (
    FRACTIONS,
    Arrivals,
    binaural_response,
    diffuse_noise,
    energy_decay,
    image_sources,
    mixing_time_s,
    through_head,
)
from kbbench.units import SAMPLE_RATE, SPEED_OF_SOUND
from tests.corpora.test_hrtf import ild_db, itd_s

ROOM, LISTENER, SOURCE = (5.0, 4.0, 3.0), (2.0, 1.5, 1.5), (3.2, 2.6, 1.4)
STREAM = ("test", "tail")
TAPS = 8
OMNI = Hrtf(np.array([[1.0, 0.0, 0.0]]), np.eye(1, TAPS)[None].repeat(2, axis=1))
"""Two ears in one point without a head between them."""


def kemar() -> Hrtf:
    return load_head(next(head for head in load_corpus("mini").heads if head.path is not None))


ROOMS: tuple[Metres, ...] = ((3.6, 3.1, 2.5), (5.0, 4.0, 3.0), (7.8, 6.2, 3.3), (6.0, 3.9, 2.6))


def places(room: Metres, count: int) -> Iterator[tuple[Metres, Metres]]:
    """Listeners and sources in conversation, 0.5 m from all walls."""
    rng = np.random.default_rng(7)
    low, high = np.full(3, 0.5), np.array(room) - 0.5
    while count:
        listener, source = rng.uniform(low, high), rng.uniform(low, high)
        if 0.7 < np.linalg.norm(source - listener) < 2.0:
            count -= 1
            yield tuple(map(float, listener)), tuple(map(float, source))  # type: ignore[misc]


def all_images(room: Metres, rt60_s: float, listener: Metres, source: Metres) -> Arrivals:
    """The image-source model carried on until sound has fallen by 60 dB."""
    field = Field.of(room, rt60_s)
    return image_sources(room, field, listener, 0.0, source, field.end_s)


def test_free_field_is_the_head_itself_delayed_and_farther() -> None:
    """Level and time differences of the direct path within 1 dB and 40 us: here, much closer."""
    head = kemar()
    rng = np.random.default_rng(0)
    for index in rng.choice(len(head.directions), 12, replace=False):
        yaw = float(rng.uniform(-180, 180))
        turn = np.radians(yaw)
        x, y, z = head.directions[index] * 0.9
        source = (
            LISTENER[0] + x * math.cos(turn) - y * math.sin(turn),
            LISTENER[1] + x * math.sin(turn) + y * math.cos(turn),
            LISTENER[2] + z,
        )
        brir = binaural_response(ROOM, 0.0, LISTENER, yaw, source, head, Stream(*STREAM))
        assert not brir.early.any() and not brir.late.any()
        size = 2 * brir.direct.shape[-1]
        hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
        band = (hertz > 100) & (hertz < 6500)
        delay = np.exp(-2j * np.pi * hertz * 0.9 / SPEED_OF_SOUND) / (4 * np.pi * 0.9)
        expected = np.fft.rfft(head.responses[index], size) * delay
        got = np.fft.rfft(brir.direct, size)
        error = np.abs(got - expected)[:, band] / np.abs(expected)[:, band].mean()
        assert error.max() < 0.02


def test_the_direct_path_keeps_the_head_s_differences_at_any_angle() -> None:
    """Against the series of the rigid sphere itself, for angles between grid points."""
    head = load_head(Head("sphere", "test", radius_m=0.0875))
    rng = np.random.default_rng(1)
    for azimuth in rng.uniform(-np.pi, np.pi, 20):
        direction = unit_vector(np.array([azimuth]), np.zeros(1))
        x, y, _ = 1.3 * direction[0]
        source = (LISTENER[0] + x, LISTENER[1] + y, LISTENER[2])
        brir = binaural_response(ROOM, 0.4, LISTENER, 0.0, source, head, Stream(*STREAM))
        own = rigid_sphere(0.0875, direction).responses[0]
        assert abs(itd_s(brir.direct) - itd_s(own)) < 40e-6
        assert abs(ild_db(brir.direct) - ild_db(own)) < 1.0


@pytest.mark.parametrize("rt60_s", [0.15, 0.3, 0.6])
@pytest.mark.parametrize("room", ROOMS)
def test_the_room_has_the_declared_reverberation_time(room: Metres, rt60_s: float) -> None:
    """T30 over a room's places within 5 % (ISO 3382 takes the mean of places)."""
    times = [
        reverberation_time_s(*energy_decay(room, rt60_s, listener, source))
        for listener, source in places(room, 12)
    ]
    assert np.mean(times) == pytest.approx(rt60_s, rel=0.05)


@pytest.mark.parametrize("rt60_s", [0.15, 0.3, 0.6])
def test_a_response_at_the_ears_decays_as_declared(rt60_s: float) -> None:
    head, times = kemar(), []
    for key, (listener, source) in enumerate(places(ROOM, 8)):
        stream = Stream(*STREAM, key)
        brir = binaural_response(ROOM, rt60_s, listener, 20.0, source, head, stream).whole
        seconds = np.arange(brir.shape[1]) / SAMPLE_RATE
        times += [reverberation_time_s(seconds, schroeder_db(np.square(ear))) for ear in brir]
    assert np.mean(times) == pytest.approx(rt60_s, rel=0.05)


@pytest.mark.parametrize("rt60_s", [0.15, 0.2, 0.3, 0.4])
@pytest.mark.parametrize("room", ROOMS)
def test_energy_decays_as_with_all_images(room: Metres, rt60_s: float) -> None:
    """Within 1 dB down to -30 dB, at every place, early images and tail together."""
    for listener, source in places(room, 3):
        times_s, decay_db = energy_decay(room, rt60_s, listener, source)
        arrivals = all_images(room, rt60_s, listener, source)
        at = np.floor(arrivals.times_s * SAMPLE_RATE).astype(int)
        every = np.bincount(at, np.square(arrivals.amplitudes), len(times_s))[: len(times_s)]
        theirs = schroeder_db(every)
        heard = theirs > -30
        assert np.abs(decay_db - theirs)[heard].max() < 1.0


def test_walls_by_eyring_would_ring_too_long() -> None:
    """Why walls are not made by the classical formulas: images do not mix directions."""
    length, width, height = room = (7.5, 3.4, 2.5)
    surface = 2 * (length * width + length * height + width * height)
    eyring = 4 * math.log(1e6) * math.prod(room) / (SPEED_OF_SOUND * surface * 0.3)
    assert Field.of(room, 0.3).loss > 1.3 * eyring


def test_a_cube_of_images_keeps_the_field_s_level() -> None:
    """Power of the field against images in a shell of time, far from any place's chance."""
    field, listener, source = Field.of(ROOM, 0.6), (1.0, 1.1, 0.9), (3.9, 3.2, 2.2)
    arrivals = image_sources(ROOM, field, listener, 0.0, source, 0.25)
    for start, end in ((0.05, 0.1), (0.1, 0.15), (0.15, 0.25)):
        shell = (arrivals.times_s >= start) & (arrivals.times_s < end)
        times_s = np.linspace(start, end, 1001)
        mean = field.power(times_s, source, listener).mean() * (end - start)
        theirs = np.square(arrivals.amplitudes[shell]).sum()
        assert abs(10 * np.log10(mean / theirs)) < 0.2


@pytest.fixture
def no_high_pass() -> Iterator[None]:
    """pyroomacoustics filters its responses below 20 Hz unless told not to."""
    before = pyroomacoustics.constants.get("rir_hpf_enable")
    pyroomacoustics.constants.set("rir_hpf_enable", False)
    yield
    pyroomacoustics.constants.set("rir_hpf_enable", before)


@pytest.mark.usefixtures("no_high_pass")
def test_images_are_those_of_pyroomacoustics_whole_room_simulation() -> None:
    """Early part of an omnidirectional pair against pyroomacoustics' own impulse response."""
    rt60_s = 0.4
    brir = binaural_response(ROOM, rt60_s, LISTENER, 0.0, SOURCE, OMNI, Stream(*STREAM))
    material = pyroomacoustics.Material(Field.of(ROOM, rt60_s).absorption)
    room = pyroomacoustics.ShoeBox(ROOM, fs=SAMPLE_RATE, materials=material, max_order=20)
    room.add_source(SOURCE).add_microphone(LISTENER)
    room.compute_rir()
    lead = pyroomacoustics.constants.get("frac_delay_length") // 2
    theirs = np.asarray(room.rir[0][0])[lead:]
    mine = brir.whole[0]
    early = slice(0, int(0.045 * SAMPLE_RATE))
    # Theirs leaves 1 / (4 pi) out.
    scale = float(np.dot(theirs[early], mine[early]) / np.dot(mine[early], mine[early]))
    assert scale == pytest.approx(4 * np.pi, rel=0.05)
    error = theirs[early] - scale * mine[early]
    assert np.square(error).sum() < 0.02 * np.square(theirs[early]).sum()


def test_images_through_the_head_are_each_response_at_its_time() -> None:
    """Against exact delays as phase ramps: no further off than half a 64th of a sample each."""
    head = kemar()
    rng = np.random.default_rng(2)
    directions = head.directions[rng.choice(len(head.directions), 20)]
    arrivals = Arrivals(directions, rng.uniform(0.01, 0.03, 20), rng.uniform(0.1, 1, 20))
    got = through_head(arrivals, head, 1024)
    hertz = np.fft.rfftfreq(1024, 1 / SAMPLE_RATE)
    band = (hertz > 100) & (hertz < 6500)
    ramps = np.exp(-2j * np.pi * hertz * arrivals.times_s[:, None]) * arrivals.amplitudes[:, None]
    spectra = np.fft.rfft(head.responses[head.nearest(directions)], 1024)
    expected = np.sum(spectra * ramps[:, None], axis=0)
    error = np.abs(np.fft.rfft(got) - expected)
    half_step = np.pi * hertz / SAMPLE_RATE / FRACTIONS
    bound = np.sum(np.abs(spectra) * arrivals.amplitudes[:, None, None], axis=0) * half_step
    assert (error < bound + 0.005 * np.abs(expected).mean())[:, band].all()


def test_the_tail_is_as_coherent_as_sound_from_everywhere() -> None:
    """Coherence and spectra of both ears against 2000 independent noises around the head."""
    head = kemar()
    brir = np.concatenate(
        [diffuse_noise(np.ones(16_000), head, Stream("diffuse", key)) for key in range(12)], axis=1
    )
    frames = brir[:, : brir.shape[1] // 512 * 512].reshape(2, -1, 512) * np.hanning(512)
    spectra = np.fft.rfft(frames)
    cross = (spectra[0] * spectra[1].conj()).mean(0)
    powers = np.square(np.abs(spectra)).mean(1)
    coherence = (cross / np.sqrt(powers.prod(0))).real
    around = np.random.default_rng(3).standard_normal((2000, 3))
    responses = head.responses[head.nearest(around / np.linalg.norm(around, axis=1, keepdims=True))]
    direct = np.fft.rfft(responses, 512)
    theirs = np.square(np.abs(direct)).mean(0)
    theory = (direct[:, 0] * direct[:, 1].conj()).mean(0) / np.sqrt(theirs.prod(0))
    band = slice(4, 220)
    assert np.abs(coherence - theory.real)[band].mean() < 0.05
    level_db = 10 * np.log10(powers / powers.mean() * theirs.mean() / theirs)
    assert np.abs(level_db[:, band]).mean() < 0.5


def test_the_tail_is_diffuse_at_two_ears() -> None:
    """Low frequencies reach both ears alike, high ones do not (Lindevald and Benade, 1986)."""
    head, frames = kemar(), []
    start = int((mixing_time_s(ROOM, 0.01) + 0.02) * SAMPLE_RATE)
    for key in range(8):
        brir = binaural_response(ROOM, 0.6, LISTENER, 0.0, SOURCE, head, Stream("tail", key))
        late = brir.late[:, start:]
        frames.append(late[:, : late.shape[1] // 256 * 256].reshape(2, -1, 256))
    spectra = np.fft.rfft(np.concatenate(frames, axis=1) * np.hanning(256))
    cross = np.abs((spectra[0] * spectra[1].conj()).mean(0))
    coherence = cross / np.sqrt(np.square(np.abs(spectra)).mean(1).prod(0))
    hertz = np.fft.rfftfreq(256, 1 / SAMPLE_RATE)
    assert coherence[(hertz > 60) & (hertz < 200)].mean() > 0.8
    assert coherence[hertz > 2000].mean() < 0.3


def test_parts_add_up_and_follow_each_other() -> None:
    brir = binaural_response(ROOM, 0.4, LISTENER, 0.0, SOURCE, kemar(), Stream(*STREAM))
    np.testing.assert_array_equal(brir.whole, brir.direct + brir.early + brir.late)
    direct_s = math.dist(LISTENER, SOURCE) / SPEED_OF_SOUND
    border = int((direct_s + 0.050) * SAMPLE_RATE)
    assert not brir.early[:, border + 64 :].any()
    assert not brir.late[:, : border - 64].any()
    assert np.square(brir.direct).sum() > 0


def test_the_same_key_gives_the_same_room() -> None:
    first, again, other = (
        binaural_response(ROOM, 0.3, LISTENER, 0.0, SOURCE, OMNI, Stream("tail", key)).whole
        for key in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
