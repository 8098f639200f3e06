"""A channel from text: ``NAME``, or ``NAME:option=value,option=value``."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kbbench.channel.base import Channel
from kbbench.channel.fixed import fixed, off
from kbbench.channel.gilbert_elliott import gilbert_elliott
from kbbench.channel.jitter import jitter
from kbbench.channel.trace import trace
from kbbench.errors import InputError

CHANNELS: dict[str, Callable[..., Channel]] = {
    "fixed": fixed,
    "gilbert-elliott": gilbert_elliott,
    "jitter": jitter,
    "off": off,
    "trace": trace,
}
"""What makes a channel, by name; its arguments are the options."""
WANTED: dict[Any, str] = {int: "a whole number", float: "a number", str: "text", Path: "a file"}


def parse_channel(text: str) -> Channel:
    """The channel that a text describes.

    >>> parse_channel("jitter:mean_ms=24,std_ms=8").name
    'jitter:mean_ms=24,std_ms=8'
    >>> parse_channel("fixed:delay_chunks=3").delay_chunks
    3

    Raises:
        InputError: no such channel or option, an option twice or missing, or a value that is none;
            close matches are named.
    """
    kind, _, rest = text.partition(":")
    if kind not in CHANNELS:
        raise InputError(f"channel {kind!r}: unknown, expected one of {_choices(kind, CHANNELS)}")
    factory = CHANNELS[kind]
    parameters = inspect.signature(factory, eval_str=True).parameters
    given: dict[str, Any] = {}
    for piece in rest.split(",") if rest else []:
        name, separator, value = piece.partition("=")
        if not separator:
            raise InputError(f"channel {text!r}: {piece!r}, expected option=value")
        if name not in parameters:
            raise InputError(
                f"channel {text!r}: no option {name!r}, expected {_choices(name, parameters)}"
            )
        if name in given:
            raise InputError(f"channel {text!r}: {name} given twice")
        given[name] = _convert(text, name, value, parameters[name].annotation)
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and name not in given
    ]
    if missing:
        raise InputError(
            f"channel {text!r}: {' and '.join(missing)} missing, expected "
            f"{kind}:{','.join(f'{name}=..' for name in [*given, *missing])}"
        )
    try:
        return factory(**given)
    except InputError as error:
        raise InputError(f"channel {text!r}: {error}") from error


def _convert(text: str, name: str, value: str, wanted: Callable[[str], Any]) -> Any:
    try:
        if not value:
            raise ValueError
        return wanted(value)
    except ValueError as error:
        raise InputError(
            f"channel {text!r}: {name} = {value!r}, expected {WANTED[wanted]}"
        ) from error


def _choices(wrong: str, names: Iterable[str]) -> str:
    names = list(names)
    close = difflib.get_close_matches(wrong, names, n=1)
    return ", ".join(names) + (f"; did you mean {close[0]}?" if close else "")
