"""Work on all cores: one thread a process, results as they come."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import connection
from typing import TypeVar

from kbbench.errors import InputError, one_line

Job = TypeVar("Job")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""What long work tells of itself: (done, in all)."""
Workers = int | str
"""Processes on this machine, or the address of a Dask scheduler."""
CONNECT_S = 10
"""Seconds that a scheduler has to answer."""
IN_FLIGHT = 4
"""Jobs handed out ahead for each process, so that none waits and memory stays small."""
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_map(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: Workers
) -> Iterator[Result]:
    """Apply a function to jobs in processes; results in order of completion.

    The first error ends everything and is raised here. One worker works in this process.

    Args:
        function: importable by name.
        jobs: each can be sent to another process.
        workers: how many processes here, or the address of a Dask scheduler.

    Raises:
        ValueError: less than one worker.
        InputError: no scheduler at the address.
    """
    if isinstance(workers, str):
        yield from _dask_map(function, jobs, workers)
        return
    if workers < 1:
        raise ValueError(f"{workers} workers, expected 1 or more")
    if workers == 1:
        yield from map(function, jobs)
        return
    with pool(workers) as executor:
        yield from completed(executor, function, jobs, workers * IN_FLIGHT)


def pool(workers: int) -> ProcessPoolExecutor:
    """Fresh processes (spawned, since threads and fork do not mix), one thread each."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def completed(
    executor: ProcessPoolExecutor,
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    in_flight: int,
) -> Iterator[Result]:
    """Results in order of completion, so many jobs handed out at a time."""
    waiting = iter(jobs)
    running: set[Future[Result]] = {
        executor.submit(function, job) for job in islice(waiting, in_flight)
    }
    try:
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {executor.submit(function, job) for job in islice(waiting, len(done))}
            for future in done:
                yield future.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _dask_map(
    function: Callable[[Job], Result], jobs: Iterable[Job], address: str
) -> Iterator[Result]:
    """As :func:`process_map`, on a cluster; Dask gives the jobs of a lost worker to another."""
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise InputError(
            "--dask: needs the package distributed; pip install kbbench[dask]"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--dask {address}: no scheduler there ({one_line(error)}); start one with "
            "`dask scheduler`, and give the address that it prints"
        ) from error
    with client:
        waiting = iter(jobs)
        ahead = IN_FLIGHT * max(1, sum(client.nthreads().values()))
        running = as_completed(
            client.submit(function, job, pure=False) for job in islice(waiting, ahead)
        )
        for future in running:
            yield future.result()
            for job in islice(waiting, 1):
                running.add(client.submit(function, job, pure=False))


def _start_worker() -> None:
    """One thread, set before NumPy is loaded: more would compete, and could move the last bit.

    Interrupts are the parent's to handle, and a worker ends when its parent is gone.
    """
    for name in THREAD_SETTINGS:
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
