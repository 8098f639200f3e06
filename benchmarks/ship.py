"""Make the weights of a training a built-in triple: ``kbbench/baselines/shipped/NAME``.

    python benchmarks/ship.py TRAINING NAME

Takes the files of its triples and the weights that they need. Those of large networks, also one
tuned with a device, are rounded to half precision, which is said with what it changes: the largest
step of any weight.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from kbbench.baselines.shipped.names import FOLDER
from kbbench.baselines.variants import variants_in
from kbbench.baselines.weights import read_card, save_weights

MOST_BYTES = 10 * 2**20
"""Of all built-in weights together."""


def ship(training: Path, name: str) -> None:
    """Copy what makes its triples, and nothing else."""
    out = FOLDER / name
    out.mkdir(parents=True, exist_ok=True)
    for path, weights in variants_in(training).values():
        if not weights.there:
            print(f"{path.name}: weights are missing, left out")
            continue
        shutil.copy(path, out)
        for file in (*weights.smalls, *weights.devices, weights.large):
            (halve if read_card(file).stage == "large" else shutil.copy)(file, out / file.name)
    size = sum(file.stat().st_size for file in FOLDER.rglob("*.safetensors"))
    print(f"{out}: all built-in weights take {size / 2**20:.2f} MiB")
    if size > MOST_BYTES:
        raise SystemExit(f"that is more than {MOST_BYTES / 2**20:g} MiB: ship less")


def halve(source: Path, path: Path) -> None:
    """Write weights in half precision."""
    exact = load_file(source)
    rounded = {name: tensor.half() for name, tensor in exact.items()}
    steps = [(rounded[name].float() - tensor).abs().max() for name, tensor in exact.items()]
    save_weights(path, rounded, read_card(source))
    print(f"{path.name}: half precision moves a weight by {float(torch.stack(steps).max()):.1e}")


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("training", type=Path)
    parser.add_argument("name")
    given = parser.parse_args()
    ship(given.training, given.name)


if __name__ == "__main__":
    main()
