"""Built-in names: each is a file that is loaded like any user's, with its weights beside it.

A folder here is what ``kbbench train --out`` wrote, without logs and checkpoints: ``triple.py`` of
folder ``separation-kb`` is called ``separation-kb``, its ``triple_film.py`` ``separation-kb-film``.
"""

from __future__ import annotations

from pathlib import Path

from kbbench.baselines.stages import weights_name
from kbbench.baselines.weights import SUFFIX
from kbbench.errors import InputError

FOLDER = Path(__file__).parent
TRIPLE = "triple"


def shipped() -> dict[str, Path]:
    """The file of each built-in name whose weights are there, by name."""
    found = {}
    for path in sorted(FOLDER.glob(f"*/{TRIPLE}*.py")):
        small, devices, large = weights_of(path)
        if small.is_file() and large.is_file() and devices:
            kind = path.stem.removeprefix(TRIPLE).replace("_", "-")
            found[f"{path.parent.name}{kind}"] = path
    return found


def weights_of(path: Path) -> tuple[Path, list[Path], Path]:
    """Where the weights of a triple's file lie: small, devices (those there are), large."""
    stage = path.stem.removeprefix(TRIPLE).removeprefix("_") or "boosted"
    devices = sorted(path.parent.glob(f"{stage}[.@]*{SUFFIX[1:]}"))
    return path.parent / weights_name("small"), devices, path.parent / weights_name("large")


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
        return known[given.name]
    there_are = f"built in are {', '.join(known)}" if known else "none is built in yet"
    raise InputError(
        f"{given}: no such file, and no built-in triple: {there_are}; "
        "expected a Python file that defines triple(), or such a name"
    )
