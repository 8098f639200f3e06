"""Rooms beside the full image method: decay, reverberation time, cues of both ears, coherence.

kbbench hears 4000 images one by one and then diffuse noise. Here are its responses beside those
of all images, in rooms and at places of recipe mini-separation:

- energy at the head's centre: the largest difference of the decay curves down to -30 dB, and T30
  against that of all images and against the time that is declared;
- KEMAR's ears in one room: the decay curve that is the mean of eight places and two ears;
- early part (50 ms) against pyroomacoustics' own image sources with its `MeasuredDirectivityFile`
  of the same head: interaural level and time differences;
- diffuse tail: interaural coherence against the mean over all directions of the head.

    pip install python-sofa
    python benchmarks/rooms.py [--scenes 60]

Speed is in benchmarks/make_data.py.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pyroomacoustics as pra

from kbbench.audio import Signal
from kbbench.corpora import load_corpora
from kbbench.corpora.hrtf import Hrtf, fibonacci, load_head
from kbbench.rng import Stream
from kbbench.scenes.field import Field, reverberation_time_s, schroeder_db
from kbbench.scenes.plan import MixturePlan
from kbbench.scenes.recipe import load_recipe
from kbbench.scenes.room import (
    EARLY_S,
    Arrivals,
    binaural_response,
    diffuse_noise,
    energy_decay,
    image_sources,
    through_head,
)
from kbbench.scenes.sampling import plan_mixture
from kbbench.units import SAMPLE_RATE, SPEED_OF_SOUND

RT60_S = (0.15, 0.2, 0.3, 0.4, 0.6)
EARS_RT60_S = (0.15, 0.2, 0.3, 0.4)
"""At 0.6 s all images through a head take minutes a place."""
PLACES = 8
FLOOR_DB = -30.0
REACH = 0.7
"""All images up to this share of RT60: some way beyond -30 dB; then the field's mean."""
AT_ONCE = 20_000
"""Images through the head at once, to bound memory."""
EAR_OFFSET_M = 1e-5
"""pyroomacoustics wants two microphones in two places; a head's delays are in its responses."""

CENTRE_COLUMNS = (
    "RT60 s",
    "decay to -30 dB: mean and largest difference dB",
    "within 1 dB",
    "T30 over that of all images, furthest",
    "T30 over RT60, mean",
    "within 5 %",
)
EARS_COLUMNS = (
    "RT60 s",
    f"KEMAR's ears, mean of {PLACES} places: decay to -30 dB, largest difference dB",
    "T30 over RT60",
    "T30 of all images over RT60",
)


class Rooms:
    """Scenes of a recipe, all of one reverberation time."""

    def __init__(self) -> None:
        self.recipe = load_recipe("mini-separation")
        self.corpus = load_corpora(self.recipe.corpora, None)
        path = next(head for head in self.corpus.heads if head.path is not None)
        self.sofa, self.head = path.path, load_head(path)

    def scene(self, rt60_s: float, index: int) -> MixturePlan:
        """A room, a listener and a source."""
        room = self.recipe.room.model_copy(update={"rt60_s": (rt60_s, rt60_s)})
        recipe = self.recipe.model_copy(update={"room": room})
        return plan_mixture(recipe, self.corpus, "train", index)


def centre(plan: MixturePlan) -> tuple[float, float, float]:
    """Largest difference of decay in dB, T30 over that of all images, T30 over the declared."""
    source = plan.talkers[0].position_m
    field = Field.of(plan.room_m, plan.rt60_s)
    times_s, mine_db = energy_decay(plan.room_m, plan.rt60_s, plan.listener_m, source)
    reach_s = REACH * plan.rt60_s + 0.02
    arrivals = image_sources(plan.room_m, field, plan.listener_m, 0.0, source, reach_s)
    at = np.floor(arrivals.times_s * SAMPLE_RATE).astype(int)
    energy = np.bincount(at, np.square(arrivals.amplitudes), len(times_s))[: len(times_s)]
    rest = field.power(times_s, source, plan.listener_m) / SAMPLE_RATE
    theirs_db = schroeder_db(np.where(times_s < reach_s, energy, rest))
    mine_s = reverberation_time_s(times_s, mine_db)
    return (
        difference_db(mine_db, theirs_db),
        mine_s / reverberation_time_s(times_s, theirs_db),
        mine_s / plan.rt60_s,
    )


