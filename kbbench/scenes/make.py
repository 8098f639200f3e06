"""Making a dataset folder: killed at any moment, the same command carries on to the same bytes.

Each file is written under another name and renamed when whole; a mixture counts as there when every
sample is as its row says. Plan and manifest pass through a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

from kbbench import __version__
from kbbench.corpora import Corpus, load_corpora
from kbbench.errors import InputError
from kbbench.files import holds_anything, leftovers, whole_file
from kbbench.pool import Progress, Workers, process_map
from kbbench.scenes.dataset import (
    FORMAT,
    MANIFEST,
    PLAN,
    STORES,
    DataHash,
    Dataset,
    Header,
    manifest_row,
    read_header,
    write_header,
)
from kbbench.scenes.pack import Job, make_unit
from kbbench.scenes.plan import mixture_id, recording_ids
from kbbench.scenes.recipe import SPLITS, Recipe
from kbbench.scenes.sampling import make_plan
from kbbench.scenes.store import Storage, Store
from kbbench.scenes.tables import PlanFile, manifest_schema, plan_file, write_rows

Unit = TypeVar("Unit")

RENDERERS = ("numpy", "scipy", "pyroomacoustics", "soundfile", "soxr", "sofar", "pyloudnorm")
"""Packages whose version can move a sample."""


def make_dataset(
    recipe: Recipe,
    out: Path,
    workers: Workers,
    progress: Progress = lambda done, total: None,
    folders: Mapping[str, Path] | None = None,
    storage: Storage | None = None,
) -> Dataset:
    """Make a recipe's dataset, or carry on with one; whole mixtures are kept, damaged ones remade.

    Args:
        recipe: what to make.
        out: a folder: new, empty, or of this very recipe.
        workers: processes, or a Dask scheduler whose workers see ``out`` and the corpora at the
            same paths; the bytes do not depend on it.
        progress: told after each mixture, or each tar.
        folders: of each corpus that does not come with kbbench, by name.
        storage: ``flac`` or ``tar``; None is what the folder holds, and ``flac`` for a new one.

    Raises:
        InputError: the folder holds something else, or a corpus is missing or does not suffice.
    """
    with _begun(recipe, out, folders, storage) as begun:
        _make_mixtures(begun, workers, (1, 1), progress)
        sha256 = _write_manifest(begun.store, recipe)
        with whole_file(out / PLAN) as partial:
            begun.plan.copy_to(partial)
    done = begun.header.model_copy(update={"complete": True, "data_sha256": sha256})
    write_header(out, done)
    for rest in leftovers(out):
        rest.unlink(missing_ok=True)
    return Dataset(out, done)


def make_shard(
    recipe: Recipe,
    out: Path,
    workers: Workers,
    shard: tuple[int, int],
    progress: Progress = lambda done, total: None,
    folders: Mapping[str, Path] | None = None,
    storage: Storage | None = None,
) -> int:
    """Make every N-th mixture of a dataset, or every N-th tar, on one of N machines.

    Shards may share a folder, or have one each, copied together afterwards; :func:`make_dataset`
    then finds the mixtures there, checks them, and completes the folder.

    Args:
        recipe: what to make.
        out: as in :func:`make_dataset`.
        workers: as in :func:`make_dataset`.
        shard: (number from 1 to N, N).
        progress: told after each mixture, or each tar.
        folders: as in :func:`make_dataset`.
        storage: as in :func:`make_dataset`.

    Returns:
        the number of mixtures in this shard.

    Raises:
        InputError: as :func:`make_dataset`.
        ValueError: no such shard.
    """
    number, count = shard
    if not 1 <= number <= count:
        raise ValueError(f"shard {number}/{count}: expected a number from 1 to {count}")
    with _begun(recipe, out, folders, storage) as begun:
        return _make_mixtures(begun, workers, shard, progress)


@dataclass(frozen=True)
class _Begun:
    """Everything is decided, and the folder is claimed."""

    corpus: Corpus
    plan: PlanFile
    header: Header
    store: Store


@contextmanager
def _begun(
    recipe: Recipe, out: Path, folders: Mapping[str, Path] | None, storage: Storage | None
) -> Iterator[_Begun]:
    corpus = load_corpora(recipe.corpora, folders)
    with plan_file(make_plan(recipe, corpus)) as plan:
        header = _claim(out, _header(recipe, corpus, plan.sha256), storage)
        yield _Begun(corpus, plan, header, STORES[header.storage](out))


def _make_mixtures(
    begun: _Begun, workers: Workers, shard: tuple[int, int], progress: Progress
) -> int:
    """Make or find whole every N-th unit; returns how many mixtures these hold."""
    units = groupby(_ids(begun.header.recipe), key=begun.store.unit)
    total = sum(sum(1 for _ in unit) for _, unit in _chosen(units, shard))
    done = 0
    for count in process_map(make_unit, _jobs(begun, shard), workers):
        done += count
        progress(done, total)
    return done


def _jobs(begun: _Begun, shard: tuple[int, int]) -> Iterator[Job]:
    """The mixtures of each unit, each with the part of the corpus that it needs."""
    units = groupby(begun.plan.rows(), key=lambda row: begun.store.unit(row.id))
    for _, rows in _chosen(units, shard):
        parts = ((row, begun.corpus.only(recording_ids(row), row.head)) for row in rows)
        yield begun.store, tuple(parts)


def _chosen(units: Iterable[Unit], shard: tuple[int, int]) -> Iterator[Unit]:
    number, count = shard
    return islice(units, number - 1, None, count)


def _ids(recipe: Recipe) -> Iterator[str]:
    """Of all mixtures, in the plan's order."""
    for split in SPLITS:
        for index in range(getattr(recipe.splits, split)):
            yield mixture_id(split, index)


