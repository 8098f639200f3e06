"""What several commands take: kinds of values, and options given in more than one place."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kbbench.errors import InputError

FOLDER = click.Path(path_type=Path)
"""A folder that need not exist yet."""
LONGEST_DELAY = 1250
"""Ten seconds: later hints are no hints."""
SPEED_STEP_PERCENT = 5
"""Between the speeds of a range."""
TASKS = ("separation", "target_speech", "enhancement")
VERBOSE = "kbbench.verbose"
"""Key in Click's shared memory of one invocation."""


class Model(click.ParamType[Path]):
    """A user's Python file, or a built-in name."""

    name = "model"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        """Text to the path of a Python file."""
        from kbbench.baselines.shipped import find_model

        return find_model(Path(value))


class Delays(click.ParamType[tuple[int, ...]]):
    """Delays in chunks: ``0-6``, ``0,3,6``, or both."""

    name = "delays"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Text to ascending delays."""
        if not isinstance(value, str):
            return tuple(value)
        delays: set[int] = set()
        for piece in value.split(","):
            match = re.fullmatch(r"\s*([0-9]{1,6})(?:-([0-9]{1,6}))?\s*", piece)
            if not match:
                self.fail(f"{value!r}: expected chunks of 8 ms such as 0-6 or 0,3,6")
            first, last = int(match[1]), int(match[2] or match[1])
            if not first <= last <= LONGEST_DELAY:
                self.fail(f"{value!r}: expected ascending delays of at most {LONGEST_DELAY} chunks")
            delays.update(range(first, last + 1))
        return tuple(sorted(delays))


class Speeds(click.ParamType[tuple[int, ...]]):
    """Speeds in percent of the recorded one: ``0.9-1.1`` (in steps of 0.05), ``0.9,1``, or both."""

    name = "speeds"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Text to ascending percents."""
        if not isinstance(value, str):
            return tuple(value)
        number = r"([0-9](?:\.[0-9]{1,2})?)"
        speeds: set[int] = set()
        for piece in value.split(","):
            match = re.fullmatch(rf"\s*{number}(?:-{number})?\s*", piece)
            if not match:
                self.fail(f"{value!r}: expected speeds such as 0.9-1.1 or 0.9,1,1.1")
            first, last = (round(100 * float(text)) for text in (match[1], match[2] or match[1]))
            if last < first:
                self.fail(f"{value!r}: expected ascending speeds, such as 0.9-1.1")
            speeds.update(range(first, last + 1, SPEED_STEP_PERCENT))
        return tuple(sorted(speeds))


class Shard(click.ParamType[tuple[int, int]]):
    """``I/N``: which of how many shards."""

    name = "i/n"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """Text to (I, N)."""
        if not isinstance(value, str):
            number, count = value
            return int(number), int(count)
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            self.fail(f"{value!r}: expected I/N with I from 1 to N, such as 3/8")
        return int(match[1]), int(match[2])


class Count(click.ParamType[int]):
    """A number of mixtures, or ``all``."""

    name = "n|all"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Text to a number; ``all`` is one that no dataset has."""
        if value == "all":
            return sys.maxsize
        if not re.fullmatch(r"[1-9][0-9]{0,8}", str(value)):
            self.fail(f"{value!r}: expected a number of mixtures, or all")
        return int(value)


class NamedFolder(click.ParamType[tuple[str, Path]]):
    """``NAME=FOLDER``."""

    name = "name=folder"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Path]:
        """Text to name and folder."""
        if not isinstance(value, str):
            return tuple(value)
        name, separator, folder = value.partition("=")
        if not (name and separator and folder):
            self.fail(f"{value!r}: expected NAME=FOLDER such as librispeech=/data/LibriSpeech")
        return name, Path(folder)


def _remember_verbose(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[VERBOSE] = value


def _each_once(
    ctx: click.Context, param: click.Parameter, given: tuple[tuple[str, Path], ...]
) -> dict[str, Path]:
    names = [name for name, _ in given]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"--corpus {twice[0]}: given twice, expected one folder a corpus")
    return {name: folder.absolute() for name, folder in given}


def corpus_folders(what_for: str = "") -> Callable[[Any], Any]:
    """The option ``--corpus``: its command gets ``folders``, absolute, by name of corpus."""
    return click.option(
        "--corpus",
        "folders",
        type=NamedFolder(),
        multiple=True,
        callback=_each_once,
        metavar="NAME=FOLDER",
        help=f"Where a corpus of the recipe lies{what_for}; once for each.",
    )


model = click.argument("model", type=Model())
workers = click.option(
    "--workers", type=click.IntRange(1), default=None, help="Processes [all cores]."
)
verbose = click.option(
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_remember_verbose,
    help="Show where in the model's code an error was raised.",
)
task = click.option(
    "--task",
    type=click.Choice(TASKS),
    help="Of a file for several tasks [its own default].",
)
