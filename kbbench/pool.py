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

Job = TypeVar("Job")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""What long work tells of itself: (done, in all)."""
IN_FLIGHT = 4
"""Jobs handed out ahead for each process, so that none waits and memory stays small."""
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_map(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Iterator[Result]:
    """Apply a function to jobs in so many processes; results in order of completion.

    The first error ends everything and is raised here. One worker works in this process.

    Raises:
        ValueError: less than one worker.
    """
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
