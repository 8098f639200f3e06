"""What several tests need: real recordings, tiny recipes, signals, example models."""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from kbbench.resources import recipes_folder
from kbbench.scenes.dataset import Dataset
from kbbench.scenes.make import make_dataset
from kbbench.scenes.recipe import Recipe, load_recipe

signals.signal(signals.SIGINT, signals.default_int_handler)  # a shell's background job ignores it
torch.set_num_threads(1)  # tests run small operations; more threads would wait for each other
hypothesis.settings.register_profile("kbbench", deadline=None)  # no test is timed
hypothesis.settings.load_profile("kbbench")

SHARED = Path(os.environ.get("KBBENCH_SHARED", Path(__file__).parents[2] / "shared")) / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real recordings beside the checkout, for tests alone."""
    if not SHARED.is_dir():
        pytest.skip(f"no real recordings at {SHARED}; set KBBENCH_SHARED to run this test")
    return SHARED


def tiny_recipe(task: str, **changes: object) -> Recipe:
    """A mini recipe with a handful of two-second mixtures."""
    recipe = load_recipe(f"mini-{task.replace('_', '-')}")
    counts = recipe.splits.model_copy(update={"train": 2, "validation": 1, "test": 3})
    return recipe.model_copy(update={"duration_s": 2.0, "splits": counts, **changes})


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dataset]:
    """A tiny dataset for a task, made once a session; do not write into it."""
    made: dict[str, Dataset] = {}

    def get(task: str) -> Dataset:
        if task not in made:
            folder = tmp_path_factory.mktemp(task) / "data"
            made[task] = make_dataset(tiny_recipe(task), folder, workers=1)
        return made[task]

    return get


@pytest.fixture
def signal() -> Callable[..., torch.Tensor]:
    """Seeded noise of some shape."""

    def make(*shape: int, seed: int = 0) -> torch.Tensor:
        rng = np.random.default_rng(seed)
        return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))

    return make


@pytest.fixture(scope="session")
def example() -> Callable[[str], Path]:
    """Path of an example model that comes with kbbench."""
    return lambda name: recipes_folder() / "models" / f"{name}.py"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A Dask cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: kbbench[dask]")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as local:
        yield local.scheduler_address
