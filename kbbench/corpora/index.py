"""What is in the files of a folder: read once, from their headers, and kept in a cache.

The cache lies in the user's cache folder (or in ``KBBENCH_CACHE``), one table a folder; a file is
opened again when its size or time of change differs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import platformdirs
import soundfile

from kbbench.corpora.layout import SOFA_SUFFIXES, Found
from kbbench.errors import InputError, one_line
from kbbench.files import write_parquet
from kbbench.pool import cores

INDEX_VERSION = 1
"""Raised when the table or what is measured changes."""
THREADS_PER_CORE = 4
"""Headers wait for the disk, not for the core."""
BATCH = 64
"""Headers that a thread reads in one go."""


@dataclass(frozen=True)
class Facts:
    """Of a sound: samples, rate in Hz and channels; of a head: directions, rate and ears."""

    frames: int
    rate: int
    channels: int


def cache_folder() -> Path:
    """Where indices are kept: ``KBBENCH_CACHE``, or the user's cache folder of this platform."""
    chosen = os.environ.get("KBBENCH_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("kbbench")


def fingerprint(found: Found, facts: Facts) -> str:
    """SHA-256 of a file's name in its corpus, size, length, rate and channels.

    It proves that nothing is missing, renamed, cut short or coded anew. It does not prove the
    samples: a file changed in place to another of the same size passes. The hash of each
    mixture's PCM in a dataset's manifest finds that.
    """
    text = f"{found.name} {found.size} {facts.frames} {facts.rate} {facts.channels}"
    return hashlib.sha256(text.encode()).hexdigest()


def facts_of(root: Path, found: Sequence[Found]) -> list[Facts]:
    """What is in each file, from the cache where it has not changed.

    Raises:
        InputError: a file is no sound or no head, or is empty.
    """
    root = root.resolve()
    table = cache_folder() / f"index-{hashlib.sha256(str(root).encode()).hexdigest()[:24]}.parquet"
    known = _read(table)
    keys = [(str(item.path), item.size, item.mtime_ns) for item in found]
    fresh = [item for item, key in zip(found, keys, strict=True) if key not in known]
    if fresh:
        known |= _measure_all(fresh)
        _write(table, known)
    return [known[key] for key in keys]


Key = tuple[str, int, int]


def _measure_all(found: Sequence[Found]) -> dict[Key, Facts]:
    batches = [found[start : start + BATCH] for start in range(0, len(found), BATCH)]
    with ThreadPoolExecutor(cores() * THREADS_PER_CORE) as executor:
        try:
            measured = [facts for batch in executor.map(_measure_batch, batches) for facts in batch]
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return {
        (str(item.path), item.size, item.mtime_ns): facts
        for item, facts in zip(found, measured, strict=True)
    }


def _measure_batch(batch: Sequence[Found]) -> list[Facts]:
    return [measure(item.path) for item in batch]


def measure(path: Path) -> Facts:
    """Read a file's header.

    Raises:
        InputError: it is no sound or no head, or is empty.
    """
    if path.suffix.lower() in SOFA_SUFFIXES:
        return _measure_head(path)
    try:
        info = soundfile.info(path)
    except (OSError, soundfile.SoundFileError) as error:
        raise InputError(
            f"{path}: {one_line(error)}; expected a sound file; repair or remove it"
        ) from error
    if info.frames == 0:
        raise InputError(f"{path}: no samples, expected a recording; remove it")
    return Facts(int(info.frames), int(info.samplerate), int(info.channels))


def _measure_head(path: Path) -> Facts:
    import netCDF4  # slow to import, and only heads need it

    try:
        with netCDF4.Dataset(path) as file:
            shape = file.variables["Data.IR"].shape
            rate = float(file.variables["Data.SamplingRate"][:].flat[0])
    except (OSError, KeyError, IndexError) as error:
        raise InputError(
            f"{path}: {one_line(error)}; expected a SOFA file of HRIRs; repair or remove it"
        ) from error
    if len(shape) != 3 or shape[1] != 2:
        raise InputError(
            f"{path}: responses {shape}, expected two ears (directions, 2, taps); remove it"
        )
    return Facts(int(shape[0]), round(rate), 2)


def _read(table: Path) -> dict[Key, Facts]:
    """The cache; nothing where there is none, or where it cannot be read."""
    try:
        frame = pd.read_parquet(table)
        if frame.attrs.get("version") != INDEX_VERSION:
            return {}
        columns = [frame[name].tolist() for name in ("path", "size", "mtime_ns")]
        facts = [frame[name].tolist() for name in ("frames", "rate", "channels")]
    except Exception:  # a cache that is damaged in any way is made anew
        return {}
    return {
        key: Facts(*values)
        for key, values in zip(zip(*columns, strict=True), zip(*facts, strict=True), strict=True)
    }


def _write(table: Path, known: dict[Key, Facts]) -> None:
    """Keep the newest facts of each file; a cache that cannot be written is done without."""
    newest = {key[0]: (key, facts) for key, facts in known.items()}
    rows = [(*key, facts.frames, facts.rate, facts.channels) for key, facts in newest.values()]
    frame = pd.DataFrame(rows, columns=["path", "size", "mtime_ns", "frames", "rate", "channels"])
    frame.attrs["version"] = INDEX_VERSION
    try:
        table.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(table, frame)
    except OSError:
        return
