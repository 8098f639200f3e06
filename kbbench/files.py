"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd


def holds_anything(folder: Path) -> bool:
    """A folder holds more than what a kill left of our own half-written files."""
    return folder.is_dir() and not all(
        path.name.startswith(".") and path.name.endswith(".partial") for path in folder.iterdir()
    )


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text under another name, then rename: a kill leaves the old file or the new."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """As :func:`write_text`, for bytes."""
    partial = _partial(path)
    partial.write_bytes(data)
    partial.replace(path)


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """As :func:`write_text`, for a table without its index."""
    partial = _partial(path)
    frame.to_parquet(partial, index=False)
    partial.replace(path)


def _partial(path: Path) -> Path:
    """A name of this process alone: shards may share a folder."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")
