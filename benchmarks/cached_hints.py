"""Steps of training a boosted device: on kept hints, beside the large network in every step.

    python benchmarks/cached_hints.py [--steps 3] [--rounds 1] [--batch 4] [--seconds 2]

- ``kept hints``: ``--cache-hints``, the large network has heard each mixture once.
- ``joint``: the default, the frozen large network hears every clip.
- ``tuned``: ``--tune-large``, the large network is trained on with the device; takes 5 GB.

Networks are those of `kbbench train` for separation, mixtures are noise in memory, so that
rendering is no part of it. Times are between the ends of two steps of the training itself; those of
the first step (start) and of the last one (validation) do not count.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from kbbench.baselines.config import large
from kbbench.baselines.gridnet import RemoteGridNet
from kbbench.baselines.training import Data, Settings, train
from kbbench.baselines.training.clips import Item
from kbbench.baselines.triples import seeded
from kbbench.baselines.weights import Card, save_weights
from kbbench.rng import Stream
from kbbench.units import samples

GOAL = 4
"""How many times the joint rate kept hints should reach."""
WAYS: dict[str, dict[str, bool]] = {
    "kept hints": {"cache_hints": True},
    "joint": {},
    "tuned": {"tune_large": True},
}
NOT_COUNTED = 2
"""Steps: the first and the last."""


@dataclass(frozen=True)
class Noise:
    """Two talkers of noise at two ears, as many mixtures as a batch has."""

    count: int
    length: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Item:
        white = Stream("benchmark", "cached hints", index).white(2, 2, self.length)
        references = 0.05 * torch.from_numpy(white).float()
        return {"mixture": references.sum(0), "references": references}


def with_large(out: Path) -> Path:
    """A new folder with a large network, whose weights are random, which changes no time."""
    out.mkdir(parents=True)
    network = seeded(0, lambda: RemoteGridNet(large("separation")))
    card = Card(
        kbbench="0",
        task="separation",
        stage="large",
        config=network.config,
        steps=0,
        validation_si_sdri_db=0,
        data="none",
        settings={},
    )
    save_weights(out / "large.safetensors", network.state_dict(), card)
    return out


def step_times_s(settings: Settings, data: Data, out: Path) -> list[float]:
    """Seconds of each step that counts."""
    ends: list[float] = []
    train(
        settings,
        data,
        out,
        show=lambda what: nullcontext(lambda *done: ends.append(time.perf_counter())),
    )
    steps = ends[-settings.steps :]  # before them are those of the hints
    return [later - sooner for sooner, later in pairwise(steps)][:-1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3, help="of each way, in each round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = Data(
        Noise(given.batch, samples(given.seconds)), Noise(1, samples(0.5)), "separation", "noise"
    )
    common: dict[str, Any] = {
        "stage": "boosted",
        "steps": given.steps + NOT_COUNTED,
        "batch_size": given.batch,
        "clip_s": given.seconds,
    }
    taken_s: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(given.rounds):
            for name, way in WAYS.items():
                out = with_large(Path(folder) / f"{turn}-{name}")
                taken_s[name] += step_times_s(Settings.of(**common, **way), data, out)
    middle_s = {name: statistics.median(taken) for name, taken in taken_s.items()}
    print(
        f"Batch {given.batch} x {given.seconds:g} s, {given.threads} thread(s) of "
        f"{os.cpu_count()} cores, medians of {given.rounds} x {given.steps} steps\n"
    )
    print("| way | s a step | times the joint rate |\n|---|---:|---:|")
    for name, taken in middle_s.items():
        print(f"| {name} | {taken:.2f} | {middle_s['joint'] / taken:.2f} |")
    ratio = middle_s["joint"] / middle_s["kept hints"]
    print(
        f"\nKept hints: {ratio:.2f} times the joint rate (goal: {GOAL}), "
        f"{middle_s['tuned'] / middle_s['kept hints']:.2f} times that of tuning the large network."
    )


if __name__ == "__main__":
    main()
