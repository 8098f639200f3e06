"""JSON from strangers, read within limits, whatever the file was made to do."""

from __future__ import annotations

import json
import math
import re
import stat
from pathlib import Path
from typing import Any

from kbbench.errors import InputError, one_line

MOST_BYTES = 16_000_000
"""Of a file. 5 000 mixtures of three sources under twelve conditions, with sound, are 12 MB."""
DEEPEST = 12
"""Nested objects and lists; a submission has 7."""
LARGEST = 1e15
"""No figure here is larger: MACs, bytes, microseconds."""
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
"""A string, or the rest of the file where it is not closed: else each quote in it is tried anew."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a file.

    Raises:
        InputError: not a plain file, too large, not UTF-8, not JSON, too deep, a key twice, NaN,
            infinity or a number that no figure here can be.
    """
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("is no plain file, expected one submission in JSON")
        if found.st_size > MOST_BYTES:
            raise ValueError(f"has {found.st_size} bytes, expected at most {MOST_BYTES}")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        return parse(data)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: {one_line(error)[:200]}") from error


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object, or a ValueError that says what is wrong with it."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"has over {MOST_BYTES} bytes")
    _check_depth(data)
    try:
        found = json.loads(
            data.decode("utf-8"),
            parse_constant=_no_constant,
            parse_float=_number,
            parse_int=_number,
            object_pairs_hook=_no_key_twice,
        )
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: line {error.lineno}: {error.msg}") from error
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")
    return found


def _check_depth(data: bytes) -> None:
    """A parser that recurses never sees a deep nest; brackets within strings are none."""
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise ValueError(f"is nested deeper than {DEEPEST}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is no number")


def _number(text: str) -> float | int:
    if len(text) > 40:
        raise ValueError(f"holds a number of {len(text)} digits")
    number = float(text)
    if not math.isfinite(number) or abs(number) > LARGEST:
        raise ValueError(f"holds the number {text}, beyond {LARGEST:g}")
    return int(text) if text.lstrip("-").isdigit() else number


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("holds a key twice")
    return found
