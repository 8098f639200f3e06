"""Work in other processes: all results, the first error, and a cluster that loses a worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from kbbench.errors import InputError
from kbbench.pool import process_map
from kbbench.scenes.make import make_dataset
from tests.conftest import tiny_recipe
from tests.jobs import (
    Named,
    deadly,
    deadly_mixture,
    deaf,
    large,
    slow_pid,
    square,
    stubborn,
    unsendable,
)
from tests.scenes.test_dataset import contents


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


def test_killed_processes_cost_nothing_but_time() -> None:
    results, killed = [], set()
    for number, pid in process_map(slow_pid, range(24), 3):
        results.append(number)
        if len(results) % 4 == 1:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    assert sorted(results) == list(range(24))
    assert len(killed) >= 3


def test_processes_may_be_killed_at_any_moment() -> None:
    """Most of the time of these jobs is spent in sending them there and back."""
    jobs = [bytes(4_000_000)] * 60
    pids: set[int] = set()
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.25):
            for pid in list(pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            pids.clear()

    killer = threading.Thread(target=kill)
    killer.start()
    sizes = []
    for pid, answer in process_map(large, jobs, 2):
        pids.add(pid)
        sizes.append(len(answer))
    stop.set()
    killer.join()
    assert sizes == [8_000_000] * 60


def test_errors_that_cannot_be_sent_are_told() -> None:
    with pytest.raises(RuntimeError, match="StubbornError: 3 and 3"):
        list(process_map(stubborn, [3], 2))
    with pytest.raises(Exception, match="pickle"):
        list(process_map(unsendable, [3], 2))
    with pytest.raises(Exception, match="pickle"):
        list(process_map(square, [lambda: 3], 2))  # type: ignore[list-item]


def test_an_error_says_where_it_was_raised() -> None:
    with pytest.raises(InputError) as caught:
        list(process_map(square, [13], 2))
    assert "in square" in caught.value.__notes__[0]


def test_interrupts_are_for_the_parent_alone() -> None:
    assert all(process_map(deaf, range(6), 2))
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_no_process_is_left() -> None:
    for number in process_map(square, range(12), 2):
        if number > 4:
            break
    assert not multiprocessing.active_children()


def test_a_job_that_kills_again_and_again_is_one_line() -> None:
    with pytest.raises(
        InputError, match=r"job 5: 4 processes died .* \(exit codes -9, -9, -9, -9\)"
    ) as caught:
        list(process_map(deadly, range(12), 2))
    assert "\n" not in str(caught.value)


def test_a_job_that_kills_is_called_by_its_mixture() -> None:
    with pytest.raises(InputError, match=r"mixture test/00007: 4 processes died"):
        list(process_map(deadly_mixture, [("out", Named("test/00007"))], 2))


@pytest.mark.slow
def test_a_dataset_made_under_kills_is_the_same(tmp_path: Path) -> None:
    recipe = tiny_recipe("enhancement")
    make_dataset(recipe, tmp_path / "calm", workers=1)

    def kill_all(done: int, total: int) -> None:
        for child in multiprocessing.active_children() if done in (1, 4) else []:
            child.kill()

    make_dataset(recipe, tmp_path / "killed", workers=2, progress=kill_all)
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")


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
    with pytest.raises(InputError, match=r"--dask tcp://.*: a job: 4 processes died at it"):
        list(process_map(deadly, range(12), cluster))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: kbbench[dask]")
    monkeypatch.setattr("kbbench.pool.CONNECT_S", 1)
    with pytest.raises(InputError, match=r"--dask tcp://127.0.0.1:9: no scheduler there") as caught:
        list(process_map(square, [1], "tcp://127.0.0.1:9"))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_scheduler_that_goes_is_one_line() -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: kbbench[dask]")
    local = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    )
    closing = threading.Thread(target=local.close)
    with pytest.raises(InputError, match=r"--dask tcp://.*: the scheduler is gone") as caught:
        for number, _ in process_map(slow_pid, range(100), local.scheduler_address):
            if number == 3:
                closing.start()
    closing.join()
    assert "\n" not in str(caught.value)
