"""A user's first file: a triple that works, to be changed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template

from kbbench.errors import InputError
from kbbench.files import write_text
from kbbench.models.contract import TASKS

TEMPLATE = "template.py.txt"


def new_model(name: str, task: str, folder: Path) -> Path:
    """Write ``NAME.py``, a commented triple that passes check and audit.

    Args:
        name: of the triple and its file; a Python name, ``.py`` may stand behind it.
        task: separation, target_speech or enhancement.
        folder: where the file goes.

    Returns:
        the file.

    Raises:
        InputError: not a Python name, no such task, or the file is there already.
    """
    name = name.removesuffix(".py")
    if not name.isidentifier():
        raise InputError(f"{name!r}: expected a Python name such as my_model")
    if task not in TASKS:
        raise InputError(f"task {task!r}: expected one of {', '.join(TASKS)}")
    path = folder / f"{name}.py"
    if path.exists():
        raise InputError(f"{path}: is there already, and is not written over; take another name")
    text = (files("kbbench.models") / TEMPLATE).read_text(encoding="utf-8")
    write_text(path, Template(text).substitute(name=name, task=task, file=path.name))
    return path
