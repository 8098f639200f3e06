"""Networks that `kbbench train` trained, as triples."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import nn

from kbbench.baselines.config import SOURCES, spoken
from kbbench.baselines.config import boosted as boosted_config
from kbbench.baselines.config import large as large_config
from kbbench.baselines.config import small as small_config
from kbbench.baselines.ensemble import Ensemble
from kbbench.baselines.gridnet import GridNet, RemoteGridNet
from kbbench.baselines.stages import BOOSTINGS, ENSEMBLE, Stage, weights_name
from kbbench.baselines.variants import large_of
from kbbench.baselines.weights import SUFFIX, load_device, load_remote
from kbbench.errors import InputError
from kbbench.models.contract import TASKS, Boosted, Task, Triple

Network = TypeVar("Network", bound=nn.Module)

NAMES = {
    "boosted": "TF-GridNet, knowledge boosting",
    "film": "TF-GridNet, layer-wise FiLM",
    "output": "TF-GridNet, delayed output",
}


def trained(
    folder: Path,
    task: str,
    boosting: str = "boosted",
    small: Stage | Literal["ensemble"] = "small",
) -> Triple:
    """A triple from a folder that `kbbench train` wrote.

    A device trained for one delay alone serves that delay; the others take the one for all. Where
    that one's large network was tuned with it, it is the triple's large one.

    Args:
        folder: of all stages.
        task: separation, target_speech or enhancement.
        boosting: boosted, film or output.
        small: small; or baseline (as many parameters as the device), distilled, or ensemble (the
            mean of small and small2).

    Raises:
        InputError: unknown names, or not trained yet.
    """
    known = _task(task, boosting)

    def found(path: Path, stage: str) -> Path:
        if not path.is_file():
            raise InputError(
                f"{folder}: {path.name} is not there: {stage} is not trained yet for {task}; "
                f"train it with `kbbench train RECIPE --stage {stage} --out FOLDER`, and evaluate "
                "FOLDER/triple.py"
            )
        return path

    @cache
    def remote(path: Path) -> RemoteGridNet:
        return load_remote(found(path, "large"), spoken(BOOSTINGS[boosting]))

    @cache
    def trained_for(delay: int | None) -> Boosted:
        device = load_device(found(folder / weights_name(boosting, delay), boosting))
        return Boosted(device, remote(large_of(folder, boosting, delay)))

    def boosted(delay_chunks: int) -> Boosted:
        own = folder / weights_name(boosting, delay_chunks)
        return trained_for(delay_chunks if own.is_file() else None)

    def alone(stage: Stage) -> GridNet:
        return load_device(found(folder / weights_name(stage), stage))

    device = Ensemble(*map(alone, ENSEMBLE)) if small == "ensemble" else alone(small)
    name = NAMES[boosting] + ("" if small == "small" else f" ({small})")
    own = any(folder.glob(f"{boosting}@*{SUFFIX}"))
    parts = boosted if own else trained_for(None)
    return Triple(name, known, device, remote(large_of(folder, boosting)), parts)


def untrained(task: str, boosting: str = "boosted", compression: int = 4, seed: int = 0) -> Triple:
    """The same networks with random weights: for their cost, which weights do not change."""
    known = _task(task, boosting)
    config = large_config(known, compression)
    large = seeded(seed, lambda: RemoteGridNet(config, spoken(BOOSTINGS[boosting])))
    small = seeded(seed, lambda: GridNet(small_config(known)))
    device = seeded(seed, lambda: GridNet(boosted_config(known, BOOSTINGS[boosting], config)))
    for model in (small, large, device):
        model.eval()
    return Triple(f"{NAMES[boosting]} (untrained)", known, small, large, Boosted(device, large))


def seeded(seed: int, make: Callable[[], Network]) -> Network:
    """A network with weights drawn from a seed; the global generator stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _task(task: str, boosting: str) -> Task:
    if boosting not in BOOSTINGS:
        raise InputError(f"boosting {boosting!r}: expected one of {', '.join(BOOSTINGS)}")
    for known in SOURCES:
        if known == task:
            return known
    raise InputError(f"task {task!r}: expected one of {', '.join(TASKS)}")