def difference_db(mine_db: Signal, theirs_db: Signal) -> float:
    """The largest difference of two decay curves down to -30 dB."""
    return float(np.abs(mine_db - theirs_db)[theirs_db > FLOOR_DB].max())


def ears(rooms: Rooms, rt60_s: float) -> tuple[float, float, float]:
    """Difference of mean decays in dB, mean T30 of ours and of all images over the declared."""
    first = rooms.scene(rt60_s, 0)
    length = math.ceil(2 * rt60_s * SAMPLE_RATE) + 2000
    energy = np.zeros((2, length))
    times: list[list[float]] = [[], []]
    for index in range(PLACES):
        listener, source = place(first, index)
        mine = binaural_response(
            first.room_m, rt60_s, listener, 0.0, source, rooms.head, Stream("rooms", index)
        ).whole
        every = all_images(first, listener, source, rooms.head, mine.shape[1])
        for row, both in enumerate((mine, every)):
            energy[row, : both.shape[1]] += np.square(both).sum(0)
            seconds = np.arange(both.shape[1]) / SAMPLE_RATE
            times[row] += [
                reverberation_time_s(seconds, schroeder_db(np.square(ear))) / rt60_s for ear in both
            ]
    mine_db, theirs_db = schroeder_db(energy)
    return difference_db(mine_db, theirs_db), float(np.mean(times[0])), float(np.mean(times[1]))


