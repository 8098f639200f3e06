"""Files that are there whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from kbbench.errors import InputError


def holds_anything(folder: Path) -> bool:
    """A folder holds more than what a kill left of our own half-written files."""
    return folder.is_dir() and not all(_is_partial(path) for path in folder.iterdir())


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write a file under; it is renamed at the end: a kill leaves the old or the new.

    Nothing is left where writing raises. Another process may have written the same file, and
    cleared away what it took for the rest of a kill; then its file stands.
    """
    # A name of this call alone: shards and machines may share a folder.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        try:
            partial.replace(path)
        except FileNotFoundError:
            if not path.is_file():
                raise
    finally:
        partial.unlink(missing_ok=True)


def leftovers(folder: Path, name: str = "*") -> list[Path]:
    """What kills left of a half-written file, or of all files of a folder, in a fixed order."""
    return sorted(folder.glob(f".{name}.*.partial"))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_asked(path: Path, text: str) -> None:
    """Write a file that a user asked for, and the folders above it.

    Raises:
        InputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def write_bytes(path: Path, data: bytes) -> None:
    """As :func:`write_text`, for bytes."""
    with whole_file(path) as partial:
        partial.write_bytes(data)


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """As :func:`write_text`, for a table without its index."""
    with whole_file(path) as partial:
        frame.to_parquet(partial, index=False)


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".partial")
