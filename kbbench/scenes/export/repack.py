"""The same dataset kept in the other form: WebDataset's tar shards, or folders of FLAC.

Nothing is rendered or coded anew; the folder is what `kbbench make-data` makes in that form, and is
read, verified and repaired as such.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from kbbench.errors import InputError
from kbbench.scenes.dataset import (
    HEADER,
    MANIFEST,
    PLAN,
    REPAIR,
    Mixture,
    header_text,
    manifest_hashes,
)
from kbbench.scenes.export.base import Export, Files
from kbbench.scenes.store import SCENE, FlacFolders, Packed, Storage
from kbbench.scenes.tar import TarShards, write_tar

PIECE_BYTES = 1 << 20
"""Of a table that is copied, at a time."""


def shard_files(export: Export) -> Files:
    """Tar shards, such as ``test/000000.tar``, and the tables; the same dataset, the same bytes.

    Raises:
        InputError: it is kept so already, or a file is missing or damaged.
    """
    yield from _tables(export, "tar")
    shards = TarShards(Path())
    for split in export.splits:
        mixtures = export.dataset.mixtures(split)
        for path, items in groupby(mixtures, key=lambda item: shards.unit(item.id)):
            buffer = io.BytesIO()
            write_tar(buffer, ((item.id, _packed(item)) for item in items))
            yield str(path), [buffer.getvalue()]


def folder_files(export: Export) -> Files:
    """A folder of FLAC a mixture, and the tables.

    Raises:
        InputError: as :func:`shard_files`.
    """
    yield from _tables(export, "flac")
    folders = FlacFolders(Path())
    for split in export.splits:
        for mixture in export.dataset.mixtures(split):
            packed = _packed(mixture)
            for stem, data in packed.stems.items():
                yield str(folders.path(mixture.id, stem)), [data]
            yield f"{mixture.id}/{SCENE}", [packed.scene.encode()]


def _tables(export: Export, storage: Storage) -> Files:
    dataset = export.dataset
    if dataset.header.storage == storage:
        raise InputError(f"{dataset.folder}: is kept in this form already; use it as it is")
    header = dataset.header.model_copy(update={"storage": storage})
    yield HEADER, [header_text(header).encode()]
    for name in (PLAN, MANIFEST):
        yield name, _pieces(dataset.folder / name)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _packed(mixture: Mixture) -> Packed:
    """A mixture's files, checked against the manifest."""
    for stem in mixture.stems:
        mixture.read(stem)
    packed = mixture.store.load(mixture.id)
    if packed.row["sha256"] != manifest_hashes(mixture.row):
        label = mixture.store.scene_label(mixture.id)
        raise InputError(f"mixture {mixture.id}: {label} does not match the manifest; {REPAIR}")
    return packed
