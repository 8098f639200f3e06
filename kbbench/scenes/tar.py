"""Tar shards: mixtures by the hundred in one file, for disks and networks that hate small files.

``SPLIT/000000.tar`` holds ``00000.json`` (what ``scene.json`` is in a folder of FLAC),
``00000.mixture.flac``, ``00000.source-0.flac`` and so on: a sample is the neighbours that share a
name up to its first dot.

Source: https://github.com/webdataset/webdataset (the format is that of its README).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Self

from kbbench.errors import InputError, one_line
from kbbench.files import leftovers, whole_file
from kbbench.scenes.store import Packed, Store, scene_row

SHARD_MIXTURES = 100
"""Mixtures a tar: about 50 MB of five-second ones, read in one go; yet 1,000 tars for a training
set of paper size, enough to share out, and a minute or two of one worker's time each."""


@dataclass(frozen=True)
class Member:
    """Where a file lies in a tar."""

    path: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """The file; cut short where the tar is."""
        with self.path.open("rb") as tar:
            tar.seek(self.offset)
            return tar.read(self.size)


@dataclass(frozen=True)
class TarShards(Store):
    """``SPLIT/000000.tar`` and so on.

    Args:
        folder: of the dataset.
        rests: half-written tars of a killed run; what they hold counts as being there.
    """

    rests: tuple[Path, ...] = ()

    def unit(self, mixture: str) -> Path:
        """The tar that holds it."""
        split, _, index = mixture.partition("/")
        return self.folder / split / f"{int(index) // SHARD_MIXTURES:06d}.tar"

    def label(self, mixture: str, stem: str) -> str:
        """``00017.noise.flac in test/000000.tar``."""
        return self._label(mixture, _stem_name(mixture, stem))

    def scene_label(self, mixture: str) -> str:
        """``00017.json in test/000000.tar``."""
        return self._label(mixture, _scene_name(mixture))

    def has(self, mixture: str, stem: str) -> bool:
        """There is such a member."""
        return self._find(mixture, _stem_name(mixture, stem)) is not None

    def flac(self, mixture: str, stem: str) -> bytes:
        """A member's bytes."""
        member = self._find(mixture, _stem_name(mixture, stem))
        if member is None:
            raise InputError(f"mixture {mixture}: {self.label(mixture, stem)} is missing")
        try:
            return member.read()
        except OSError as error:
            raise InputError(f"{member.path}: {one_line(error)}") from error

    def scene(self, mixture: str) -> dict[str, Any] | None:
        """What the mixture's JSON says."""
        member = self._find(mixture, _scene_name(mixture))
        try:
            return scene_row(member.read()) if member else None
        except OSError:
            return None

    def with_leftovers(self, mixture: str) -> Self:
        """The same store, which also finds what is in half-written tars."""
        path = self.unit(mixture)
        return replace(self, rests=tuple(leftovers(path.parent, path.name)))

    def settled(self, mixtures: list[str]) -> bool:
        """The tar is whole, and these mixtures are all that it holds."""
        path = self.unit(mixtures[0])
        found = list(_members(path).items())
        keys = dict.fromkeys(name.partition(".")[0] for name, _ in found)
        if list(keys) != [_key(mixture) for mixture in mixtures]:
            return False
        last = found[-1][1]
        return path.stat().st_size == _tar_bytes(last.offset + last.size)

    def write(self, mixtures: Iterable[tuple[str, Packed | None]]) -> None:
        """The whole tar is written anew; what stays is copied out of the old one."""
        waiting = iter(mixtures)
        first = next(waiting)
        path = self.unit(first[0])
        path.parent.mkdir(parents=True, exist_ok=True)

        def every() -> Iterator[tuple[str, Packed]]:
            for mixture, packed in (first, *waiting):
                yield mixture, self.load(mixture) if packed is None else packed

        with whole_file(path) as partial, partial.open("wb") as file:
            write_tar(file, every())
        for rest in self.rests:
            rest.unlink(missing_ok=True)

    def _label(self, mixture: str, name: str) -> str:
        return f"{name} in {self.unit(mixture).relative_to(self.folder)}"

    def _find(self, mixture: str, name: str) -> Member | None:
        paths = (self.unit(mixture), *self.rests)
        return next((found for path in paths if (found := _members(path).get(name))), None)


def write_tar(file: IO[bytes], mixtures: Iterable[tuple[str, Packed]]) -> None:
    """Write mixtures, by id, one after the other; the same mixtures give the same bytes."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for mixture, packed in mixtures:
            _add(tar, _scene_name(mixture), packed.scene.encode())
            for stem, data in sorted(packed.stems.items()):
                _add(tar, _stem_name(mixture, stem), data)
            file.flush()  # for what a kill leaves


def stored_bytes(sizes: Iterable[int]) -> int:
    """What files of such sizes take in a tar, its end aside."""
    return sum(tarfile.BLOCKSIZE + _blocks(size) for size in sizes)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """An entry without date or owner, as `TarInfo` is made: two tars are alike to the byte."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def _key(mixture: str) -> str:
    return mixture.partition("/")[2]


def _scene_name(mixture: str) -> str:
    return f"{_key(mixture)}.json"


def _stem_name(mixture: str, stem: str) -> str:
    return f"{_key(mixture)}.{stem}.flac"


def _members(path: Path) -> dict[str, Member]:
    """Where each file of a tar begins; empty where there is no tar."""
    try:
        status = path.stat()
    except OSError:
        return {}
    return _index(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _index(path: Path, size: int, mtime_ns: int) -> dict[str, Member]:
    """All members that can be found: behind a damaged one, and up to where the tar is cut off."""
    found: dict[str, Member] = {}
    try:
        with tarfile.open(path, "r:", ignore_zeros=True) as tar:
            for entry in tar:
                if entry.isreg():
                    found[entry.name] = Member(path, entry.offset_data, entry.size)
    except (tarfile.TarError, OSError, ValueError):
        return found
    return found


def _blocks(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _tar_bytes(end: int) -> int:
    """Length of a tar whose last file ends there: two empty blocks, then whole records."""
    return -(-(_blocks(end) + 2 * tarfile.BLOCKSIZE) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
