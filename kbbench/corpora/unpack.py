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
BLOCK = 2**20


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
    """Python's own filter refuses links and devices, and what leads outside in some other way."""

    def inside(member: tarfile.TarInfo, to: str) -> tarfile.TarInfo | None:
        _refuse_outside(archive, member.name)
        return tarfile.data_filter(member, to)

    if not hasattr(tarfile, "data_filter"):
        raise InputError(
            f"{archive}: this Python cannot unpack safely; expected 3.11.4 or newer; "
            "update Python, or unpack it by hand"
        )
    with tarfile.open(archive) as file:
        file.extractall(folder, filter=inside)
        while file.fileobj and file.fileobj.read(BLOCK):
            pass  # the checksum of a .gz stands at its end, where tarfile does not look


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            _refuse_outside(archive, name)
        file.extractall(folder)


def _refuse_outside(archive: Path, name: str) -> None:
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.anchor or ".." in (*posix.parts, *windows.parts):
        raise InputError(f"{archive}: holds {name!r}, which leads out of the folder; do not use it")


def _put(waiting: Path, folder: Path) -> None:
    """Move everything into the folder; whole folders at once where there is none of that name."""
    for item in sorted(waiting.iterdir()):
        place = folder / item.name
        if item.is_dir() and place.is_dir():
            _put(item, place)
        else:
            item.replace(place)
