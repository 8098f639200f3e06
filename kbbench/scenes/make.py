"""Making a dataset folder: killed at any moment, the same command carries on to the same bytes.

Each file is written under another name and renamed when whole, a mixture's ``scene.json`` last; a
mixture counts as there when every sample is as its ``scene.json`` says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from kbbench import __version__
from kbbench.audio import pcm_sha256, read_pcm, write_flac
from kbbench.corpora import Corpus, load_corpora
from kbbench.errors import InputError
from kbbench.files import holds_anything, write_parquet, write_text
from kbbench.pool import Progress, Workers, process_map
from kbbench.scenes.dataset import (
    FORMAT,
    MANIFEST,
    PLAN,
    Dataset,
    Header,
    data_hash,
    read_header,
    records,
    write_header,
)
from kbbench.scenes.plan import MixturePlan, check_disjoint, plan_hash, recording_ids
from kbbench.scenes.recipe import Recipe
from kbbench.scenes.render import render, stem_hashes
from kbbench.scenes.sampling import make_plan

SCENE = "scene.json"
RENDERERS = ("numpy", "scipy", "pyroomacoustics", "soundfile", "soxr", "sofar", "pyloudnorm")
"""Packages whose version can move a sample."""


def make_dataset(
    recipe: Recipe,
    out: Path,
    workers: Workers,
    progress: Progress = lambda done, total: None,
    folders: Mapping[str, Path] | None = None,
) -> Dataset:
    """Make a recipe's dataset, or carry on with one; whole mixtures are kept, damaged ones remade.

    Args:
        recipe: what to make.
        out: a folder: new, empty, or of this very recipe.
        workers: processes, or a Dask scheduler whose workers see ``out`` and the corpora at the
            same paths; the bytes do not depend on it.
        progress: told after each mixture.
        folders: of each corpus that does not come with kbbench, by name.

    Raises:
        InputError: the folder holds something else, or a corpus is missing or does not suffice.
    """
    corpus, plan, header = _begin(recipe, out, folders)
    rows = _make_mixtures(out, plan, corpus, workers, progress)
    manifest = pd.json_normalize([rows[row.id] for row in plan])
    write_parquet(out / MANIFEST, manifest)
    write_parquet(out / PLAN, pd.DataFrame([row.model_dump() for row in plan]))
    done = header.model_copy(update={"complete": True, "data_sha256": data_hash(records(manifest))})
    write_header(out, done)
    return Dataset(out, done)


def make_shard(
    recipe: Recipe,
    out: Path,
    workers: Workers,
    shard: tuple[int, int],
    progress: Progress = lambda done, total: None,
    folders: Mapping[str, Path] | None = None,
) -> int:
    """Make every N-th mixture of a dataset, on one of N machines.

    Shards may share a folder, or have one each, copied together afterwards; :func:`make_dataset`
    then finds the mixtures there, checks them, and completes the folder.

    Args:
        recipe: what to make.
        out: as in :func:`make_dataset`.
        workers: as in :func:`make_dataset`.
        shard: (number from 1 to N, N).
        progress: told after each mixture.
        folders: as in :func:`make_dataset`.

    Returns:
        the number of mixtures in this shard.

    Raises:
        InputError: as :func:`make_dataset`.
        ValueError: no such shard.
    """
    number, count = shard
    if not 1 <= number <= count:
        raise ValueError(f"shard {number}/{count}: expected a number from 1 to {count}")
    corpus, plan, _ = _begin(recipe, out, folders)
    return len(_make_mixtures(out, plan[number - 1 :: count], corpus, workers, progress))


def _begin(
    recipe: Recipe, out: Path, folders: Mapping[str, Path] | None
) -> tuple[Corpus, list[MixturePlan], Header]:
    """Decide everything, and claim the folder."""
    corpus = load_corpora(recipe.corpora, folders)
    plan = make_plan(recipe, corpus)
    check_disjoint(plan)
    return corpus, plan, _claim(out, _header(recipe, corpus, plan_hash(plan)))


def _make_mixtures(
    out: Path, plan: Sequence[MixturePlan], corpus: Corpus, workers: Workers, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Manifest rows by id, each mixture made or found whole."""
    jobs = ((out, row, corpus.only(recording_ids(row), row.head)) for row in plan)
    rows: dict[str, dict[str, Any]] = {}
    for row in process_map(_make_mixture, jobs, workers):
        rows[row["id"]] = row
        progress(len(rows), len(plan))
    return rows


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


def _claim(out: Path, header: Header) -> Header:
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
    out.mkdir(parents=True, exist_ok=True)
    started = found or header
    write_header(out, started.model_copy(update={"complete": False, "data_sha256": None}))
    return started


def _name(header: Header) -> str:
    recipe = header.recipe
    return (
        f"{recipe.name} version {recipe.version} (recipe {header.recipe_sha256[:8]}, "
        f"plan {header.plan_sha256[:8]}, corpus {header.corpus_sha256[:8]})"
    )


def _make_mixture(job: tuple[Path, MixturePlan, Corpus]) -> dict[str, Any]:
    """Render a mixture, unless it is already there and whole; returns its manifest row."""
    out, plan, corpus = job
    final = out / plan.id
    kept = _kept(final, plan)
    if kept is not None:
        return kept
    scene = render(plan, corpus)
    row = {
        "id": plan.id,
        "plan_sha256": plan_hash([plan]),
        **_facts(plan),
        **scene.measured,
        "sha256": stem_hashes(scene.stems),
    }
    final.mkdir(parents=True, exist_ok=True)
    for name, pcm in scene.stems.items():
        partial = final / f".{name}.partial"
        write_flac(partial, pcm)
        partial.replace(final / f"{name}.flac")
    write_text(final / SCENE, json.dumps(row, indent=1))
    return row


def _kept(folder: Path, plan: MixturePlan) -> dict[str, Any] | None:
    """The manifest row of a mixture that is there, planned alike, with every sample in place."""
    try:
        row: dict[str, Any] = json.loads((folder / SCENE).read_text(encoding="utf-8"))
        whole = row["plan_sha256"] == plan_hash([plan]) and all(
            pcm_sha256(read_pcm(folder / f"{name}.flac")) == sha256
            for name, sha256 in row["sha256"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return row if whole else None


def _facts(plan: MixturePlan) -> dict[str, Any]:
    """What of the plan a reader of the manifest wants at hand."""
    length, width, height = plan.room_m
    return {
        "split": plan.split,
        "index": plan.index,
        "samples": plan.samples,
        "head": plan.head,
        "rt60_s": plan.rt60_s,
        "room_length_m": length,
        "room_width_m": width,
        "room_height_m": height,
        "talkers": [source.name for source in plan.talkers],
        "azimuths_deg": [source.azimuth_deg for source in plan.talkers],
        "distances_m": [source.distance_m for source in plan.talkers],
        "noise_kind": plan.noises[0].kind if plan.noises else None,
        "noise_sources": len(plan.noises),
    }
