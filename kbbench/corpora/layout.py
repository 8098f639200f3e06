"""What is known of a corpus before it is opened: its layout, licence, and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kbbench.errors import InputError

Part = Literal["speech", "babble", "noise", "heads"]
"""What a recipe takes from a corpus; babble is speech that is heard in noise alone."""

SOUND_SUFFIXES = frozenset({".flac", ".wav", ".ogg", ".opus"})
SOFA_SUFFIXES = frozenset({".sofa"})


@dataclass(frozen=True)
class Found:
    """A file of a corpus, seen but not opened.

    Args:
        path: where it lies.
        name: unique in its corpus, the same wherever the corpus lies.
        group: the talker, recording or head; a group is never in two splits.
        subset: the corpus' own part that it lies in; empty where there is none.
        size: in bytes.
        mtime_ns: time of the last change.
    """

    path: Path
    name: str
    group: str
    subset: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Archive:
    """A file to download and unpack.

    Args:
        name: of the file.
        subset: the part of the corpus that is in it; empty: all of it.
        size_bytes: as its publisher tells, or about so many where ``checksum`` is None.
        checksum: ``sha256:...`` or ``md5:...`` as published; None: no one publishes one.
        urls: mirrors, the first is tried first.
    """

    name: str
    subset: str
    size_bytes: int
    checksum: str | None
    urls: tuple[str, ...]


Finder = Callable[[Path, Part, frozenset[str]], list[Found]]
"""(folder, part, subsets or groups that are wanted, all where empty) to the files there."""


@dataclass(frozen=True)
class Layout:
    """A corpus that kbbench knows.

    Args:
        name: as recipes call it.
        title: one line on what it is.
        parts: what a recipe can take from it.
        licence: short, as a dataset made from it states it.
        commercial: whether the licence allows commercial use; None: the folder's owner knows.
        size_bytes: to download, all of it; 0: nothing to download.
        home: the page that tells all about it.
        attribution: whom a dataset made from it must name.
        find: the files of a folder; None: it comes with kbbench.
        tree: how its folder looks, for messages.
        official: the split that each subset belongs to, where a recipe says nothing.
        archives: to download; empty: by hand, from its page.
    """

    name: str
    title: str
    parts: frozenset[Part]
    licence: str
    commercial: bool | None
    size_bytes: int
    home: str
    attribution: str
    find: Finder | None
    tree: str = ""
    official: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    archives: tuple[Archive, ...] = ()


@dataclass(frozen=True)
class File:
    """A file below a folder; ``parts`` is its path from there."""

    path: Path
    parts: tuple[str, ...]
    size: int
    mtime_ns: int

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return self.parts[-1].rpartition(".")[0]

    def found(self, name: str, group: str, subset: str = "") -> Found:
        """As a corpus' file of that name and group."""
        return Found(self.path, name, group, subset, self.size, self.mtime_ns)


def files(folder: Path, suffixes: frozenset[str], parts: tuple[str, ...] = ()) -> Iterator[File]:
    """All files of a folder and the folders in it, in a fixed order; hidden ones are left out.

    Raises:
        InputError: the folder cannot be read, or a link leads nowhere.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; expected a folder of sound") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        here = (*parts, entry.name)
        if entry.is_dir():
            yield from files(Path(entry.path), suffixes, here)
        elif "." + entry.name.rpartition(".")[2].lower() in suffixes:
            yield _file(entry, here)


def _file(entry: os.DirEntry[str], parts: tuple[str, ...]) -> File:
    try:
        stat = entry.stat()
    except OSError as error:
        raise InputError(
            f"{entry.path}: {error.strerror}; expected a file; repair the link or remove it"
        ) from error
    return File(Path(entry.path), parts, stat.st_size, stat.st_mtime_ns)


def inside(root: Path, name: str) -> Path:
    """The folder ``name`` in ``root``, or ``root`` itself where there is none.

    An archive makes a folder of its own; both it and the one around it may be given.
    """
    return root / name if (root / name).is_dir() else root
