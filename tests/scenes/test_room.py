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
from kbbench.scenes.room import (
    absorption,
    binaural_response,
    image_sources,
    reverberation_time_s,
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


def test_the_reverberation_time_of_an_exponential_decay_is_its_own() -> None:
    for rt60_s in (0.2, 0.5):
        noise = Stream("decay").white(16_000)
        decay = noise * 10 ** (-3 * np.arange(16_000) / SAMPLE_RATE / rt60_s)
        assert reverberation_time_s(decay) == pytest.approx(rt60_s, rel=0.03)


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
@pytest.mark.parametrize("room", [(3.6, 3.1, 2.5), (7.8, 6.2, 3.3)])
def test_the_room_decays_as_declared(room: tuple[float, float, float], rt60_s: float) -> None:
    source = (room[0] - 1.0, room[1] - 0.8, 1.5)
    brir = binaural_response(room, rt60_s, LISTENER, 20.0, source, kemar(), Stream(*STREAM))
    # Short rooms end before they are diffuse: the early images decide, and are no line.
    tolerance = 0.15 if rt60_s < 0.2 else 0.08
    for ear in brir.whole:
        assert reverberation_time_s(ear) == pytest.approx(rt60_s, rel=tolerance)


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
    material = pyroomacoustics.Material(absorption(ROOM, rt60_s))
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


def test_the_tail_carries_the_energy_that_images_would() -> None:
    """Energy after the mixing time against the image-source model carried on to the end."""
    rt60_s = 0.4
    late_s = 0.08
    levels = []
    for room in ((5.0, 4.0, 3.0), (6.4, 5.1, 2.9), (4.1, 3.7, 2.6)):
        brir = binaural_response(room, rt60_s, LISTENER, 0.0, SOURCE, OMNI, Stream(*STREAM))
        arrivals = image_sources(room, rt60_s, LISTENER, 0.0, SOURCE, 0.2)
        window = (arrivals.times_s > late_s) & (arrivals.times_s < 0.2)
        theirs = np.square(arrivals.amplitudes[window]).sum()
        mine = np.square(brir.whole[0, int(late_s * SAMPLE_RATE) : int(0.2 * SAMPLE_RATE)]).sum()
        levels.append(10 * np.log10(mine / theirs))
    assert abs(np.mean(levels)) < 1.5


def test_the_diffuse_tail_is_as_coherent_as_two_ears_are() -> None:
    """Low frequencies reach both ears alike, high ones do not (Lindevald and Benade, 1986)."""
    head, frames = kemar(), []
    for key in range(8):
        brir = binaural_response(ROOM, 0.6, LISTENER, 0.0, SOURCE, head, Stream("tail", key))
        late = brir.late[:, int(0.1 * SAMPLE_RATE) :]
        frames.append(late[:, : late.shape[1] // 256 * 256].reshape(2, -1, 256))
    spectra = np.fft.rfft(np.concatenate(frames, axis=1) * np.hanning(256))
    cross = np.abs((spectra[0] * spectra[1].conj()).mean(0))
    coherence = cross / np.sqrt(np.square(np.abs(spectra)).mean(1).prod(0))
    hertz = np.fft.rfftfreq(256, 1 / SAMPLE_RATE)
    assert coherence[(hertz > 60) & (hertz < 260)].mean() > 0.8
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
