"""Binaural room responses: kbbench beside pyroomacoustics with the same measured head.

Prints one line a reverberation time: milliseconds a source for each, and their ratio, all in one
run on one thread. pyroomacoustics reads SOFA through the package python-sofa:

    pip install python-sofa
    python benchmarks/rooms.py [--rt60 0.2 0.3 0.4]

The two do not compute the same: pyroomacoustics runs image sources of the full order to the end,
kbbench up to the perceptual mixing time and then a diffuse tail.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pyroomacoustics as pra

from kbbench.corpora import load_corpus
from kbbench.corpora.hrtf import load_head
from kbbench.rng import Stream
from kbbench.scenes.room import absorption, binaural_response
from kbbench.units import SAMPLE_RATE, SPEED_OF_SOUND

ROOM, LISTENER, SOURCE = (5.0, 4.0, 3.0), (2.0, 1.5, 1.5), (3.2, 2.6, 1.4)
EAR_OFFSET_M = 1e-3
"""pyroomacoustics wants two microphones in two places; the head's delays are in its responses."""


def milliseconds(function: Callable[[], object], repeats: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def theirs(path: str, rt60_s: float) -> Callable[[], object]:
    """pyroomacoustics: measured directivities at both ears, image sources of the full order."""
    file = pra.MeasuredDirectivityFile(path, fs=SAMPLE_RATE)
    front = pra.Rotation3D([0.0, 0.0], rot_order="yz")
    ears = [file.get_mic_directivity(ear, orientation=front) for ear in (0, 1)]
    reach_m = rt60_s * SPEED_OF_SOUND
    order = int(np.ceil(reach_m * np.sqrt(sum(side**-2 for side in ROOM))))

    def run() -> object:
        material = pra.Material(absorption(ROOM, rt60_s))
        room = pra.ShoeBox(ROOM, fs=SAMPLE_RATE, materials=material, max_order=order)
        room.add_source(SOURCE)
        for sign, ear in zip((1, -1), ears, strict=True):
            x, y, z = LISTENER
            room.add_microphone([x, y + sign * EAR_OFFSET_M, z], directivity=ear)
        room.compute_rir()
        return room.rir

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rt60", type=float, nargs="+", default=[0.2, 0.3, 0.4])
    pra.constants.set("num_threads", 1)
    head = next(item for item in load_corpus("mini").heads if item.path is not None)
    hrtf = load_head(head)
    print("RT60 s   kbbench ms   pyroomacoustics ms   ratio")
    for rt60_s in parser.parse_args().rt60:

        def ours(rt60_s: float = rt60_s) -> object:
            return binaural_response(ROOM, rt60_s, LISTENER, 0.0, SOURCE, hrtf, Stream("benchmark"))

        mine, other = milliseconds(ours, 9), milliseconds(theirs(str(head.path), rt60_s), 1)
        print(f"{rt60_s:6.2f} {mine:12.1f} {other:20.1f} {other / mine:7.0f}")


if __name__ == "__main__":
    main()
