"""Dataset folders: the same bytes however they are made, and nothing of a user's is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kbbench.audio import write_flac
from kbbench.errors import InputError
from kbbench.scenes.dataset import Dataset
from kbbench.scenes.make import make_dataset, make_shard
from kbbench.scenes.recipe import Recipe
from tests.conftest import tiny_recipe


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_recipe(recipe: Recipe, path: Path) -> Path:
    """A recipe as TOML; JSON's scalars and arrays are TOML's."""
    lines, tables = [], []
    for key, value in recipe.model_dump(mode="json", exclude_none=True).items():
        if isinstance(value, dict):
            tables.append(f"[{key}]")
            tables += [f"{name} = {json.dumps(item)}" for name, item in value.items()]
        else:
            lines.append(f"{key} = {json.dumps(value)}")
    path.write_text("\n".join(lines + tables) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make_dataset(tiny_recipe("enhancement"), tmp_path / "data", workers=1)
    return tmp_path / "data"


@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_worker_count_does_not_change_a_byte(
    task: str, tmp_path: Path, tiny_dataset: Callable[[str], Dataset]
) -> None:
    one = tiny_dataset(task)
    two = make_dataset(tiny_recipe(task), tmp_path / "two", workers=2)
    assert two.header.data_sha256 == one.header.data_sha256
    assert contents(two.folder) == contents(one.folder)


def test_shards_merge_to_the_same_bytes(
    tmp_path: Path, tiny_dataset: Callable[[str], Dataset]
) -> None:
    recipe, one = tiny_recipe("separation"), tiny_dataset("separation")
    counts = [make_shard(recipe, tmp_path / f"m{n}", 1, (n, 4)) for n in (1, 2, 3, 4)]
    assert counts == [2, 2, 1, 1]
    with pytest.raises(InputError, match="incomplete; run `kbbench make-data"):
        Dataset.open(tmp_path / "m1")
    for number in (2, 3, 4):  # machines without a common disk: copied together
        shutil.copytree(tmp_path / f"m{number}", tmp_path / "m1", dirs_exist_ok=True)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "m1").rglob("*.flac")}
    make_dataset(recipe, tmp_path / "m1", workers=1)
    assert contents(tmp_path / "m1") == contents(one.folder)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    with pytest.raises(ValueError, match="shard 5/4: expected a number from 1 to 4"):
        make_shard(recipe, tmp_path / "m5", 1, (5, 4))


def test_a_killed_run_carries_on_to_the_same_bytes(made: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tiny_recipe("enhancement"), tmp_path / "tiny.toml")
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "kbbench", "make-data", str(recipe), "--out", str(out)]
    kills = 0
    for wait_s in (2.0, 3.0, 4.0):
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(wait_s)
        kills += process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert kills, "every run ended before it was killed: wait less"
    subprocess.run(command, check=True, capture_output=True)
    assert contents(out) == contents(made)


def test_making_it_again_changes_nothing(made: Path) -> None:
    before = contents(made)
    stamps = {path: path.stat().st_mtime_ns for path in made.rglob("*.flac")}
    make_dataset(tiny_recipe("enhancement"), made, workers=1)
    assert contents(made) == before
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_damage_is_named_and_repaired(made: Path) -> None:
    before = contents(made)
    noise, source = made / "test/00000/noise.flac", made / "test/00001/source-0.flac"
    write_flac(noise, Dataset.open(made).mixtures("test").__next__().read("mixture"))
    mixtures = list(Dataset.open(made).mixtures("test"))
    with pytest.raises(InputError, match=r"test/00000: noise.flac does not match its hash"):
        mixtures[0].read("noise")
    source.unlink()
    with pytest.raises(InputError, match=r"test/00001: source-0.flac is missing"):
        list(Dataset.open(made).mixtures("test"))
    make_dataset(tiny_recipe("enhancement"), made, workers=1)
    assert contents(made) == before


def test_a_truncated_file_is_named(made: Path) -> None:
    path = made / "test/00000/mixture.flac"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"mixture\.flac"):
        next(Dataset.open(made).mixtures("test")).read("mixture")


def test_a_changed_manifest_is_refused(made: Path) -> None:
    path = made / "manifest.parquet"
    rows = pd.read_parquet(path)
    rows.loc[0, "sha256.mixture"] = rows.loc[1, "sha256.mixture"]
    rows.to_parquet(path, index=False)
    with pytest.raises(InputError, match=r"manifest.parquet: does not match dataset.json"):
        Dataset.open(made)
    path.write_bytes(b"no parquet")
    with pytest.raises(InputError, match=r"manifest.parquet: .*; repair it with"):
        Dataset.open(made)


def test_an_incomplete_folder_says_how_to_carry_on(made: Path) -> None:
    header = json.loads((made / "dataset.json").read_text())
    (made / "dataset.json").write_text(json.dumps({**header, "complete": False}))
    with pytest.raises(InputError, match=r"incomplete; run `kbbench make-data mini-enhancement"):
        Dataset.open(made)
    (made / "dataset.json").write_text("{")
    with pytest.raises(InputError, match=r"dataset.json: damaged"):
        Dataset.open(made)
    with pytest.raises(InputError, match=r"no dataset\.json there"):
        Dataset.open(made / "test")


def test_a_folder_of_something_else_is_left_alone(made: Path, tmp_path: Path) -> None:
    before = contents(made)
    with pytest.raises(
        InputError,
        match=r"holds mini-enhancement version [0-9]+ .* expected mini-separation .* give",
    ):
        make_dataset(tiny_recipe("separation"), made, workers=1)
    assert contents(made) == before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and no kbbench dataset"):
        make_dataset(tiny_recipe("separation"), mine, workers=1)
    assert contents(mine) == {"thesis.txt": b"mine"}
    with pytest.raises(InputError, match="a file, expected a new or empty folder"):
        make_dataset(tiny_recipe("separation"), mine / "thesis.txt", workers=1)


def test_the_manifest_tells_what_is_where(tiny_dataset: Callable[[str], Dataset]) -> None:
    dataset = tiny_dataset("enhancement")
    rows = pd.read_parquet(dataset.folder / "manifest.parquet")
    assert list(rows["id"]) == [
        *(f"train/{i:05d}" for i in range(2)),
        "validation/00000",
        *(f"test/{i:05d}" for i in range(3)),
    ]
    wanted = {"snr_db", "rt60_s", "head", "talkers", "azimuths_deg", "level_lufs", "noise_kind"}
    assert wanted <= set(rows.columns)
    header = dataset.header
    assert "Licen" in header.attribution
    assert header.versions["pyroomacoustics"]
    plan = pd.read_parquet(dataset.folder / "plan.parquet")
    assert list(plan["id"]) == list(rows["id"])