def _write_manifest(store: Store, recipe: Recipe) -> str:
    """Gather what was written beside the sound; returns the data hash."""
    digest = DataHash()

    def rows() -> Iterator[dict[str, Any]]:
        for mixture in _ids(recipe):
            scene = store.scene(mixture)
            if scene is None:
                raise InputError(
                    f"mixture {mixture}: gone from {store.folder} since it was made; "
                    "run the same command again"
                )
            row = manifest_row(scene)
            digest.add(row)
            yield row

    with whole_file(store.folder / MANIFEST) as partial:
        write_rows(partial, manifest_schema(recipe), rows())
    return digest.sha256


def _header(recipe: Recipe, corpus: Corpus, plan_sha256: str) -> Header:
    return Header(
        format=FORMAT,
        complete=False,
        recipe=recipe,
        recipe_sha256=recipe.sha256,
        corpus_sha256=corpus.sha256,
        plan_sha256=plan_sha256,
        data_sha256=None,
        kbbench=__version__,
        versions={name: version(name) for name in RENDERERS},
        licence=corpus.licence,
        attribution=corpus.attribution,
    )


def _claim(out: Path, header: Header, storage: Storage | None) -> Header:
    """Make the folder this recipe's, or find that it is; what stands there is never touched."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file, expected a new or empty folder")
    found = read_header(out)
    if found is None and holds_anything(out):
        raise InputError(f"{out}: not empty and no kbbench dataset; give a new or empty folder")
    if found is not None and _name(found) != _name(header):
        raise InputError(
            f"{out}: holds {_name(found)}, expected {_name(header)}; give another folder"
        )
    started = found or header.model_copy(update={"storage": storage or header.storage})
    if storage not in (None, started.storage):
        raise InputError(
            f"{out}: holds format {started.storage}, asked for {storage}; "
            "give another folder, or carry on without asking for a format"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_header(out, started.model_copy(update={"complete": False, "data_sha256": None}))
    return started


def _name(header: Header) -> str:
    recipe = header.recipe
    return (
        f"{recipe.name} version {recipe.version} (recipe {header.recipe_sha256[:8]}, "
        f"plan {header.plan_sha256[:8]}, corpus {header.corpus_sha256[:8]})"
    )
