"""Built-in names: each is a file that is loaded like any user's, with its weights beside it.

A folder here is what ``kbbench train --out`` wrote, without logs and checkpoints: ``triple.py`` of
folder ``separation-kb`` is called ``separation-kb``, its ``triple_film.py`` ``separation-kb-film``.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from kbbench.baselines.variants import Weights, variants_in
from kbbench.errors import InputError

FOLDER = Path(__file__).parent


class Shipped(NamedTuple):
    """A built-in triple: its file, and its weights."""

    path: Path
    weights: Weights


def shipped() -> dict[str, Shipped]:
    """The built-in triples whose weights are there, by name."""
    return {
        f"{folder.name}-{variant}" if variant else folder.name: Shipped(path, weights)
        for folder in sorted(FOLDER.iterdir())
        if folder.is_dir()
        for variant, (path, weights) in variants_in(folder).items()
        if weights.there
    }


def find_model(given: Path) -> Path:
    """The Python file that a user means: their own, or that of a built-in name.

    Args:
        given: a path, or a name from :func:`shipped`; a file of that name goes first.

    Raises:
        InputError: it can only be a name, and is none; the line says which there are.
    """
    if given.is_file() or given.name != str(given) or given.suffix:
        return given
    known = shipped()
    if given.name in known:
        return known[given.name].path
    raise InputError(
        f"{given}: no such file, and no built-in triple: {in_words(known)}; "
        "expected a Python file that defines triple(), or such a name"
    )


def in_words(known: Collection[str]) -> str:
    """Which names there are, for the line of an error."""
    return f"built in are {', '.join(known)}" if known else "none is built in yet"
