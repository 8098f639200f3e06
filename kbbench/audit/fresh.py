"""A process that has never run any of the triple's models, for what must not depend on that."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from kbbench.audit.subject import Broken, Subject, make_subject
from kbbench.errors import one_line
from kbbench.memory import keep_freed_memory
from kbbench.models.loading import load_triple

PATIENCE_S = 120.0
"""Seconds after which a process is given up."""


class NoAnswer(Exception):  # noqa: N818 - not always an error
    """The other process ended, or took too long; one line."""


@dataclass(frozen=True)
class Job:
    """What another process does.

    Args:
        path: the user's file.
        task: the triple's task.
        delays: chunks.
        threads: of torch, as many as here: more would move last bits.
        function: importable by name; gets the subject and the arguments.
        arguments: tensors and numbers.
    """

    path: Path
    task: str
    delays: tuple[int, ...]
    threads: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


def elsewhere(
    subject: Subject, delays: tuple[int, ...], function: Callable[..., Any], *arguments: Any
) -> Any:
    """What a function makes of the same triple, loaded anew in a fresh process.

    Raises:
        NoAnswer: the process died or was too slow.
        Broken: a model raised there.
    """
    loaded = subject.loaded
    job = Job(
        loaded.path.resolve(),
        loaded.triple.task,
        delays,
        torch.get_num_threads(),
        function,
        arguments,
    )
    context = _context()
    here, there = context.Pipe(duplex=False)
    # Plain bytes: torch would hand tensors over in shared memory, which ends with its process.
    process = context.Process(target=_work, args=(pickle.dumps(job), there), daemon=True)
    try:
        process.start()
    except OSError as error:  # It ended before it had read what to do.
        raise NoAnswer(f"the process did not start: {one_line(error)}") from None
    there.close()
    try:
        if not here.poll(PATIENCE_S):
            raise NoAnswer(f"no answer within {PATIENCE_S:.0f} s")
        answer = pickle.loads(here.recv_bytes())
    except EOFError:
        process.join(PATIENCE_S)
        raise NoAnswer(f"the process ended with status {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
        process.close()
        here.close()
    if isinstance(answer, Broken):
        raise answer
    return answer


def _context() -> Any:
    """One server that has torch loaded and has run nothing, and forks for each job; else spawn."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kbbench.audit.fresh"])
    return context


def _work(pickled: bytes, answer: Connection) -> None:
    job: Job = pickle.loads(pickled)
    torch.set_num_threads(job.threads)
    keep_freed_memory()
    try:
        subject = make_subject(load_triple(job.path, job.task), job.delays)
        result = job.function(subject, *job.arguments)
    except Broken as error:
        result = error
    except Exception as error:
        result = Broken("another process", f"raised {type(error).__name__}: {one_line(error)}")
    answer.send_bytes(pickle.dumps(result))
    answer.close()
