"""Memory and time of everything but rendering, for a few mixtures and for a set of paper size.

Rendering is replaced by a click of 16 samples. What remains is what the parent process does: it
samples, checks and hashes the plan, hands out the work, writes plan and manifest; then it opens the
dataset and goes through its mixtures, twice (the second time for a dataset card).

    python benchmarks/planning.py [--recipe NAME] [COUNT ...]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from kbbench.corpora import Corpus
from kbbench.scenes import pack
from kbbench.scenes.dataset import Dataset
from kbbench.scenes.export import export_dataset
from kbbench.scenes.make import make_dataset
from kbbench.scenes.plan import MixturePlan
from kbbench.scenes.recipe import load_recipe
from kbbench.scenes.render import Scene
from kbbench.scenes.tables import stem_names

COUNTS = (2_000, 110_000)


def main() -> None:
    """Measure each count in a process of its own: peak memory never falls."""
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", type=int, nargs="*", default=COUNTS)
    parser.add_argument("--recipe", default="mini-separation")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.recipe, arguments.one)
        return
    print(f"{'mixtures':>8}  {'step':8}  {'seconds':>8}  {'peak MB':>8}", flush=True)
    for count in arguments.counts:
        command = [sys.executable, __file__, "--recipe", arguments.recipe, "--one", str(count)]
        subprocess.run(command, check=True)


def measure(name: str, count: int) -> None:
    """Make, read and export a dataset of so many mixtures, a tenth of it for test."""
    recipe = load_recipe(name)
    counts = {"train": count - count // 10, "validation": 0, "test": count // 10}
    recipe = recipe.model_copy(
        update={"splits": recipe.splits.model_copy(update=counts), "target": "image"}
    )
    stems = {stem: np.ones((2, 16), np.int16) for stem in stem_names(recipe)}

    def click(plan: MixturePlan, corpus: Corpus) -> Scene:
        return Scene(stems, {"level_lufs": -30.0, "peak_dbfs": -3.0})

    pack.render = click
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"

        def read() -> None:
            dataset = Dataset.open(data)
            assert sum(1 for split in counts for _ in dataset.mixtures(split)) == count

        steps = {
            "make": lambda: make_dataset(recipe, data, workers=1, storage="tar"),
            "read": read,
            "card": lambda: export_dataset(data, "card", Path(folder) / "card"),
        }
        for step, run in steps.items():
            started = time.perf_counter()
            run()
            taken = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{count:8}  {step:8}  {taken:8.1f}  {peak:8.0f}", flush=True)


if __name__ == "__main__":
    main()
