"""Work on all cores: one thread a process, results as they come, the dead replaced."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import LifoQueue
from typing import Any, NoReturn, TypeVar, cast

from kbbench.errors import InputError, one_line
from kbbench.memory import keep_freed_memory

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


class _DiedError(Exception):
    """A process died; its exit code, or minus the signal that killed it."""


class _Process:
    """A fresh process of one thread that does one job at a time; it starts with its first job.

    Spawned, since threads and fork do not mix. It has a pipe of its own, of which the other end
    closes when it dies: at whatever moment that is, it is noticed, and nobody else is touched.
    (Processes that share a queue can leave it locked, or a message half written.)
    """

    def __init__(self) -> None:
        self._running: tuple[BaseProcess, Connection] | None = None

    def do(self, function: Callable[[Job], Result], job: Job) -> Result:
        """The function's result, or what it raises.

        Raises:
            _DiedError: the process died at it; the next job has a new one.
        """
        request = pickle.dumps((function, job), pickle.HIGHEST_PROTOCOL)
        process, pipe = self._running = self._running or self._start()
        try:
            pipe.send_bytes(request)
            answer = pipe.recv_bytes()
        except (EOFError, OSError) as error:
            self.close()
            raise _DiedError(process.exitcode) from error
        result, raised = pickle.loads(answer)
        if raised is not None:
            raise raised
        return cast("Result", result)

    def _start(self) -> tuple[BaseProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _no_interrupts():
            process.start()
        theirs.close()
        return process, ours

    def close(self) -> None:
        """End the process, which has nothing to do."""
        if self._running is not None:
            process, pipe = self._running
            pipe.close()
            process.join()
            self._running = None


def _local_map(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Iterator[Result]:
    """As :func:`process_map`, in processes on this machine, each tended by a thread."""
    processes = [_Process() for _ in range(workers)]
    idle: LifoQueue[_Process] = LifoQueue()
    for process in processes:
        idle.put(process)

    def tend(job: Job) -> Result:
        process = idle.get()
        try:
            return _persist(process, function, job)
        finally:
            idle.put(process)

    threads = ThreadPoolExecutor(workers)
    waiting = iter(jobs)
    try:
        running = {threads.submit(tend, job) for job in islice(waiting, workers * IN_FLIGHT)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
            running |= {threads.submit(tend, job) for job in islice(waiting, len(done))}
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
        for process in processes:
            process.close()


def _persist(process: _Process, function: Callable[[Job], Result], job: Job) -> Result:
    """Do a job, anew where the process dies at it.

    Raises:
        InputError: it died each time.
    """
    ends = []
    for _ in range(MOST_DEATHS):
        try:
            return process.do(function, job)
        except _DiedError as died:
            ends.append(str(died))
    raise InputError(f"{_deadly(_name(job))} (exit codes {', '.join(ends)})")


def _deadly(name: str) -> str:
    return (
        f"{name}: {MOST_DEATHS} processes died at it, one after the other; most likely memory ran "
        "out: take fewer --workers, or a machine with more memory"
    )


def _name(job: Any) -> str:
    """What a user knows a job by: the id of the mixture in it."""
    parts = job if isinstance(job, tuple) else (job,)
    names = [part.id for part in parts if isinstance(getattr(part, "id", None), str)]
    return f"mixture {names[0]}" if names else f"job {' '.join(repr(job).split())[:80]}"


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
            if future.status != "finished":
                raise InputError(
                    f"--dask {address}: the scheduler is gone, or somebody cancelled the work; "
                    "start one, and the same command carries on"
                )
            yield result
            for job in islice(waiting, 1):
                running.add(client.submit(function, job, pure=False))


def _raise_from_cluster(address: str, error: BaseException) -> NoReturn:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        raise InputError(f"--dask {address}: {_deadly('a job')}") from error
    raise error


def _serve(pipe: Connection) -> None:
    """A process' life: requests to answers, until the other end closes."""
    start_worker()
    with suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send_bytes(_answer(pipe.recv_bytes()))


def _answer(request: bytes) -> bytes:
    """(result, None), or (None, what was raised, with its traceback as a note)."""
    try:
        function, job = pickle.loads(request)
        return pickle.dumps((function(job), None), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        try:
            answer = pickle.dumps((None, error))
            pickle.loads(answer)
        except Exception:  # some exceptions cannot be sent
            plain = RuntimeError(f"{type(error).__name__}: {one_line(error)}")
            return pickle.dumps((None, plain))
        return answer


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes started now are deaf to Ctrl-C from their first moment; it is their parent's."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it comes with the first process, and would unblock
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_worker() -> None:
    """One thread, set before NumPy is loaded: more would compete, and could move the last bit.

    Memory of one job serves the next. Interrupts are the parent's to handle, and a worker ends
    when its parent is gone.
    """
    for name in THREAD_SETTINGS:
        os.environ[name] = "1"
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
