"""The files that a triple is made from: found beside the user's file, and named by their hash.

What a user's file reads while it is loaded belongs to the identity of its runs: weights and
exported models through :func:`read_file`, and whatever else it opens in its own folder.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from kbbench.errors import ModelError

CODE = (".py", ".pyc", ".so", ".pyd")
"""Suffixes of what is imported; :mod:`kbbench.models.imports` hashes it."""
WRITING = "wax+"
"""Letters of a mode in which a file is no source."""


@dataclass
class Sources:
    """What was read so far.

    Args:
        folder: of the user's file; names of files are relative to it.
        sha256: of each file, by its name in the folder, or else by the one that the user gave it.
    """

    folder: Path
    sha256: dict[str, str] = field(default_factory=dict)


@dataclass
class _Open:
    """Sources that are being recorded, and the files of the folder that were opened meanwhile."""

    sources: Sources
    opened: set[Path] = field(default_factory=set)


_OPEN: ContextVar[_Open | None] = ContextVar("kbbench_sources", default=None)


@contextmanager
def recorded(sources: Sources) -> Iterator[None]:
    """Within, what a user's code reads is found beside its file, and added to the sources."""
    _listen()
    current = _Open(sources)
    token = _OPEN.set(current)
    try:
        yield
    finally:
        _OPEN.reset(token)
        for path in sorted(current.opened):
            if path.is_file():
                name = path.relative_to(sources.folder).as_posix()
                sources.sha256.setdefault(name, file_sha256(path))


def locate(path: str | Path) -> Path:
    """Where a file lies that a user's code names: beside the user's file, while it is loaded.

    Raises:
        ModelError: it is not there.
    """
    current = _OPEN.get()
    folder = current.sources.folder if current else Path.cwd()
    found = folder / Path(path).expanduser()
    if not found.is_file():
        raise ModelError(f"{path}: no such file, looked for in {folder}")
    return found


def read_file(path: str | Path) -> bytes:
    """A file's bytes; their hash is added to the sources, so that it names what was loaded.

    Raises:
        ModelError: it is not there, or cannot be read.
    """
    found = locate(path)
    try:
        data = found.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    current = _OPEN.get()
    if current is not None:
        name = _name(Path(path), found, current.sources.folder)
        current.sources.sha256[name] = hashlib.sha256(data).hexdigest()
    return data


def _name(given: Path, found: Path, folder: Path) -> str:
    """The same wherever the folder lies."""
    real = found.parent.resolve() / found.name
    return (real.relative_to(folder) if real.is_relative_to(folder) else given).as_posix()


def file_sha256(path: Path) -> str:
    """Hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _listen() -> None:
    """Be told of every file that is opened; a hook cannot be taken away, so there is one."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open":
        return
    current = _OPEN.get()
    name, mode, _ = arguments
    if current is None or not isinstance(name, (str, bytes)) or not isinstance(mode, str):
        return
    path = Path(os.path.realpath(os.fsdecode(name)))
    reading = not any(letter in mode for letter in WRITING)
    own = path.is_relative_to(current.sources.folder) and "site-packages" not in path.parts
    if reading and own and path.suffix not in CODE:
        current.opened.add(path)
