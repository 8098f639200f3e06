"""Jobs for the tests of the pool: apart, so that a new process imports nothing heavy for them."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from kbbench.errors import InputError


def square(number: int) -> int:
    if number == 13:
        raise InputError("13: unlucky")
    return number * number


def slow_pid(number: int) -> tuple[int, int]:
    time.sleep(0.2)
    return number, os.getpid()


def deadly(number: int) -> int:
    """Job 5 kills the process that does it, each time."""
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@dataclass(frozen=True)
class Named:
    id: str


def deadly_mixture(job: tuple[str, Named]) -> int:
    return deadly(5)


def deaf(number: int) -> bool:
    """Interrupts are blocked in this process."""
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def large(job: bytes) -> tuple[int, bytes]:
    return os.getpid(), job + job


class StubbornError(Exception):
    """One that cannot be made again from what it was pickled to."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def stubborn(number: int) -> int:
    raise StubbornError(number, number)


def unsendable(number: int) -> object:
    return lambda: number
