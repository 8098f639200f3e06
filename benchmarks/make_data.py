"""Mixtures a second: kbbench beside the loops that one would write instead, in one run.

Everybody renders the same scenes (recipe mini-separation in a room of 5 x 4 x 3 m), from reading
the recordings to writing the files, on one thread:

- ``kbbench``: three or two talkers at the two ears of measured and spherical heads, with levels,
  hashes and FLAC.
- ``pyroomacoustics, plain``: three talkers at two plain microphones; `ShoeBox` with the walls and
  order of `inverse_sabine`, `simulate`, WAV.
- ``pyroomacoustics, binaural``: two talkers; as above with `MeasuredDirectivityFile` receivers.
- ``torchrir``: three talkers at two plain microphones, images to the end, or up to 50 ms and its
  diffuse tail after them; WAV.

    pip install python-sofa torchrir
    python benchmarks/make_data.py [--rt60 0.2 0.4 0.6] [--binaural-rt60 0.2 0.4]

How rooms compare acoustically is in benchmarks/rooms.py.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import pyroomacoustics as pra
import soundfile
import torch

from kbbench.corpora import Corpus, load_corpora, read_mono
from kbbench.scenes.make import make_dataset
from kbbench.scenes.plan import MixturePlan
from kbbench.scenes.recipe import Recipe, load_recipe
from kbbench.scenes.sampling import plan_mixture
from kbbench.units import SAMPLE_RATE

ROOM = {"length_m": (5.0, 5.0), "width_m": (4.0, 4.0), "height_m": (3.0, 3.0)}
EARS_M = 0.18
"""Between two plain microphones."""
EAR_OFFSET_M = 1e-3
"""pyroomacoustics wants two microphones in two places; a head's delays are in its responses."""
TORCHRIR_TAIL_S = 0.05

Signals = list[np.ndarray]
Simulate = Callable[[MixturePlan, Signals], np.ndarray]
"""A scene and its dry talkers to images (talkers, 2, samples)."""


def scenes(talkers: int, rt60_s: float, count: int) -> Recipe:
    """The recipe of so many mixtures."""
    base = load_recipe("mini-separation")
    return base.model_copy(
        update={
            "splits": base.splits.model_copy(update={"train": count, "validation": 0, "test": 0}),
            "room": base.room.model_copy(update={**ROOM, "rt60_s": (rt60_s, rt60_s)}),
            "talkers": base.talkers.model_copy(update={"count": talkers}),
        }
    )


def shoebox(plan: MixturePlan, signals: Signals) -> pra.ShoeBox:
    """A room of pyroomacoustics with all talkers in it."""
    absorption, order = pra.inverse_sabine(plan.rt60_s, plan.room_m)
    room = pra.ShoeBox(
        plan.room_m, fs=SAMPLE_RATE, materials=pra.Material(absorption), max_order=order
    )
    for talker, signal in zip(plan.talkers, signals, strict=True):
        room.add_source(talker.position_m, signal=signal)
    return room


def plain(plan: MixturePlan, signals: Signals) -> np.ndarray:
    """pyroomacoustics, two plain microphones."""
    room = shoebox(plan, signals)
    room.add_microphone_array(microphones(plan).T)
    return np.asarray(room.simulate(return_premix=True))


def microphones(plan: MixturePlan) -> np.ndarray:
    """Two places (2, 3) where the ears would be."""
    x, y, z = plan.listener_m
    return np.array([[x, y + side * EARS_M / 2, z] for side in (1, -1)])


def binaural(sofa: Path) -> Simulate:
    """pyroomacoustics, the measured directivities of a head's two ears."""
    file = pra.MeasuredDirectivityFile(str(sofa), fs=SAMPLE_RATE)

    def simulate(plan: MixturePlan, signals: Signals) -> np.ndarray:
        room = shoebox(plan, signals)
        front = pra.Rotation3D([plan.yaw_deg, 0.0], rot_order="zy")
        x, y, z = plan.listener_m
        for ear, side in enumerate((1, -1)):
            directivity = file.get_mic_directivity(ear, orientation=front)
            room.add_microphone([x, y + side * EAR_OFFSET_M, z], directivity=directivity)
        return np.asarray(room.simulate(return_premix=True))

    return simulate


