"""Plan and manifest as Parquet: written and read a group of rows at a time, so memory stays flat.

Columns and their types are declared here and depend on the recipe alone, so that the same rows give
the same bytes whatever is in the first of them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import compute, parquet

from kbbench.scenes.plan import Disjoint, MixturePlan, PlanHash
from kbbench.scenes.recipe import Recipe

GROUP_ROWS = 1000
"""Rows that are in memory at a time: a few megabytes of plans. Part of the files' bytes."""

_CLIPS = pa.list_(
    pa.struct({"id": pa.string(), "start": pa.int64(), "onset": pa.int64(), "samples": pa.int64()})
)
_NUMBERS = pa.list_(pa.float64())
_SOURCES = pa.list_(
    pa.struct(
        {
            "kind": pa.string(),
            "name": pa.string(),
            "clips": _CLIPS,
            "position_m": _NUMBERS,
            "azimuth_deg": pa.float64(),
            "distance_m": pa.float64(),
        }
    )
)
_ENROLLMENT_NOISE = pa.struct(
    {"kind": pa.string(), "name": pa.string(), "clips": _CLIPS, "snr_db": pa.float64()}
)
PLAN_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "recipe": pa.string(),
        "split": pa.string(),
        "index": pa.int64(),
        "samples": pa.int64(),
        "target": pa.string(),
        "room_m": _NUMBERS,
        "rt60_s": pa.float64(),
        "listener_m": _NUMBERS,
        "yaw_deg": pa.float64(),
        "head": pa.string(),
        "talkers": _SOURCES,
        "wanted": pa.int64(),
        "sir_db": _NUMBERS,
        "noises": _SOURCES,
        "snr_db": pa.float64(),
        "enrollment": _CLIPS,
        "enrollment_samples": pa.int64(),
        "enrollment_noise": _ENROLLMENT_NOISE,
        "level_lufs": pa.float64(),
        "peak_dbfs": pa.float64(),
    }
)
"""Of ``plan.parquet``: :class:`kbbench.scenes.plan.MixturePlan`."""
_FACTS = {
    "id": pa.string(),
    "plan_sha256": pa.string(),
    "split": pa.string(),
    "index": pa.int64(),
    "samples": pa.int64(),
    "head": pa.string(),
    "rt60_s": pa.float64(),
    "room_length_m": pa.float64(),
    "room_width_m": pa.float64(),
    "room_height_m": pa.float64(),
    "talkers": pa.list_(pa.string()),
    "azimuths_deg": _NUMBERS,
    "distances_m": _NUMBERS,
    "noise_kind": pa.string(),
    "noise_sources": pa.int64(),
    "level_lufs": pa.float64(),
    "peak_dbfs": pa.float64(),
}


def stem_names(recipe: Recipe) -> list[str]:
    """The stems that :func:`kbbench.scenes.render.render` makes of each mixture of a recipe."""
    names = ["mixture"]
    for number in range(recipe.talkers.count):
        if number >= recipe.source_count:
            names.append(f"other-{number}")
            continue
        names.append(f"source-{number}")
        if recipe.target != "image":
            names.append(f"reverberation-{number}")
    return names + ["noise"] * bool(recipe.noise) + ["enrollment"] * bool(recipe.enrollment)


def manifest_schema(recipe: Recipe) -> Any:
    """Of ``manifest.parquet``: facts, what was measured, and the hash of each sound file."""
    measured = ["sir_db"] * (recipe.talkers.count > 1) + ["snr_db"] * bool(recipe.noise)
    return pa.schema(
        _FACTS
        | dict.fromkeys(measured, pa.float64())
        | {f"sha256.{name}": pa.string() for name in stem_names(recipe)}
    )


def write_rows(file: Path | IO[bytes], schema: Any, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as they come.

    Raises:
        ValueError: a row holds what the schema does not know.
    """
    columns = set(schema.names)
    waiting = iter(rows)
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(waiting, GROUP_ROWS)):
            for row in group:
                if unknown := sorted(row.keys() - columns):
                    raise ValueError(f"row {row.get('id')}: {unknown[0]} is no column of the table")
            writer.write_table(pa.Table.from_pylist(group, schema), row_group_size=GROUP_ROWS)


def read_rows(
    file: Path | IO[bytes], split: str | None = None, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """A table's rows in order, all or those of a split, a group in memory at a time.

    Args:
        file: Parquet.
        split: only rows whose ``split`` is this.
        columns: only those whose names begin with one of these.

    Raises:
        OSError, ValueError: no such file, or damaged.
    """
    with parquet.ParquetFile(file) as table:
        names = table.schema_arrow.names
        wanted = [name for name in names if columns is None or name.startswith(tuple(columns))]
        for batch in table.iter_batches(GROUP_ROWS, columns=wanted, use_threads=False):
            if split is not None:
                batch = batch.filter(compute.equal(batch["split"], split))
            yield from batch.to_pylist()


def row_count(file: Path) -> int:
    """How many rows a table has."""
    return int(parquet.read_metadata(file).num_rows)


@dataclass(frozen=True)
class PlanFile:
    """A sampled plan, in a file on disk.

    Args:
        file: Parquet.
        sha256: as :func:`kbbench.scenes.plan.plan_hash`.
    """

    file: IO[bytes]
    sha256: str

    def rows(self) -> Iterator[MixturePlan]:
        """The rows as they were drawn; one reader at a time."""
        self.file.seek(0)
        # Not through JSON: it would lose the sign of a negative zero.
        return map(MixturePlan.model_validate, read_rows(self.file))

    def copy_to(self, path: Path) -> None:
        """Write the file's bytes to a path."""
        self.file.seek(0)
        with path.open("wb") as copy:
            shutil.copyfileobj(self.file, copy)


@contextmanager
def plan_file(plan: Iterable[MixturePlan]) -> Iterator[PlanFile]:
    """Take rows as they are drawn, and prove that their splits are disjoint.

    The file has no name: it is gone at the end, or with this process.

    Raises:
        InputError: as sampling raises, or splits share something.
    """
    digest, proof = PlanHash(), Disjoint()

    def checked() -> Iterator[dict[str, Any]]:
        for row in plan:
            proof.add(row)
            digest.add(row)
            yield row.model_dump()

    with tempfile.TemporaryFile() as file:
        write_rows(file, PLAN_SCHEMA, checked())
        yield PlanFile(file, digest.sha256)
