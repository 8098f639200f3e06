"""How a command shows how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with an estimate on a terminal; a line now and then elsewhere."""
    from kbbench.report.terminal import ProgressLine

    with ProgressLine(what) as line:
        yield line.update
