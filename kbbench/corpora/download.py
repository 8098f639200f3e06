"""Downloading a corpus: only what a recipe needs, each archive whole and with its checksum."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kbbench.corpora.fetch import Progress, fetch
from kbbench.corpora.known import layout_of
from kbbench.corpora.layout import Archive, Layout
from kbbench.corpora.load import check_names, missing
from kbbench.corpora.source import Corpora
from kbbench.corpora.unpack import unpack
from kbbench.errors import InputError
from kbbench.files import write_text

ROOM = 2.3
"""Free space for each byte of an archive: itself, and what is in it."""
MEGABYTE = 1_000_000


def archives_of(layout: Layout, subsets: Iterable[str] = ()) -> tuple[Archive, ...]:
    """The archives that hold the subsets; all of them where none is named.

    Raises:
        InputError: there is nothing to download, or no such subset.
    """
    if not layout.archives:
        where = f"get it from {layout.home}" if layout.home else "it is a folder of your own"
        if layout.find is None:
            where = "it comes with kbbench"
        raise InputError(f"corpus {layout.name}: nothing to download; {where}")
    known = {archive.subset for archive in layout.archives}
    wanted = set(subsets)
    if unknown := sorted(wanted - known):
        there = ", ".join(sorted(known - {""})) or "none: it is one archive"
        raise InputError(f"corpus {layout.name}: no subset {', '.join(unknown)}, expected {there}")
    return tuple(item for item in layout.archives if not wanted or item.subset in wanted)


@dataclass(frozen=True)
class Order:
    """Archives of one corpus, and the folder that their content is for."""

    layout: Layout
    archives: tuple[Archive, ...]
    folder: Path

    @property
    def text(self) -> str:
        """What is about to be downloaded: size, licence, and what proves it."""
        layout = self.layout
        size = gigabytes(sum(archive.size_bytes for archive in self.archives))
        text = f"{layout.name}: {size} to download, licence {layout.licence}"
        if layout.commercial is False:
            text += ", no commercial use"
        if any(archive.checksum is None for archive in self.archives):
            text += "; no checksum is published, only the archive's own CRC-32 is checked"
        return f"{text} ({layout.home})"


def order(name: str, folder: Path, subsets: Iterable[str] = ()) -> Order:
    """A corpus by its name, or some subsets of it.

    Raises:
        InputError: no such corpus or subset, or nothing to download.
    """
    layout = layout_of(name)
    return Order(layout, archives_of(layout, subsets), folder)


def orders(corpora: Corpora, names: Collection[str], store: Path) -> dict[str, Order]:
    """What a recipe needs and no folder is given for, each corpus in a folder of ``store``.

    Raises:
        InputError: a name is not the recipe's, or a missing corpus cannot be downloaded.
    """
    sources = [source for source in missing(corpora, names) if source.layout.archives]
    check_names(corpora, {*names, *(source.key for source in sources)})
    wanted: dict[str, list[frozenset[str]]] = {}
    for source in sources:
        archived = {archive.subset for archive in source.layout.archives} & source.wanted
        wanted.setdefault(source.key, []).append(frozenset(archived))
    return {
        source.key: order(
            source.corpus,
            store / source.key,
            frozenset().union(*wanted[source.key]) if all(wanted[source.key]) else (),
        )
        for source in sources
    }


def gigabytes(size_bytes: int) -> str:
    """Bytes as people say them.

    >>> gigabytes(337_926_286), gigabytes(23_049_477_885)
    ('0.34 GB', '23 GB')
    """
    size = size_bytes / 1e9
    return f"{size:.2g} GB" if size < 10 else f"{size:.0f} GB"


def download(order: Order, progress: Progress = lambda done, total: None) -> None:
    """Bring the archives' content into the folder; what is there already is not fetched again.

    Args:
        order: what, and where to.
        progress: told (megabytes there, megabytes in all).

    Raises:
        InputError: too little space, no mirror, wrong bytes, or an archive that is damaged.
    """
    order.folder.mkdir(parents=True, exist_ok=True)
    waiting = [item for item in order.archives if not _marker(order.folder, item).is_file()]
    _check_space(waiting, order.folder)
    total = sum(archive.size_bytes for archive in waiting)
    before = 0
    for archive in waiting:
        at = before

        def tell(done: int, _: int, at: int = at) -> None:
            progress(min(at + done, total) // MEGABYTE, total // MEGABYTE)

        path = fetch(archive, order.folder, tell)
        unpack(path, order.folder)
        write_text(_marker(order.folder, archive), f"{archive.checksum or 'no checksum'}\n")
        path.unlink()
        before += archive.size_bytes


def _check_space(archives: Sequence[Archive], folder: Path) -> None:
    need = int(ROOM * sum(archive.size_bytes for archive in archives))
    free = shutil.disk_usage(folder).free
    if need > free:
        raise InputError(
            f"{folder}: {gigabytes(free)} free, expected about {gigabytes(need)} for "
            f"{len(archives)} archives and their content; give a folder on another disk"
        )


def _marker(folder: Path, archive: Archive) -> Path:
    """Stands where an archive was unpacked whole."""
    return folder / f".{archive.name}.unpacked"
