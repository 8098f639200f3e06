"""WebDataset shards: tar files of whole mixtures, for disks and networks that hate small files.

A sample is the neighbours in a shard that share a name up to its first dot: ``test-00017.json``
(the manifest's row and the plan), ``test-00017.mixture.flac``, ``test-00017.source-0.flac``, ...

Source: https://github.com/webdataset/webdataset (the format is that of its README).
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence

from kbbench.scenes.export.base import Export, Item

SHARD_MIXTURES = 250
"""Mixtures a shard: about 130 MB of five-second ones, which fit in memory."""


def webdataset_files(export: Export) -> Iterator[tuple[str, bytes]]:
    """Every shard of every split, such as ``test-000000.tar``; the same dataset, the same bytes.

    Raises:
        InputError: a sound file is missing, or is not what the manifest says.
    """
    for split in export.splits:
        items: list[Item] = []
        number = 0
        for item in export.items(split):
            items.append(item)
            if len(items) == SHARD_MIXTURES:
                yield f"{split}-{number:06d}.tar", _shard(items)
                items, number = [], number + 1
        if items:
            yield f"{split}-{number:06d}.tar", _shard(items)


def _shard(items: Sequence[Item]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for item in items:
            row = {**item.mixture.row, "plan": item.plan.model_dump(mode="json")}
            _add(tar, f"{item.name}.json", json.dumps(row, sort_keys=True, default=list).encode())
            for stem in sorted(item.stems):
                item.mixture.read(stem)  # checks it against its hash
                data = (item.mixture.folder / f"{stem}.flac").read_bytes()
                _add(tar, f"{item.name}.{stem}.flac", data)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """An entry without date or owner: two exports are alike to the byte."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
