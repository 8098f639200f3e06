"""Modules that a user's file imports: its neighbours, as in a script, and their hashes."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kbbench.models.sources import file_sha256

INSTALLED = ("site-packages", "dist-packages")
"""Folders of packages that are installed, even where the environment lies beside the file."""
OURS = "kbbench"


@contextmanager
def folder_importable(folder: Path) -> Iterator[None]:
    """The user's file may import its neighbours, as a script may."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def take_local_imports(user_file: Path, names: Iterable[str]) -> dict[str, str]:
    """Hash the user's own modules, wherever they lie: those that nobody installed.

    Those in the folder of the file are forgotten: the next file may have others of these names.

    Args:
        user_file: resolved.
        names: of the modules that came with it.
    """
    found = {}
    for name in sorted(names):
        file = getattr(sys.modules.get(name), "__file__", None)
        path = Path(file).resolve() if file else user_file
        if path == user_file or not path.is_file() or not _own(name, path):
            continue
        found[name] = file_sha256(path)
        if path.is_relative_to(user_file.parent):
            del sys.modules[name]
    return found


def _own(name: str, path: Path) -> bool:
    if name.partition(".")[0] == OURS or any(folder in path.parts for folder in INSTALLED):
        return False
    libraries = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib")}
    return not any(path.is_relative_to(Path(folder).resolve()) for folder in libraries)
