"""A finished dataset folder for the field's other tools.

Lhotse, Kaldi and ESPnet, a dataset card, and the dataset itself in the other form: WebDataset's tar
shards, or folders of FLAC. Exports point at the dataset's own files, and none changes them; the
last two alone hold copies.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable
from pathlib import Path

from kbbench.errors import InputError, one_line
from kbbench.files import holds_anything
from kbbench.scenes.dataset import Dataset
from kbbench.scenes.export.base import Export, Files
from kbbench.scenes.export.card import card_files
from kbbench.scenes.export.kaldi import kaldi_files
from kbbench.scenes.export.lhotse import lhotse_files
from kbbench.scenes.export.repack import folder_files, shard_files

FORMATS: dict[str, Callable[[Export], Files]] = {
    "lhotse": lhotse_files,
    "kaldi": kaldi_files,
    "card": card_files,
    "webdataset": shard_files,
    "flac": folder_files,
}
"""For each format, what makes its files."""
WITH_PATHS = ("lhotse", "kaldi")
"""Formats that name sound files, by their paths."""


def export_dataset(folder: Path, form: str, out: Path, relative: bool = False) -> list[Path]:
    """Write a dataset's description in another tool's format; all of it or nothing.

    The same dataset in the same place gives the same bytes.

    Args:
        folder: a complete dataset folder.
        form: one of ``FORMATS``.
        out: a new or empty folder, outside the dataset.
        relative: paths of sound files are relative to ``out``; else absolute.

    Returns:
        The files that were written.

    Raises:
        InputError: no such format, no complete dataset, or ``out`` cannot be used.
    """
    if form not in FORMATS:
        close = difflib.get_close_matches(form, FORMATS, n=1) or list(FORMATS)
        raise InputError(f"format {form!r}: no such format; did you mean {' or '.join(close)}?")
    if relative and form not in WITH_PATHS:
        raise InputError(f"format {form}: holds no paths to be made relative; leave --relative out")
    dataset = Dataset.open(folder)
    _check_out(out, folder)
    export = Export(dataset, out.resolve(), relative)
    try:
        names = _write(export.out, FORMATS[form](export))
    except OSError as error:
        raise InputError(f"{out}: {one_line(error)}; give a folder that can be written") from error
    return [out / name for name in names]


def _check_out(out: Path, folder: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file, expected a new or empty folder")
    if holds_anything(out):
        raise InputError(f"{out}: not empty; give a new or empty folder")
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{out}: inside the dataset {folder}; give a folder outside of it")


def _write(out: Path, files: Files) -> list[str]:
    """Write all files into a folder beside ``out``, which then takes its place."""
    partial = out.with_name(f".{out.name}.partial")
    if partial.exists():  # what a kill left
        shutil.rmtree(partial)
    names = []
    partial.mkdir(parents=True)
    try:
        for name, pieces in files:
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.writelines(pieces)
            names.append(name)
        for left in out.iterdir() if out.is_dir() else ():  # half-written files of ours alone
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return names
