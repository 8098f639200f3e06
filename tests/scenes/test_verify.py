"""Verification finds what is wrong, by name, and nothing where all is well."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kbbench.audio import pcm_sha256, read_pcm, write_flac
from kbbench.corpora import load_corpora
from kbbench.files import write_parquet
from kbbench.scenes.dataset import Dataset, data_hash, read_header, write_header
from kbbench.scenes.plan import plan_hash
from kbbench.scenes.sampling import make_plan
from kbbench.scenes.verify import verify_dataset
from tests.conftest import tiny_recipe

Data = Callable[[str], Dataset]


@pytest.fixture
def copy(tmp_path: Path, tiny_dataset: Data) -> Path:
    shutil.copytree(tiny_dataset("enhancement").folder, tmp_path / "data")
    return tmp_path / "data"


def replace_stem(folder: Path, mixture: str, stem: str, change: Callable[..., np.ndarray]) -> None:
    """Change a stem and make every hash agree with it: a forgery that only physics finds."""
    path = folder / mixture / f"{stem}.flac"
    pcm = change(read_pcm(path)).astype(np.int16)
    write_flac(path, pcm)
    manifest = pd.read_parquet(folder / "manifest.parquet")
    manifest.loc[manifest["id"] == mixture, f"sha256.{stem}"] = pcm_sha256(pcm)
    manifest.to_parquet(folder / "manifest.parquet", index=False)
    header = read_header(folder)
    assert header is not None
    scene_path = folder / mixture / "scene.json"
    scene = json.loads(scene_path.read_text())
    scene["sha256"][stem] = pcm_sha256(pcm)
    scene_path.write_text(json.dumps(scene))
    sha256 = data_hash(manifest.to_dict("records"))
    write_header(folder, header.model_copy(update={"data_sha256": sha256}))


@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_all_is_as_planned(task: str, tiny_dataset: Data) -> None:
    done: list[tuple[int, int]] = []
    verdict = verify_dataset(tiny_dataset(task).folder, 1, lambda n, of: done.append((n, of)))
    assert verdict.findings == ()
    assert verdict.mixtures == 6
    assert verdict.files == 6 * (4 if task == "target_speech" else 3)
    assert 0 < verdict.rt60_error < 0.10
    assert done[-1] == (6, 6)


def test_the_plan_reads_back_as_it_was_sampled(tiny_dataset: Data) -> None:
    for task in ("separation", "target_speech", "enhancement"):
        recipe = tiny_recipe(task)
        plan = list(make_plan(recipe, load_corpora(recipe.corpora)))
        assert tiny_dataset(task).plan == plan
        assert plan_hash(tiny_dataset(task).plan) == plan_hash(plan)


def test_a_negative_zero_reads_back_as_one(copy: Path) -> None:
    plan = Dataset.open(copy).plan
    rows = [row.model_copy(update={"yaw_deg": -0.0}) for row in plan]
    write_parquet(copy / "plan.parquet", pd.DataFrame([row.model_dump() for row in rows]))
    assert plan_hash(Dataset.open(copy).plan) == plan_hash(rows) != plan_hash(plan)


def test_missing_damaged_and_swapped_files_are_all_named(copy: Path) -> None:
    (copy / "test/00000/noise.flac").unlink()
    (copy / "test/00001/noise.flac").write_bytes(b"no sound")
    shutil.copy(copy / "test/00001/source-0.flac", copy / "test/00002/source-0.flac")
    assert verify_dataset(copy, 2).findings == (
        "test/00000: noise.flac is missing",
        "test/00001: noise.flac is damaged",
        "test/00002: source-0.flac does not match its hash in the manifest",
    )


def test_a_mixture_that_is_not_the_sum_of_its_parts_is_found(copy: Path) -> None:
    replace_stem(copy, "test/00001", "mixture", lambda pcm: pcm + 1)
    assert (
        "test/00001: mixture.flac is not the sum of its parts" in verify_dataset(copy, 1).findings
    )


def test_levels_off_the_plan_are_found(copy: Path) -> None:
    noise = read_pcm(copy / "test/00001/noise.flac")
    replace_stem(copy, "test/00001", "noise", lambda pcm: 2 * pcm)
    replace_stem(copy, "test/00001", "mixture", lambda pcm: pcm + noise)
    findings = "\n".join(verify_dataset(copy, 1).findings)
    assert "test/00001: snr_db is" in findings
    assert ", planned" in findings
    assert ", the manifest says" in findings
    assert "sum of its parts" not in findings


def test_a_plan_that_was_changed_is_found(copy: Path) -> None:
    plan = pd.read_parquet(copy / "plan.parquet")
    plan.loc[5, "head"] = plan.loc[0, "head"]
    plan.to_parquet(copy / "plan.parquet", index=False)
    findings = verify_dataset(copy, 1).findings
    assert "plan.parquet: does not match dataset.json" in findings
    assert any("head" in line and "splits train and test" in line for line in findings)


def test_a_recipe_that_was_changed_is_found(copy: Path) -> None:
    header = json.loads((copy / "dataset.json").read_text())
    header["recipe"]["talkers"]["distance_m"] = [0.1, 9.0]
    (copy / "dataset.json").write_text(json.dumps(header))
    assert verify_dataset(copy, 1).findings == ("dataset.json: the recipe does not match its hash",)


def test_verification_changes_nothing(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    verify_dataset(copy, 1)
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before