def place(plan: MixturePlan, index: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A listener and a source in conversation in the room of a plan."""
    rng = np.random.default_rng(index)
    low, high = np.full(3, 0.5), np.array(plan.room_m) - 0.5
    while True:
        listener, source = rng.uniform(low, high), rng.uniform(low, high)
        if 0.7 < np.linalg.norm(source - listener) < 2.0:
            return tuple(listener), tuple(source)


def all_images(
    plan: MixturePlan,
    listener: tuple[float, ...],
    source: tuple[float, ...],
    head: Hrtf,
    length: int,
) -> Signal:
    """The image method carried on to the end, through the head."""
    field = Field.of(plan.room_m, plan.rt60_s)
    arrivals = image_sources(plan.room_m, field, listener, 0.0, source, 1.1 * plan.rt60_s)
    total = np.zeros((2, length))
    for start in range(0, len(arrivals.times_s), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        some = Arrivals(
            arrivals.directions[part], arrivals.times_s[part], arrivals.amplitudes[part]
        )
        total += through_head(some, head, length)
    return total


def early_cues(rooms: Rooms, plan: MixturePlan) -> tuple[float, float]:
    """Differences of ILD in dB and ITD in us from pyroomacoustics' first 50 ms."""
    source = plan.talkers[0].position_m
    brir = binaural_response(
        plan.room_m, plan.rt60_s, plan.listener_m, plan.yaw_deg, source, rooms.head, Stream("cues")
    )
    mine = brir.direct + brir.early
    file = pra.MeasuredDirectivityFile(str(rooms.sofa), fs=SAMPLE_RATE)
    walls = pra.Material(Field.of(plan.room_m, plan.rt60_s).absorption)
    room = pra.ShoeBox(plan.room_m, fs=SAMPLE_RATE, materials=walls, max_order=12)
    room.add_source(source)
    x, y, z = plan.listener_m
    front = pra.Rotation3D([plan.yaw_deg, 0.0], rot_order="zy")
    turn = math.radians(plan.yaw_deg)
    for ear, side in enumerate((1, -1)):
        at = [
            x - side * EAR_OFFSET_M * math.sin(turn),
            y + side * EAR_OFFSET_M * math.cos(turn),
            z,
        ]
        room.add_microphone(at, directivity=file.get_mic_directivity(ear, orientation=front))
    room.compute_rir()
    direct_s = math.dist(plan.listener_m, source) / SPEED_OF_SOUND
    end = round((direct_s + EARLY_S) * SAMPLE_RATE) + 40
    theirs = np.stack([np.pad(room.rir[ear][0], (0, end))[:end] for ear in (0, 1)])
    return abs(ild_db(mine) - ild_db(theirs)), 1e6 * abs(itd_s(mine) - itd_s(theirs))


def ild_db(both: Signal) -> float:
    """Left over right."""
    left, right = np.square(both).sum(1)
    return float(10 * np.log10(left / right))


def itd_s(both: Signal, low_hz: float = 100.0, high_hz: float = 1500.0) -> float:
    """Where the cross-correlation of both ears is largest, below 1.5 kHz, within 1 ms."""
    size, upsampling = 2 * both.shape[1], 32
    spectra = np.fft.rfft(both, size)
    hertz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    cross = spectra[0] * spectra[1].conj() * ((hertz > low_hz) & (hertz < high_hz))
    correlation = np.fft.irfft(cross, size * upsampling)
    reach = round(1e-3 * SAMPLE_RATE * upsampling)
    lags = np.arange(-reach, reach + 1)
    return float(lags[np.argmax(correlation[lags])] / SAMPLE_RATE / upsampling)


def coherence_error(head: Hrtf) -> float:
    """Mean difference of the tail's coherence from that of all directions, 60 Hz to 7 kHz."""
    noise = np.concatenate(
        [diffuse_noise(np.ones(SAMPLE_RATE), head, Stream("tail", key)) for key in range(60)], 1
    )
    spectra = np.fft.rfft(
        noise[:, : noise.shape[1] // 512 * 512].reshape(2, -1, 512) * np.hanning(512)
    )
    power = np.square(np.abs(spectra)).mean(1)
    mine = (spectra[0] * spectra[1].conj()).mean(0) / np.sqrt(power.prod(0))
    every = np.fft.rfft(head.responses[head.nearest(fibonacci(8000))], 512)
    theory = (every[:, 0] * every[:, 1].conj()).mean(0)
    theory /= np.sqrt(np.square(np.abs(every)).mean(0).prod(0))
    return float(np.abs(mine - theory)[2:225].mean())


def table(columns: Sequence[str]) -> None:
    """The head of a table in Markdown."""
    print(f"\n| {' | '.join(columns)} |\n|{'---:|' * len(columns)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=60)
    count = parser.parse_args(arguments).scenes
    pra.constants.set("num_threads", 1)
    rooms = Rooms()
    table(CENTRE_COLUMNS)
    for rt60_s in RT60_S:
        edc, images, declared = np.array(
            [centre(rooms.scene(rt60_s, index)) for index in range(count)]
        ).T
        print(
            f"| {rt60_s} | {edc.mean():.2f}, {edc.max():.2f} | {np.mean(edc < 1):.0%} | "
            f"{images[np.argmax(np.abs(images - 1))]:.3f} | {declared.mean():.3f} | "
            f"{np.mean(np.abs(declared - 1) < 0.05):.0%} |",
            flush=True,
        )
    table(EARS_COLUMNS)
    for rt60_s in EARS_RT60_S:
        edc_db, mine, theirs = ears(rooms, rt60_s)
        print(f"| {rt60_s} | {edc_db:.2f} | {mine:.3f} | {theirs:.3f} |", flush=True)
    cues = np.array([early_cues(rooms, rooms.scene(0.3, index)) for index in range(8)])
    print(f"\nEarly part against pyroomacoustics: ILD within {cues[:, 0].max():.2f} dB, ", end="")
    print(f"ITD within {cues[:, 1].max():.0f} us, 8 scenes.")
    print(f"Tail: coherence within {coherence_error(rooms.head):.3f} of that of all directions.")


if __name__ == "__main__":
    main()
