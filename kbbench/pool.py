"""Work on all cores: one thread a process, results as they come, the dead replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import connection
from typing import Any, Generic, NoReturn, TypeVar

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
MOST_DEATHS = 4
"""A job that so many processes died at is not tried again (Dask's ``allowed-failures`` is 3, and
counts the deaths that are forgiven)."""
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_map(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: Workers
) -> Iterator[Result]:
    """Apply a function to jobs in processes; results in order of completion.

    The first error ends everything and is raised here. A process that dies (killed, out of
    memory) is replaced and its jobs are done again, so it costs time alone. One worker works in
    this process.

    Args:
        function: importable by name; what it does twice is as good as done once.
        jobs: each can be sent to another process.
        workers: how many processes here, or the address of a Dask scheduler.

    Raises:
        ValueError: less than one worker.
        InputError: no scheduler at the address, or a job that its process dies of each time.
    """
    if isinstance(workers, str):
        yield from _dask_map(function, jobs, workers)
    elif workers < 1:
        raise ValueError(f"{workers} workers, expected 1 or more")
    elif workers == 1:
        yield from map(function, jobs)
    else:
        yield from _local_map(function, jobs, workers)


@dataclass(frozen=True)
class _Task(Generic[Job]):
    """A job, and how many processes have died at it."""

    job: Job
    deaths: int = 0


class _Worker(Generic[Job, Result]):
    """One process and the tasks that it was given, oldest first.

    A pool of one process each, not one pool for all: where one dies, the others work on, and it is
    known at which task it died, since it takes them in order.
    """

    def __init__(self, function: Callable[[Job], Result]) -> None:
        self._function = function
        self._executor = _process()
        self.tasks: dict[Future[Result], _Task[Job]] = {}

    def give(self, task: _Task[Job]) -> None:
        try:
            future = self._executor.submit(self._function, task.job)
        except BrokenExecutor:  # it died with nothing to do
            self._executor = _process()
            future = self._executor.submit(self._function, task.job)
        self.tasks[future] = task

    def collect(self) -> tuple[list[Future[Result]], list[_Task[Job]]]:
        """Tasks that are done, and those that the death of the process has left undone."""
        dead = any(_died(future) for future in self.tasks)
        if dead:
            self.close()  # waits until every one of its tasks is settled
        done = [future for future in self.tasks if future.done() and not _died(future)]
        for future in done:
            del self.tasks[future]
        if not dead:
            return done, []
        first, *others = self.tasks.values()
        self.tasks, self._executor = {}, _process()
        return done, [replace(first, deaths=first.deaths + 1), *others]

    def close(self, wait: bool = True) -> None:
        """Begin nothing more, and wait for what has begun."""
        self._executor.shutdown(wait=wait, cancel_futures=True)


def _local_map(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Iterator[Result]:
    """As :func:`process_map`, in processes on this machine."""
    crew: list[_Worker[Job, Result]] = [_Worker(function) for _ in range(workers)]
    fresh = (_Task(job) for job in jobs)
    again: deque[_Task[Job]] = deque()
    try:
        while True:
            while (
                len((idlest := min(crew, key=lambda worker: len(worker.tasks))).tasks) < IN_FLIGHT
            ):
                task = again.popleft() if again else next(fresh, None)
                if task is None:
                    break
                idlest.give(task)
            running = [future for worker in crew for future in worker.tasks]
            if not running:
                return
            wait(running, return_when=FIRST_COMPLETED)
            for worker in crew:
                done, lost = worker.collect()
                again.extend(lost)
                for future in done:
                    yield future.result()
            for task in again:
                _forgive(task)
    finally:
        for worker in crew:
            worker.close(wait=False)
        for worker in crew:
            worker.close()


def _forgive(task: _Task[Any]) -> None:
    """Let a task be tried again, unless it is the one that kills.

    Raises:
        InputError: too many processes died at it.
    """
    if task.deaths >= MOST_DEATHS:
        raise InputError(_deadly(_name(task.job), task.deaths))


def _deadly(name: str, deaths: int) -> str:
    return (
        f"{name}: {deaths} processes died at it, one after the other; most likely memory ran "
        "out: take fewer --workers, or a machine with more memory"
    )


def _name(job: Any) -> str:
    """What a user knows a job by: the id of the mixture in it."""
    parts = job if isinstance(job, tuple) else (job,)
    names = [part.id for part in parts if isinstance(getattr(part, "id", None), str)]
    return f"mixture {names[0]}" if names else f"job {' '.join(repr(job).split())[:80]}"


def _died(future: Future[Any]) -> bool:
    return future.done() and isinstance(future.exception(), BrokenExecutor)


def _process() -> ProcessPoolExecutor:
    """A fresh process (spawned, since threads and fork do not mix), of one thread.

    It starts with the first task that it is given.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_start_worker)


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
        first = [client.submit(function, job, pure=False) for job in islice(waiting, ahead)]
        # Results are fetched as they come: one that waits on a worker would die with it.
        running = as_completed(first, with_results=True, raise_errors=False)
        for future, result in running:
            if future.status == "error":
                _raise_from_cluster(address, future.exception())
            yield result
            for job in islice(waiting, 1):
                running.add(client.submit(function, job, pure=False))


def _raise_from_cluster(address: str, error: BaseException) -> NoReturn:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        raise InputError(f"--dask {address}: {_deadly('a job', MOST_DEATHS)}") from error
    raise error


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
