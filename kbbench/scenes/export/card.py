"""A dataset card and Croissant metadata, to lie beside a dataset that is shared.

Source: https://huggingface.co/docs/hub/datasets-cards (front matter);
https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html.
"""

from __future__ import annotations

import json
from typing import Any

from kbbench.scenes.dataset import Header
from kbbench.scenes.export.base import Export, Files
from kbbench.scenes.export.croissant import croissant
from kbbench.scenes.recipe import SPLITS, Recipe, available, load_recipe
from kbbench.scenes.store import Storage

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)
"""Hugging Face's size categories and the number of rows that each stays below."""
LARGEST = "n>1M"
WHERE: dict[Storage, str] = {
    "flac": "The folder `SPLIT/INDEX` holds",
    "tar": "The tars in `SPLIT` hold, as `INDEX.NAME.flac`,",
}
"""How the card says where sound lies."""


def card_files(export: Export) -> Files:
    """``README.md`` and ``croissant.json``; both name the dataset's files as lying beside them."""
    for split in export.splits:
        for _ in export.dataset.mixtures(
            split
        ):  # a card of a folder that lacks a file would be untrue
            pass
    yield "README.md", [_readme(export.dataset.header).encode("utf-8")]
    text = json.dumps(croissant(export.dataset), indent=1, ensure_ascii=False, allow_nan=False)
    yield "croissant.json", [f"{text}\n".encode()]


def _readme(header: Header) -> str:
    parts = (_front_matter(header.recipe), _summary(header), _making(header), _licence(header))
    return "\n".join(parts)


def _front_matter(recipe: Recipe) -> str:
    total = sum(getattr(recipe.splits, split) for split in SPLITS)
    size = next((name for below, name in SIZES if total < below), LARGEST)
    return f"""---
pretty_name: {json.dumps(f"kbbench {recipe.name} version {recipe.version}")}
license: other
license_name: see-attribution
task_categories:
- audio-to-audio
size_categories:
- {size}
tags:
- audio
- binaural
- {recipe.task.replace("_", "-")}
- knowledge-boosting
configs:
- config_name: manifest
  data_files: manifest.parquet
---
"""


def _summary(header: Header) -> str:
    recipe = header.recipe
    rows = "\n".join(f"| {split} | {getattr(recipe.splits, split)} |" for split in SPLITS)
    versions = ", ".join(f"{name} {version}" for name, version in header.versions.items())
    return f"""# {recipe.name}, version {recipe.version}

{recipe.summary[:1].upper()}{recipe.summary[1:]}.
Task: {recipe.task}. Every mixture is {recipe.duration_s:g} s at 16 kHz, 16 bits, two ears;
the reference of a talker is `{recipe.target}`.
Made by kbbench {header.kbbench} with {versions}.

| split | mixtures |
|---|---:|
{rows}

`manifest.parquet` has one row a mixture: SHA-256 of the samples of each sound file, levels, room,
talkers and angles. `plan.parquet` has everything that was drawn. {WHERE[header.storage]}
each mixture's FLAC files: `mixture`, `source-0` and on (references of the wanted talkers),
`reverberation-0` and on (what a reference leaves out), `other-1` and on (other talkers), `noise`
and `enrollment`, as far as the recipe has them.

| what | SHA-256 |
|---|---|
| recipe | `{header.recipe_sha256}` |
| corpus | `{header.corpus_sha256}` |
| plan | `{header.plan_sha256}` |
| data | `{header.data_sha256}` |
"""


def _making(header: Header) -> str:
    recipe = header.recipe
    known = recipe.name in available() and load_recipe(recipe.name) == recipe
    layouts = recipe.corpora.layouts().items()
    given = "".join(f" --corpus {name}=FOLDER" for name, layout in layouts if layout.find)
    given += " --format tar" if header.storage == "tar" else ""
    source = recipe.name if known else "recipe.toml"
    first = "This recipe comes with kbbench" if known else "Save this as `recipe.toml`"
    return f"""## Make it again

{first}; the same bytes come from kbbench {header.kbbench} and the packages named above.
`kbbench verify-data` proves that a folder is what its plan says.

```
kbbench make-data {source} --out {recipe.name}{given}
```

```toml
{_toml(recipe)}```
"""


def _toml(recipe: Recipe) -> str:
    """The recipe as TOML that `kbbench make-data` reads."""
    declared = recipe.model_dump(mode="json", exclude_none=True)
    tables = {key: value for key, value in declared.items() if isinstance(value, dict)}
    lines = [f"{key} = {_value(value)}" for key, value in declared.items() if key not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """One value; JSON's spelling of text, numbers and truth is TOML's."""
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _licence(header: Header) -> str:
    """Nothing of the attribution is changed or left out: licences ask for that."""
    return f"""## Licence

{header.licence}

## Attribution

{header.attribution.rstrip()}
"""
