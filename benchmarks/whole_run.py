"""A whole run beside its two floors, models alone and metrics alone, on the same processes.

    python benchmarks/whole_run.py [MODEL ...] [--mixtures 12] [--workers 2] [--device cuda]

MODEL is a file as `kbbench evaluate` takes it; `baselines` stands for the networks of
``kbbench.baselines`` with random weights, `elsewhere` for a model that a processor of its own
computes: this one only waits, for nearly as long as the metrics take, and runs as on a GPU.
Everybody works on the test mixtures of 5 s of a small `mini-enhancement`, or of `--data`, seven
delays and controls. Times leave out audit and cost; processes have begun and loaded what they need
before the clock does. Models on a CPU take as many processes as metrics do; elsewhere, this one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import torch

from kbbench.evaluation import Run, evaluate, execute, prepare
from kbbench.evaluation.batches import Outputs, cut
from kbbench.evaluation.elsewhere import BatchJob, Order, opened
from kbbench.pool import cores, process_map
from kbbench.resources import recipes_folder
from kbbench.results import ScoringJob, score_mixture
from kbbench.runner import Runner, find_device
from kbbench.scenes.make import make_dataset
from kbbench.scenes.recipe import load_recipe
from kbbench.units import OFFICIAL_DELAYS

BATCH = 2
BASELINES = """
from kbbench.baselines.triples import untrained


def triple():
    return untrained("enhancement")
"""
ELSEWHERE = """
import time

import torch
from torch import nn

from kbbench.models import Boosted, Triple
from kbbench.units import chunk_count


class Waits(nn.Module):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def forward(self, mixture, *, enrollment=None, hints=None, seen_mask=None, age=None):
        time.sleep(self.seconds * len(mixture))
        return mixture[:, None]


class Tells(Waits):
    def forward(self, mixture, *, enrollment=None):
        hints = torch.zeros(len(mixture), chunk_count(mixture.shape[-1]), 4)
        return super().forward(mixture), hints


def triple():
    small, large = Waits(0.03), Tells(0.2)
    return Triple("elsewhere", "enhancement", small, large, Boosted(Waits(0.03), large))
"""
DEVICES = (execute.OVERLAPPED, (*execute.OVERLAPPED, "cpu"))
"""That have a processor of their own, in truth and for ELSEWHERE."""
WRITTEN = {"baselines": BASELINES, "elsewhere": ELSEWHERE}


def only_models(job: BatchJob) -> int:
    """Run a batch and throw it away."""
    torch.set_num_threads(1)
    run, runner = opened(job.order)
    Outputs.of(run, runner, job.indices)
    return len(job.indices)


def only_metrics(job: ScoringJob) -> int:
    """Score a mixture and throw it away."""
    torch.set_num_threads(1)
    return len(score_mixture(job))


def timed(function: Callable[[Any], int], jobs: Iterable[Any], workers: int) -> float:
    """Seconds of all jobs but the first of each process, scaled up to all."""
    jobs = list(jobs)
    results = process_map(function, jobs, workers)
    for _ in range(workers):
        next(results)
    started = time.perf_counter()
    rest = sum(1 for _ in results)
    return (time.perf_counter() - started) * len(jobs) / rest


def measure(run: Run, workers: int) -> tuple[float, float, float]:
    """Seconds of models alone, of metrics alone, and of the whole run."""
    indices = list(range(len(run.mixtures)))
    batches = list(cut(indices, BATCH, len(indices)))
    order = Order.of(run)
    nothing: frozenset[int] = frozenset()
    orders = [
        BatchJob(run.mixtures[b[0]].id, order, tuple(b), frozenset(b), nothing) for b in batches
    ]
    shared = run.device not in execute.OVERLAPPED
    if shared:
        models_s = timed(only_models, orders, workers)
    torch.set_num_threads(1)
    runner = Runner(run.loaded, find_device(run.device))
    Outputs.of(run, runner, batches[0])
    started = time.perf_counter()
    outputs = [Outputs.of(run, runner, batch) for batch in batches]
    if not shared:
        models_s = time.perf_counter() - started
    jobs = [made.job(index) for made in outputs for index in made.indices]
    metrics_s = timed(only_metrics, jobs, workers)
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        evaluate(
            run,
            Path(folder) / "run",
            workers,
            BATCH,
            lambda done, total: ends.append(time.perf_counter()) if done else None,
        )
    first = workers * BATCH  # in flight while processes start
    whole_s = (ends[-1] - ends[first - 1]) * len(indices) / (len(indices) - first)
    return models_s, metrics_s, whole_s


def mixtures(folder: Path, count: int, workers: int) -> Path:
    """A dataset of so many test mixtures."""
    recipe = load_recipe("mini-enhancement")
    counts = {"train": 1, "validation": 1, "test": count}
    recipe = recipe.model_copy(update={"splits": recipe.splits.model_copy(update=counts)})
    return make_dataset(recipe, folder, workers).folder


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["wiener", "baselines"])
    parser.add_argument("--mixtures", type=int, default=12)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, help="a dataset folder with mixtures of 5 s")
    given = parser.parse_args()
    print("| triple | models alone s | metrics alone s | whole run s | over the slower floor |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        data = given.data or mixtures(Path(folder) / "data", given.mixtures, given.workers)
        for name in given.models:
            model = recipes_folder() / "models" / f"{name}.py"
            if name in WRITTEN:
                model = Path(folder) / f"{name}.py"
                model.write_text(WRITTEN[name], encoding="utf-8")
            execute.OVERLAPPED = DEVICES[name == "elsewhere"]
            model = model if model.is_file() else Path(name)
            run = prepare(model, data, "test", OFFICIAL_DELAYS, audited=False, device=given.device)
            models_s, metrics_s, whole_s = measure(run, given.workers)
            ratio = whole_s / max(models_s, metrics_s)
            print(
                f"| {name} | {models_s:.1f} | {metrics_s:.1f} | {whole_s:.1f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
