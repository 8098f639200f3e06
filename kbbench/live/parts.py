"""A mixture's way over the link, kept in a file of its own until the run is scored."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from kbbench.channel.recording import RecordedMixture
from kbbench.errors import InputError, one_line
from kbbench.files import write_bytes

FOLDER = "live"
Arrays = dict[str, NDArray[Any]]


class Kept(BaseModel):
    """What is kept beside the arrays.

    Args:
        recorded: as it stands in a trace.
        counts: by the names of :class:`kbbench.live.figures.Counts`.
        one_clock: the remote is on the same machine.
        offset_ns: of its clock.
        bound_ns: that is off by so much at most.
        batch: sessions that the remote stepped at once.
        torch: version at the remote.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recorded: RecordedMixture
    counts: dict[str, int]
    one_clock: bool
    offset_ns: int
    bound_ns: int
    batch: int
    torch: str


def part_path(out: Path, index: int) -> Path:
    """Where a mixture's part lies in a run's folder."""
    return out / FOLDER / f"{index:05d}.npz"


def write_part(out: Path, index: int, arrays: Arrays, kept: Kept) -> None:
    """Keep a mixture, whole or not at all."""
    buffer = io.BytesIO()
    record = np.frombuffer(kept.model_dump_json().encode(), dtype=np.uint8)
    np.savez(buffer, allow_pickle=False, record=record, **arrays)
    path = part_path(out, index)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def read_part(out: Path, index: int, names: Sequence[str] | None = None) -> tuple[Arrays, Kept]:
    """Arrays of these names, or all, and what is kept beside them.

    Raises:
        InputError: the part is missing or damaged.
    """
    path = part_path(out, index)
    try:
        with np.load(path, allow_pickle=False) as stored:
            kept = Kept.model_validate_json(stored["record"].tobytes())
            wanted = [name for name in stored.files if name != "record"]
            return {name: stored[name] for name in names or wanted}, kept
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: missing or damaged ({one_line(error)[:120]}); remove it, and the same "
            "command streams it again"
        ) from error


def live_estimates(out: Path, index: int) -> NDArray[np.float32]:
    """Estimates (S, C, T) that a mixture had over the link.

    Raises:
        InputError: they are not there.
    """
    estimates: NDArray[np.float32] = read_part(out, index, ["estimates"])[0]["estimates"]
    return estimates


def remove_parts(out: Path) -> None:
    """The run is scored: what was kept for that goes."""
    folder = out / FOLDER
    if folder.is_dir():
        for path in folder.glob("*.npz"):
            path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
