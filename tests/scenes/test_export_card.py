"""The dataset card and its Croissant metadata say what dataset.json and the manifest say."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from kbbench.scenes.dataset import Dataset, write_header
from kbbench.scenes.export import export_dataset
from kbbench.scenes.export.croissant import FIELDS
from kbbench.scenes.recipe import Recipe, load_recipe

Data = Callable[[str], Dataset]
SPLITS = {"train": 2, "validation": 1, "test": 3}


def test_the_card_says_all(tmp_path: Path, tiny_dataset: Data) -> None:
    dataset = tiny_dataset("enhancement")
    header = dataset.header
    export_dataset(dataset.folder, "card", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    for line in ("license: other", "- audio-to-audio", "- n<1K"):
        assert line in front.splitlines()
    assert 'pretty_name: "kbbench mini-enhancement version 2"' in front
    for digest in (header.recipe_sha256, header.corpus_sha256, header.plan_sha256):
        assert digest in body
    assert header.data_sha256 is not None
    assert header.data_sha256 in body
    for split, count in SPLITS.items():
        assert f"| {split} | {count} |" in body
    assert header.licence in body
    assert header.attribution.rstrip() in body
    assert "kbbench make-data recipe.toml --out mini-enhancement\n" in body
    recipe = body.split("```toml\n")[1].split("```")[0]
    assert Recipe.model_validate(tomllib.loads(recipe)) == header.recipe


@pytest.mark.parametrize("name", ["kb-enhancement", "kb-target-speech"])
def test_the_card_of_a_known_recipe_names_it(name: str, tmp_path: Path, tiny_dataset: Data) -> None:
    folder = tmp_path / "data"
    shutil.copytree(tiny_dataset("enhancement").folder, folder)
    dataset = Dataset.open(folder)
    recipe = load_recipe(name)
    write_header(folder, dataset.header.model_copy(update={"recipe": recipe}))
    export_dataset(folder, "card", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert f"kbbench make-data {name} --out {name} --corpus " in text
    for corpus in recipe.corpora.layouts():
        assert f" --corpus {corpus}=FOLDER" in text
    declared = text.split("```toml\n")[1].split("```")[0]
    assert Recipe.model_validate(tomllib.loads(declared)) == recipe
    assert "\n- 100K<n<1M\n" in text


def test_croissant_is_the_manifest(tmp_path: Path, tiny_dataset: Data) -> None:
    dataset = tiny_dataset("target_speech")
    export_dataset(dataset.folder, "card", tmp_path / "out")
    text = (tmp_path / "out" / "croissant.json").read_text(encoding="utf-8")
    found = json.loads(text)
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert found["name"] == "kbbench-mini-target-speech"
    assert found["license"] == dataset.header.licence
    assert found["creditText"] == dataset.header.attribution
    for file in found["distribution"]:
        data = (dataset.folder / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
        assert file["contentSize"] == f"{len(data)} B"
    (records,) = found["recordSet"]
    fields = {field["name"]: field for field in records["field"]}
    assert list(fields) == list(dataset.rows[0])
    assert {name for name in fields if not name.startswith("sha256.")} <= set(FIELDS)
    assert fields["samples"]["dataType"] == "sc:Integer"
    assert fields["rt60_s"]["dataType"] == "sc:Float"
    assert fields["talkers"]["dataType"] == "sc:Text"
    assert fields["talkers"]["repeated"] is True
    for name, field in fields.items():
        assert field["source"] == {
            "fileObject": {"@id": "manifest.parquet"},
            "extract": {"column": name},
        }
