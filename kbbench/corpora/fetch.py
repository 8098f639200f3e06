"""Fetching one file over HTTP: it is whole and right, or there is a reason, and nothing is lost.

requests does the talking; what it leaves to its callers is here: to carry on where a connection was
cut (Range), to go on to the next mirror, and to believe nothing that has another checksum.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import requests

from kbbench.corpora.layout import Archive
from kbbench.errors import InputError, one_line

TRIES = 5
"""Times in a row that a mirror may bring nothing new, before it is given up."""
WAIT_S = 2.0
"""Before a second try; twice as long before each further one."""
TIMEOUT_S = (15.0, 60.0)
"""To connect, and without a byte."""
BLOCK = 2**16
"""Bytes written at a time; a cut connection loses up to so many, asked for again."""

Progress = Callable[[int, int], None]
"""Called with (bytes there, bytes in all; 0 where the server does not tell)."""


class _RefusedError(Exception):
    """A mirror will not help: another one may."""


def fetch(
    archive: Archive,
    folder: Path,
    progress: Progress = lambda done, total: None,
    wait_s: float = WAIT_S,
) -> Path:
    """The archive in the folder, its checksum right.

    A part that is there already is carried on with, after a cut connection and in a later run.

    Raises:
        InputError: no mirror gave it; the message says what each did.
    """
    target = folder / archive.name
    partial = folder / f".{archive.name}.partial"
    folder.mkdir(parents=True, exist_ok=True)
    if target.is_file() and _wrong(archive, target) is None:
        return target
    reasons = []
    for url in archive.urls:
        tries = 2 if partial.exists() else 1  # the part that was there may be the wrong one
        for _ in range(tries):
            try:
                _from_mirror(url, partial, progress, wait_s)
            except _RefusedError as reason:
                reasons.append(f"{url}: {reason}")
                break
            wrong = _wrong(archive, partial)
            if wrong is None:
                return partial.replace(target)
            partial.unlink()
            reasons.append(f"{url}: {wrong}")
    raise InputError(
        f"{archive.name}: no mirror gave it ({'; '.join(reasons)}); "
        "try again later, the same command carries on"
    )


def _wrong(archive: Archive, path: Path) -> str | None:
    """What is wrong with the file's checksum; None where nothing is, or none is published."""
    if archive.checksum is None:
        return None
    kind, _, expected = archive.checksum.partition(":")
    with path.open("rb") as file:
        got = hashlib.file_digest(file, kind).hexdigest()
    return None if got == expected else f"{kind} {got}, expected {expected}"


def _from_mirror(url: str, partial: Path, progress: Progress, wait_s: float) -> None:
    """Bring the partial file to its end; only tries that bring nothing new are counted.

    Raises:
        _RefusedError: too many of them, or the server says no.
    """
    idle, reason = 0, ""
    while idle < TRIES:
        before = _size(partial)
        try:
            _request(url, partial, progress)
            return
        except (requests.RequestException, OSError) as error:
            reason = one_line(error)
            idle = 0 if _size(partial) > before else idle + 1
            if idle < TRIES:
                time.sleep(wait_s * 2 ** max(idle - 1, 0))
    raise _RefusedError(f"{TRIES} tries brought nothing: {reason}")


def _request(url: str, partial: Path, progress: Progress) -> None:
    """One request, for what is not there yet.

    Raises:
        _RefusedError: the server says no.
        requests.RequestException: the connection failed, or was cut.
    """
    have = _size(partial)
    headers = {"Accept-Encoding": "identity"}  # or a .tar.gz may arrive unpacked
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as reply:
        if reply.status_code == requests.codes.requested_range_not_satisfiable:
            if _total(reply) == have:
                return
            partial.unlink()
            raise requests.ConnectionError("the part that was there is longer than the file")
        if reply.status_code >= 500 or reply.status_code == requests.codes.too_many_requests:
            raise requests.ConnectionError(f"status {reply.status_code}")
        if reply.status_code not in (requests.codes.ok, requests.codes.partial_content):
            raise _RefusedError(f"status {reply.status_code}")
        begin = _begin(reply)
        if begin not in (0, have):
            raise _RefusedError(f"sent bytes from {begin}, asked for {have}")
        _write(reply, partial, begin, progress)


def _write(reply: requests.Response, partial: Path, begin: int, progress: Progress) -> None:
    """Append, or begin anew where the server cannot do less than the whole file."""
    total, done = _total(reply), begin
    with partial.open("ab" if begin else "wb") as file:
        for block in reply.iter_content(BLOCK):
            file.write(block)
            done += len(block)
            progress(done, total)
    if total and done != total:
        raise requests.ConnectionError(f"cut off after {done} of {total} bytes")


def _begin(reply: requests.Response) -> int:
    """The first byte that the reply holds."""
    if reply.status_code != requests.codes.partial_content:
        return 0
    match = re.match(r"bytes ([0-9]+)-", reply.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _total(reply: requests.Response) -> int:
    """Bytes of the whole file; 0 where the server does not tell."""
    match = re.search(r"/([0-9]+)$", reply.headers.get("Content-Range", ""))
    if match:
        return int(match[1])
    return int(reply.headers.get("Content-Length", 0)) if reply.ok else 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
