"""From files of submissions to tables and site, all of it new or all of it as it was."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kbbench.errors import InputError
from kbbench.leaderboard.complete import lacks
from kbbench.leaderboard.lines import TASKS, lines_of
from kbbench.leaderboard.rank import rank
from kbbench.leaderboard.reproduce import read_reproductions
from kbbench.leaderboard.site import build_site
from kbbench.leaderboard.site.build import MARKED, MARKER
from kbbench.leaderboard.submission import SUFFIX, Submission, read_submission
from kbbench.leaderboard.tables import CSV_HEAD, MARK, MARKDOWN, csv_name, markdown

SITE = "site"
STAGING = ".kbbench-build"
MOST_TOLD = 5
"""Problems that are told one by one."""
FIRST_LINES = {
    MARKDOWN: MARK,
    **{csv_name(task): ",".join(CSV_HEAD[:3]) for task in TASKS},
}
"""How the tables of a build begin: by it the next build knows them."""


@dataclass(frozen=True)
class Built:
    """What a build wrote: rows, tracks, and the site's first page."""

    rows: int
    tracks: int
    page: Path


def build(submissions: Path, reproductions: Path, out: Path) -> Built:
    """Build tables and site from all submissions of a folder.

    Args:
        submissions: folder of JSON files; others in it are passed over.
        reproductions: folder of what came of running some again; it need not be there.
        out: where tables and site go. What an earlier build wrote there is replaced, and nothing
            else is touched.

    Raises:
        InputError: submissions that cannot be read or do not rank, all in one line; or something
            in ``out`` that no build wrote stands in the way. Nothing is changed then.
    """
    _check_ours(out)
    found = _read_all(submissions)
    again = read_reproductions(reproductions)
    board = rank(found, frozenset(sha256 for sha256, one in again.items() if one.reproduced))
    lines = lines_of(board)
    try:
        with _staging(out) as staging:
            build_site(board, again, staging / SITE)
            for task in TASKS:
                shutil.copyfile(staging / SITE / csv_name(task), staging / csv_name(task))
            (staging / MARKDOWN).write_text(markdown(lines), encoding="utf-8")
            _swap(staging / SITE, out / SITE, staging / "old")
            for name in FIRST_LINES:
                (staging / name).replace(out / name)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from error
    return Built(len(lines), len(board.tracks), out / SITE / "index.html")


def _read_all(folder: Path) -> list[Submission]:
    """All submissions of a folder, or an error that names all that are wrong."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with submissions")
    found, problems = [], []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            submission = read_submission(path)
        except InputError as error:
            problems.append(str(error))
            continue
        found.append(submission)
        if lacking := [*lacks(submission)]:
            problems.append(f"{path}: {lacking[0]}")
    if problems:
        told = "; ".join(problems[:MOST_TOLD])
        more = f"; and {len(problems) - MOST_TOLD} more files" * (len(problems) > MOST_TOLD)
        raise InputError(f"{told}{more}. `kbbench leaderboard validate` says all of it")
    return found


def _check_ours(out: Path) -> None:
    """Whatever a build would replace was written by one.

    Raises:
        InputError: something there is somebody's own.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file, expected a folder")
    for name, first_line in FIRST_LINES.items():
        path = out / name
        if os.path.lexists(path) and not _begins(path, first_line):
            raise InputError(f"{path}: no build wrote it, and a build would replace it; move it")
    for path in _strangers(out / SITE):
        raise InputError(f"{path}: no build wrote it, and a build would remove it; move it")


def _begins(path: Path, first_line: str) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(first_line.encode())) == first_line.encode()


def _strangers(site: Path) -> Iterator[Path]:
    """What lies in a site's folder and its own list does not name."""
    if not os.path.lexists(site):
        return
    if site.is_symlink() or not site.is_dir():
        yield site
        return
    listed = _listed(site / MARKER)
    for folder, folders, files in os.walk(site):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*links, *files]):
            path = Path(folder) / name
            if path.is_symlink() or path.relative_to(site).as_posix() not in listed:
                yield path


def _listed(marker: Path) -> frozenset[str]:
    if not _begins(marker, MARKED):
        return frozenset()
    return frozenset(marker.read_text(encoding="utf-8", errors="replace").splitlines()[1:])


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """A folder beside what it will replace; what a killed build left of one is cleared away."""
    out.mkdir(parents=True, exist_ok=True)
    _remove(out.glob(f"{STAGING}.*.partial"))
    staging = out / f"{STAGING}.{secrets.token_hex(4)}.partial"
    staging.mkdir()
    try:
        yield staging
    finally:
        _remove([staging])


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)


def _swap(new: Path, old: Path, retired: Path) -> None:
    """A folder takes the place of another one, which is back where that fails."""
    if old.is_dir():
        old.rename(retired)
    try:
        new.rename(old)
    except BaseException:
        if retired.is_dir():
            retired.rename(old)
        raise
