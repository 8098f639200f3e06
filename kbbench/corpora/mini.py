"""The embedded mini corpus: real recordings that come with kbbench (recipes/mini-corpus)."""

from __future__ import annotations

import csv
from pathlib import Path

from kbbench.corpora.base import Corpus, Head, NoiseRecording, Utterance
from kbbench.corpora.layout import Layout
from kbbench.errors import InputError
from kbbench.resources import recipes_folder

MINI = Layout(
    name="mini",
    title="20 talkers in 12 languages, ambience, music and heads; comes with kbbench",
    parts=frozenset({"speech", "babble", "noise", "heads"}),
    licence="several free licences, CC BY-SA among them: see attribution",
    commercial=True,
    size_bytes=0,
    home="",
    attribution="",
    find=None,
)


def load(root: Path | None = None) -> Corpus:
    """The mini corpus, every file of it there.

    Args:
        root: a folder of the same layout instead.

    Raises:
        InputError: a file of it is missing.
    """
    root = root or recipes_folder() / "mini-corpus"
    return Corpus(
        name="mini",
        utterances=tuple(
            Utterance(
                id=Path(row["path"]).stem,
                talker=row["talker"],
                split=row["split"],
                role=row["role"],
                path=_existing(root, row["path"]),
                samples=int(row["samples"]),
                sha256=row["sha256"],
            )
            for row in _table(root, "speech.csv")
        ),
        noises=tuple(
            NoiseRecording(
                id=row["noise"],
                split=row["split"],
                path=_existing(root, row["path"]),
                samples=int(row["samples"]),
                sha256=row["sha256"],
            )
            for row in _table(root, "noise.csv")
        ),
        heads=tuple(
            Head(
                id=row["head"],
                split=row["split"],
                path=_existing(root, row["path"]) if row["kind"] == "sofa" else None,
                radius_m=float(row["radius_m"]) if row["kind"] == "sphere" else None,
            )
            for row in _table(root, "heads.csv")
        ),
        licence=MINI.licence,
        attribution=_existing(root, "LICENSES.md").read_text(encoding="utf-8"),
    )


def _table(root: Path, name: str) -> list[dict[str, str]]:
    with _existing(root, name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _existing(root: Path, name: str) -> Path:
    path = root / name
    if not path.is_file():
        raise InputError(f"{path}: missing; the mini corpus is incomplete, install kbbench again")
    return path
