"""A dataset folder: it is complete or says what is missing, and is read with every check.

```
dataset.json        recipe, hashes, versions, licences; "complete": false until all is there
plan.parquet        one row a mixture, as sampled
manifest.parquet    one row a mixture: SHA-256 of each stem's PCM, and what was measured
SPLIT/INDEX/        mixture.flac, source-0.flac .., noise.flac, enrollment.flac, scene.json
```
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow import parquet
from pydantic import BaseModel, ConfigDict, ValidationError

from kbbench.audio import Pcm, pcm_sha256, read_pcm
from kbbench.errors import InputError, one_line
from kbbench.files import write_text
from kbbench.scenes.plan import MixturePlan
from kbbench.scenes.recipe import Recipe, canonical_json

FORMAT = 1
"""Version of the folder's layout."""
HEADER, PLAN, MANIFEST = "dataset.json", "plan.parquet", "manifest.parquet"


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
        return list(manifest_hashes(self.row))


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
        header = read_header(folder)
        if header is None:
            raise InputError(f"{folder}: no dataset.json there; make one with `kbbench make-data`")
        if not header.complete:
            raise InputError(
                f"{folder}: incomplete; run `kbbench make-data {header.recipe.name} "
                f"--out {folder}` again, it carries on"
            )
        dataset = cls(folder, header)
        if data_hash(dataset.rows) != header.data_sha256:
            raise InputError(
                f"{folder}/manifest.parquet: does not match dataset.json; repair it with "
                f"`kbbench make-data {header.recipe.name} --out {folder}`"
            )
        return dataset

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The manifest."""
        path = self.folder / MANIFEST
        try:
            return records(pd.read_parquet(path))
        except Exception as error:
            raise InputError(
                f"{path}: {one_line(error)}; repair it with `kbbench make-data "
                f"{self.header.recipe.name} --out {self.folder}`"
            ) from error

    @cached_property
    def plan(self) -> list[MixturePlan]:
        """The plan, as it was sampled.

        Raises:
            InputError: ``plan.parquet`` is damaged.
        """
        path = self.folder / PLAN
        try:
            # Not through JSON: it would lose the sign of a negative zero.
            return [MixturePlan.model_validate(row) for row in parquet.read_table(path).to_pylist()]
        except Exception as error:
            raise InputError(
                f"{path}: {one_line(error)[:200]}; repair it with `kbbench make-data "
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


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table's rows."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def manifest_hashes(row: dict[str, Any]) -> dict[str, str]:
    """SHA-256 of each stem that a mixture of the manifest has."""
    return {
        key.removeprefix("sha256."): value
        for key, value in row.items()
        if key.startswith("sha256.") and isinstance(value, str)
    }


def data_hash(rows: list[dict[str, Any]]) -> str:
    """SHA-256 over all stems' hashes, in order."""
    text = "\n".join(
        canonical_json([row["id"], f"sha256.{name}", sha256])
        for row in rows
        for name, sha256 in sorted(manifest_hashes(row).items())
    )
    return hashlib.sha256(text.encode()).hexdigest()


def read_header(folder: Path) -> Header | None:
    """``dataset.json`` of a folder, or None where there is none.

    Raises:
        InputError: it is damaged, or of another version.
    """
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


def write_header(folder: Path, header: Header) -> None:
    """Write ``dataset.json``, whole or not at all."""
    write_text(folder / HEADER, header.model_dump_json(indent=1) + "\n")
