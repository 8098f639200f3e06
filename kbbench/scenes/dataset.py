"""A dataset folder: it is complete or says what is missing, and is read with every check.

```
dataset.json        recipe, hashes, versions, licences; "complete": false until all is there
plan.parquet        one row a mixture, as sampled
manifest.parquet    one row a mixture: SHA-256 of each stem's PCM, and what was measured
SPLIT/INDEX/        mixture.flac, source-0.flac .., noise.flac, enrollment.flac, scene.json
SPLIT/NUMBER.tar    in place of these folders, where the dataset is kept in tar shards
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kbbench.audio import Pcm, pcm_sha256
from kbbench.errors import InputError, one_line
from kbbench.files import write_text
from kbbench.scenes.plan import LineHash, MixturePlan
from kbbench.scenes.recipe import Recipe, canonical_json
from kbbench.scenes.store import FlacFolders, Storage, Store
from kbbench.scenes.tables import read_rows
from kbbench.scenes.tar import TarShards

FORMAT = 1
"""Version of the folder's layout."""
HEADER, PLAN, MANIFEST = "dataset.json", "plan.parquet", "manifest.parquet"
REPAIR = "repair it with the `kbbench make-data` command that made the folder"


class Header(BaseModel):
    """``dataset.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    storage: Storage = "flac"
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


STORES: dict[Storage, Callable[[Path], Store]] = {"flac": FlacFolders, "tar": TarShards}
"""For each way to keep a dataset's files, what reads and writes them."""


@dataclass(frozen=True)
class Mixture:
    """One mixture of a dataset, its sound read when asked for and checked against the manifest."""

    id: str
    store: Store
    row: dict[str, Any]

    def read(self, stem: str) -> Pcm:
        """A stem (channels, samples), int16.

        Raises:
            InputError: the file is missing, or is not what the manifest says.
        """
        pcm = self.store.read(self.id, stem)
        if pcm_sha256(pcm) != self.row[f"sha256.{stem}"]:
            raise InputError(
                f"mixture {self.id}: {self.store.label(self.id, stem)} does not match its hash in "
                f"the manifest; {REPAIR}"
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
        hashes = dataset.iter_rows(columns=("id", "sha256."))
        if data_hash(hashes) != header.data_sha256:
            raise InputError(
                f"{folder}/manifest.parquet: does not match dataset.json; repair it with "
                f"`kbbench make-data {header.recipe.name} --out {folder}`"
            )
        return dataset

    @property
    def store(self) -> Store:
        """Where the mixtures' files lie."""
        return STORES[self.header.storage](self.folder)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The manifest, all in memory: for small sets."""
        return list(self.iter_rows())

    @property
    def plan(self) -> list[MixturePlan]:
        """The plan, all in memory: for small sets."""
        return list(self.iter_plan())

    def iter_rows(
        self, split: str | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The manifest, or a split of it, a row at a time; columns by how their names begin.

        Raises:
            InputError: ``manifest.parquet`` is damaged.
        """
        with self._readable(MANIFEST) as path:
            yield from read_rows(path, split, columns)

    def iter_plan(self, split: str | None = None) -> Iterator[MixturePlan]:
        """The plan, or a split of it, a row at a time, as it was sampled.

        Raises:
            InputError: ``plan.parquet`` is damaged.
        """
        with self._readable(PLAN) as path:
            # Not through JSON: it would lose the sign of a negative zero.
            yield from map(MixturePlan.model_validate, read_rows(path, split))

    def mixtures(self, split: str) -> Iterator[Mixture]:
        """The mixtures of a split, in order.

        Raises:
            InputError: a file of one is missing.
        """
        store = self.store
        for row in self.iter_rows(split):
            mixture = Mixture(row["id"], store, row)
            for stem in mixture.stems:
                if not store.has(mixture.id, stem):
                    raise InputError(
                        f"mixture {mixture.id}: {store.label(mixture.id, stem)} is missing in "
                        f"{self.folder}; {REPAIR}"
                    )
            yield mixture

    @contextmanager
    def _readable(self, name: str) -> Iterator[Path]:
        """A table's path; what reading it raises is said in one line."""
        path = self.folder / name
        try:
            yield path
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path}: {one_line(error)[:200]}; repair it with `kbbench make-data "
                f"{self.header.recipe.name} --out {self.folder}`"
            ) from error


def manifest_row(scene: dict[str, Any]) -> dict[str, Any]:
    """A row of the manifest out of what stands beside a mixture's sound."""
    facts = {name: value for name, value in scene.items() if name != "sha256"}
    return facts | {f"sha256.{stem}": sha256 for stem, sha256 in scene["sha256"].items()}


def manifest_hashes(row: dict[str, Any]) -> dict[str, str]:
    """SHA-256 of each stem that a mixture of the manifest has."""
    return {
        key.removeprefix("sha256."): value
        for key, value in row.items()
        if key.startswith("sha256.") and isinstance(value, str)
    }


class DataHash:
    """SHA-256 over all stems' hashes of the manifest's rows that it is fed, in order."""

    def __init__(self) -> None:
        self._lines = LineHash()

    def add(self, row: dict[str, Any]) -> None:
        """The next row."""
        for name, sha256 in sorted(manifest_hashes(row).items()):
            self._lines.add(canonical_json([row["id"], f"sha256.{name}", sha256]))

    @property
    def sha256(self) -> str:
        """Of all rows so far."""
        return self._lines.sha256


def data_hash(rows: Iterable[dict[str, Any]]) -> str:
    """SHA-256 over all stems' hashes, in order."""
    digest = DataHash()
    for row in rows:
        digest.add(row)
    return digest.sha256


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


def header_text(header: Header) -> str:
    """What ``dataset.json`` holds."""
    return header.model_dump_json(indent=1) + "\n"


def write_header(folder: Path, header: Header) -> None:
    """Write ``dataset.json``, whole or not at all."""
    write_text(folder / HEADER, header_text(header))
