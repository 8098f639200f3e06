"""Work in other processes: all results, the first error, and a cluster that loses a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kbbench.errors import InputError
from kbbench.pool import process_map
from kbbench.scenes.make import make_dataset
from tests.conftest import tiny_recipe
from tests.scenes.test_dataset import contents


def square(number: int) -> int:
    if number == 13:
        raise InputError("13: unlucky")
    return number * number


def slow_pid(number: int) -> tuple[int, int]:
    time.sleep(0.2)
    return number, os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_all_results_come_once(workers: int) -> None:
    assert sorted(process_map(square, range(12), workers)) == [n * n for n in range(12)]
    assert list(process_map(square, [], workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_error_ends_the_work(workers: int) -> None:
    with pytest.raises(InputError, match="13: unlucky"):
        list(process_map(square, range(100), workers))


def test_fewer_than_one_worker_are_refused() -> None:
    with pytest.raises(ValueError, match="0 workers, expected 1 or more"):
        list(process_map(square, [1], 0))


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A Dask cluster of two processes on this machine."""
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: kbbench[dask]")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as local:
        yield local.scheduler_address


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_cluster_makes_the_same_bytes(cluster: str, tmp_path: Path) -> None:
    recipe = tiny_recipe("enhancement")
    make_dataset(recipe, tmp_path / "here", workers=1)
    make_dataset(recipe, tmp_path / "there", workers=cluster)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_cluster_s_errors_and_losses(cluster: str) -> None:
    with pytest.raises(InputError, match="13: unlucky"):
        list(process_map(square, range(100), cluster))
    results: dict[int, int] = {}
    for number, pid in process_map(slow_pid, range(20), cluster):
        if not results:
            os.kill(pid, signal.SIGKILL)
        results[number] = pid
    assert sorted(results) == list(range(20))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: kbbench[dask]")
    monkeypatch.setattr("kbbench.pool.CONNECT_S", 1)
    with pytest.raises(InputError, match=r"--dask tcp://127.0.0.1:9: no scheduler there") as caught:
        list(process_map(square, [1], "tcp://127.0.0.1:9"))
    assert "\n" not in str(caught.value)
