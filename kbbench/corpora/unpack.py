"""Unpacking an archive: all of it or nothing, and nothing outside the folder."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from kbbench.errors import InputError, one_line

DAMAGE = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip or .tar.* into the folder, beside what is there.

    It is unpacked under a hidden name first, and put in place only when it is whole.

    Raises:
        InputError: the archive is damaged (and then removed), holds a path that leads out of the
            folder, or there is no room.
    """
    waiting = folder / f".{archive.name}.unpacking"
    shutil.rmtree(waiting, ignore_errors=True)
    waiting.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, waiting)
        else:
            _untar(archive, waiting)
        _put(waiting, folder)
    except DAMAGE as error:
        archive.unlink()
        raise InputError(
            f"{archive}: {one_line(error)}; expected a whole archive; it is removed, the same "
            "command fetches it again"
        ) from error
    except OSError as error:
        raise InputError(
            f"{folder}: {one_line(error)}; expected to unpack {archive.name} there; make room or "
            "give another folder, the archive is kept"
        ) from error
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _untar(archive: Path, folder: Path) -> None:
    """Python's own filter refuses absolute paths, links and devices that lead outside."""
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if _leads_out(name):
                raise InputError(
                    f"{archive}: holds {name!r}, which leads out of the folder; do not use it"
                )
        file.extractall(folder)


def _leads_out(name: str) -> bool:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return posix.is_absolute() or bool(windows.anchor) or ".." in (*posix.parts, *windows.parts)


def _put(waiting: Path, folder: Path) -> None:
    """Move everything into the folder; whole folders at once where there is none of that name."""
    for item in sorted(waiting.iterdir()):
        place = folder / item.name
        if item.is_dir() and place.is_dir():
            _put(item, place)
        else:
            item.replace(place)
