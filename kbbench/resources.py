"""Where the recipes, example models and the mini corpus lie: in a checkout, or in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def recipes_folder() -> Path:
    """The ``recipes`` folder: the wheel's own copy, or the one beside the package."""
    installed = _PACKAGE / "_recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "recipes"
