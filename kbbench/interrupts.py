"""Ctrl-C where Python would lose it: in functions that a C library calls back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupted_afterwards() -> Iterator[None]:
    """Let a Ctrl-C that comes within be heard right after.

    Python hears it in whatever it runs next. Within a callback of a C library, such as that which
    reads a sound file out of memory, the exception is printed and gone.
    """
    if threading.current_thread() is not threading.main_thread():  # elsewhere none is heard
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
        if came:
            signal.raise_signal(came[0])
