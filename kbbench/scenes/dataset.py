"""A dataset folder: made so that it is complete or says what is missing; read with every check.

```
dataset.json        recipe, hashes, versions, licences; "complete": false until all is there
plan.parquet        one row a mixture, as sampled
manifest.parquet    one row a mixture: SHA-256 of each stem's PCM, and what was measured
SPLIT/INDEX/        mixture.flac, source-0.flac .., noise.flac, enrollment.flac, scene.json
```
A mixture's folder is written under another name and renamed when whole, so a run killed at any
moment leaves whole mixtures alone, and the same command carries on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from kbbench import __version__
from kbbench.audio import Pcm, pcm_sha256, read_pcm, write_flac
from kbbench.corpora import Corpus, load_corpora
from kbbench.errors import InputError, one_line
from kbbench.files import holds_anything, write_parquet, write_text
from kbbench.pool import process_map
from kbbench.scenes.plan import (
    MixturePlan,
    check_disjoint,
    make_plan,
    plan_hash,
    recording_ids,
)
from kbbench.scenes.recipe import Recipe, canonical_json
from kbbench.scenes.render import render

FORMAT = 1
"""Version of the folder's layout."""
HEADER, SCENE = "dataset.json", "scene.json"
RENDERERS = ("numpy", "scipy", "pyroomacoustics", "soundfile", "soxr", "sofar", "pyloudnorm")
"""Packages whose version can move a sample."""

Progress = Callable[[int, int], None]
"""Called with (mixtures done, mixtures in all)."""


class Header(BaseModel):
    """``dataset.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    complete: bool
    recipe: Recipe
    recipe_sha256: str
    corpus_sha256: str
    plan_sha256: str
    data_sha256: str | None
    kbbench: str
    versions: dict[str, str]
    licence: str
    attribution: str


def make_dataset(
    recipe: Recipe,
    out: Path,
    workers: int,
    progress: Progress = lambda done, total: None,
    folders: Mapping[str, Path] | None = None,
) -> Dataset:
    """Make a recipe's dataset, or carry on with one; whole mixtures are kept, damaged ones remade.

    Args:
        recipe: what to make.
        out: a folder: new, empty, or of this very recipe.
        workers: processes; the bytes do not depend on it.
        progress: told after each mixture.
        folders: of each corpus that does not come with kbbench, by name.

    Raises:
        InputError: the folder holds something else, or a corpus is missing or does not suffice.
    """
    corpus = load_corpora(recipe.corpora, folders)
    plan = make_plan(recipe, corpus)
    check_disjoint(plan)
    header = _claim(out, _header(recipe, corpus, plan_hash(plan)))
    jobs = ((out, row, corpus.only(recording_ids(row), row.head)) for row in plan)
    rows: dict[str, dict[str, Any]] = {}
    for row in process_map(_make_mixture, jobs, workers):
        rows[row["id"]] = row
        progress(len(rows), len(plan))
    manifest = pd.json_normalize([rows[row.id] for row in plan])
    write_parquet(out / "manifest.parquet", manifest)
    write_parquet(out / "plan.parquet", pd.DataFrame([row.model_dump() for row in plan]))
    done = header.model_copy(
        update={"complete": True, "data_sha256": _data_hash(_records(manifest))}
    )
    _write_header(out, done)
    return Dataset(out, done)


@dataclass(frozen=True)
class Mixture:
    """One mixture of a dataset, its sound read when asked for and checked against the manifest."""

    id: str
    folder: Path
    row: dict[str, Any]

    def read(self, stem: str) -> Pcm:
        """A stem (channels, samples), int16.

        Raises:
            InputError: the file is missing, or is not what the manifest says.
        """
        path = self.folder / f"{stem}.flac"
        pcm = read_pcm(path)
        if pcm_sha256(pcm) != self.row[f"sha256.{stem}"]:
            raise InputError(
                f"mixture {self.id}: {path.name} does not match its hash in the manifest; "
                "repair it with the `kbbench make-data` command that made the folder"
            )
        return pcm

    @property
    def stems(self) -> list[str]:
        """Names of all stems that are there."""
        return [
            key.removeprefix("sha256.")
            for key, value in self.row.items()
            if key.startswith("sha256.") and isinstance(value, str)
        ]


@dataclass(frozen=True)
class Dataset:
    """A complete dataset folder."""

    folder: Path
    header: Header

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Open a folder.

        Raises:
            InputError: it is no dataset, of another version, or incomplete.
        """
        header = _read_header(folder)
        if header is None:
            raise InputError(f"{folder}: no dataset.json there; make one with `kbbench make-data`")
        if not header.complete:
            raise InputError(
                f"{folder}: incomplete; run `kbbench make-data {header.recipe.name} "
                f"--out {folder}` again, it carries on"
            )
        dataset = cls(folder, header)
        if _data_hash(dataset.rows) != header.data_sha256:
            raise InputError(
                f"{folder}/manifest.parquet: does not match dataset.json; repair it with "
                f"`kbbench make-data {header.recipe.name} --out {folder}`"
            )
        return dataset

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The manifest."""
        path = self.folder / "manifest.parquet"
        try:
            return _records(pd.read_parquet(path))
        except Exception as error:
            raise InputError(
                f"{path}: {one_line(error)}; repair it with `kbbench make-data "
                f"{self.header.recipe.name} --out {self.folder}`"
            ) from error

    def mixtures(self, split: str) -> Iterator[Mixture]:
        """The mixtures of a split, in order.

        Raises:
            InputError: a file of one is missing.
        """
        for row in self.rows:
            if row["split"] != split:
                continue
            mixture = Mixture(row["id"], self.folder / row["id"], row)
            for stem in mixture.stems:
                if not (mixture.folder / f"{stem}.flac").is_file():
                    raise InputError(
                        f"mixture {mixture.id}: {stem}.flac is missing in {mixture.folder}; "
                        "repair it with the `kbbench make-data` command that made the folder"
                    )
            yield mixture


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
    found = _read_header(out)
    if found is None and holds_anything(out):
        raise InputError(f"{out}: not empty and no kbbench dataset; give a new or empty folder")
    if found is not None and _name(found) != _name(header):
        raise InputError(
            f"{out}: holds {_name(found)}, expected {_name(header)}; give another folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    started = found or header
    _write_header(out, started.model_copy(update={"complete": False, "data_sha256": None}))
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
        "sha256": {name: pcm_sha256(pcm) for name, pcm in scene.stems.items()},
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


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _data_hash(rows: list[dict[str, Any]]) -> str:
    """SHA-256 over all stems' hashes, in order."""
    text = "\n".join(
        canonical_json([row["id"], key, value])
        for row in rows
        for key, value in sorted(row.items())
        if key.startswith("sha256.") and isinstance(value, str)
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _read_header(folder: Path) -> Header | None:
    path = folder / HEADER
    if not path.is_file():
        return None
    try:
        header = Header.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        raise InputError(
            f"{path}: damaged, or of another kbbench version; "
            "give another folder, or remove this one and make it anew"
        ) from error
    if header.format != FORMAT:
        raise InputError(f"{path}: format {header.format}, this kbbench reads format {FORMAT}")
    return header


def _write_header(folder: Path, header: Header) -> None:
    write_text(folder / HEADER, header.model_dump_json(indent=1) + "\n")