def torchrir(tail_s: float | None) -> Simulate:
    """torchrir, two plain microphones, all images or a tail after some time."""
    from torchrir import MicrophoneArray, Room, Source, StaticScene
    from torchrir.config import SimulationConfig
    from torchrir.signal import convolve_rir
    from torchrir.sim import simulate as run
    from torchrir.util.acoustics import estimate_image_counts_from_tmax

    def simulate(plan: MixturePlan, signals: Signals) -> np.ndarray:
        room = Room.shoebox(plan.room_m, fs=SAMPLE_RATE, t60=plan.rt60_s)
        scene = StaticScene(
            room=room,
            sources=Source.from_positions([talker.position_m for talker in plan.talkers]),
            mics=MicrophoneArray.from_positions(microphones(plan).tolist()),
        )
        images = estimate_image_counts_from_tmax(tail_s or plan.rt60_s, room.size)
        config = SimulationConfig(
            nb_img=tuple(math.ceil(image) for image in images),
            tmax=plan.rt60_s,
            tdiff=tail_s,
            seed=0,
        )
        dry = torch.from_numpy(np.stack(signals).astype(np.float32))
        return np.stack(
            [
                convolve_rir(signal, response).numpy()
                for signal, response in zip(dry, run(scene, config).rirs, strict=True)
            ]
        )

    return simulate


def loop(recipe: Recipe, corpus: Corpus, simulate: Simulate) -> float:
    """Seconds a mixture of a user's loop: read, simulate, write the mixture and each talker."""
    plans = [plan_mixture(recipe, corpus, "train", index) for index in range(recipe.splits.train)]
    if len(plans) > 1:
        simulate(plans[0], dry(plans[0], corpus))  # warm
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        for plan in plans:
            images = simulate(plan, dry(plan, corpus))[..., : plan.samples]
            scale = 0.5 / np.abs(images.sum(0)).max()
            for number, image in enumerate([images.sum(0), *images]):
                file = Path(folder) / f"{plan.index}-{number}.wav"
                soundfile.write(file, scale * image.T, SAMPLE_RATE)
        return (time.perf_counter() - start) / len(plans)


def dry(plan: MixturePlan, corpus: Corpus) -> Signals:
    """Each talker's recording, as long as the mixture."""
    signals = []
    for talker in plan.talkers:
        signal = np.zeros(plan.samples)
        for clip in talker.clips:
            sound = read_mono(corpus.utterance_by_id[clip.id], clip.start, clip.samples)
            signal[clip.onset : clip.onset + clip.samples] = sound
        signals.append(signal)
    return signals


def ours(recipe: Recipe) -> float:
    """Seconds a mixture of `kbbench make-data` on one worker, heads already read."""
    with tempfile.TemporaryDirectory() as folder:
        make_dataset(recipe, Path(folder) / "warm", workers=1)
        start = time.perf_counter()
        make_dataset(recipe, Path(folder) / "data", workers=1)
        return (time.perf_counter() - start) / recipe.splits.train


def row(what: str, talkers: int, rt60_s: float, seconds: float, mine: float) -> None:
    """One line of the table."""
    ratio = f"{seconds / mine:.1f}"
    print(f"| {what} | {talkers} | {rt60_s:.1f} | {1 / seconds:.2f} | {ratio} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rt60", type=float, nargs="*", default=[0.2, 0.4, 0.6])
    parser.add_argument("--binaural-rt60", type=float, nargs="*", default=[0.2, 0.4])
    given = parser.parse_args(arguments)
    pra.constants.set("num_threads", 1)
    torch.set_num_threads(1)
    corpus = load_corpora(scenes(2, 0.4, 1).corpora, None)
    sofa = next(head.path for head in corpus.heads if head.path is not None)
    print("| who | talkers | RT60 s | mixtures a second | kbbench is so many times faster |")
    print("|---|---:|---:|---:|---:|")
    for rt60_s in given.rt60:
        mine = ours(scenes(3, rt60_s, 40))
        row("kbbench, binaural, FLAC", 3, rt60_s, mine, mine)
        for what, simulate, count in (
            ("pyroomacoustics, plain", plain, 6),
            ("torchrir, all images", torchrir(None), 2),
            ("torchrir, 50 ms and its tail", torchrir(TORCHRIR_TAIL_S), 6),
        ):
            row(what, 3, rt60_s, loop(scenes(3, rt60_s, count), corpus, simulate), mine)
    for rt60_s in given.binaural_rt60:
        mine = ours(scenes(2, rt60_s, 40))
        row("kbbench, binaural, FLAC", 2, rt60_s, mine, mine)
        theirs = loop(scenes(2, rt60_s, 1), corpus, binaural(sofa))
        row("pyroomacoustics, binaural", 2, rt60_s, theirs, mine)


if __name__ == "__main__":
    main()
