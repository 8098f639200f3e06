"""Plan and manifest on disk: fixed columns, the same bytes, and nothing lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from kbbench.corpora import load_corpora
from kbbench.scenes.dataset import Dataset, data_hash, manifest_row
from kbbench.scenes.pack import pack
from kbbench.scenes.plan import MixturePlan, plan_hash
from kbbench.scenes.recipe import Recipe
from kbbench.scenes.sampling import make_plan, plan_mixture
from kbbench.scenes.tables import (
    PLAN_SCHEMA,
    manifest_schema,
    plan_file,
    read_rows,
    row_count,
    stem_names,
    write_rows,
)
from tests.conftest import tiny_recipe

Data = Callable[[str], Dataset]
TASKS = ("separation", "target_speech", "enhancement")


def wide(recipe: Recipe) -> Recipe:
    counts = recipe.splits.model_copy(update={"train": 7, "validation": 3, "test": 5})
    return recipe.model_copy(update={"splits": counts})


def test_the_plan_has_a_column_for_each_field() -> None:
    assert PLAN_SCHEMA.names == list(MixturePlan.model_fields)


@pytest.mark.parametrize("target", ["image", "early", "direct"])
@pytest.mark.parametrize("task", TASKS)
def test_the_manifest_has_a_column_for_all_that_is_rendered(task: str, target: str) -> None:
    recipe = tiny_recipe(task, target=target, duration_s=0.5)
    corpus = load_corpora(recipe.corpora)
    packed = pack(plan_mixture(recipe, corpus, "test", 0), corpus)
    assert list(packed.stems) == stem_names(recipe)
    assert list(manifest_row(packed.row)) == manifest_schema(recipe).names


@pytest.mark.parametrize("task", TASKS)
def test_a_plan_comes_back_from_its_file(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kbbench.scenes.tables.GROUP_ROWS", 4)
    recipe = wide(tiny_recipe(task))
    plan = list(make_plan(recipe, load_corpora(recipe.corpora)))
    rows = [plan[0].model_copy(update={"yaw_deg": -0.0}), *plan[1:]]
    with plan_file(rows) as file:
        assert file.sha256 == plan_hash(rows) != plan_hash(plan)
        assert list(file.rows()) == rows
        assert plan_hash(file.rows()) == file.sha256  # a second time, and -0.0 is still one
        file.copy_to(tmp_path / "a.parquet")
    table = parquet.ParquetFile(tmp_path / "a.parquet")
    assert [table.metadata.row_group(n).num_rows for n in range(4)] == [4, 4, 4, 3]
    assert table.schema_arrow.equals(PLAN_SCHEMA)
    table.close()
    write_rows(tmp_path / "b.parquet", PLAN_SCHEMA, (row.model_dump() for row in rows))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_rows_of_a_split_and_columns(tmp_path: Path) -> None:
    path, schema = tmp_path / "t.parquet", pa.schema({"id": pa.string(), "split": pa.string()})
    rows = [{"id": str(n), "split": "train" if n < 2500 else "test"} for n in range(2600)]
    write_rows(path, schema, rows)
    assert row_count(path) == 2600
    assert list(read_rows(path)) == rows
    assert [row["id"] for row in read_rows(path, "test")] == [str(n) for n in range(2500, 2600)]
    assert next(read_rows(path, columns=("id",))) == {"id": "0"}
    with pytest.raises(ValueError, match="row 7: colour is no column of the table"):
        write_rows(path, schema, [{"id": "7", "colour": "red"}])


def test_a_manifest_written_by_pandas_still_loads(tmp_path: Path, tiny_dataset: Data) -> None:
    """As kbbench wrote them before they had a fixed schema: one group, types of what was there."""
    dataset = tiny_dataset("separation")
    frame = pd.read_parquet(dataset.folder / "manifest.parquet")
    frame.to_parquet(tmp_path / "old.parquet", index=False)
    rows = list(read_rows(tmp_path / "old.parquet"))
    assert rows == dataset.rows
    assert data_hash(rows) == dataset.header.data_sha256
