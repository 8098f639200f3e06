"""Links without randomness: a fixed delay, and none at all."""

from __future__ import annotations

import numpy as np

from kbbench.channel.base import Channel, Option
from kbbench.channel.index import NO_HINT, Seen
from kbbench.errors import InputError
from kbbench.rng import Stream
from kbbench.units import HEADLINE_DELAY


def fixed(delay_chunks: int) -> Channel:
    """Every hint arrives exactly so many chunks late; 0 is the ideal link.

    >>> fixed(2).seen(4, Stream("doc")).tolist()
    [-1, -1, 0, 1]

    Raises:
        InputError: a negative delay.
    """
    if delay_chunks < 0:
        raise InputError(f"a delay is 0 chunks or more, got {delay_chunks}")

    def schedule(chunks: int, stream: Stream) -> Seen:
        return np.maximum(np.arange(chunks, dtype=np.int64) - delay_chunks, NO_HINT)

    definition: dict[str, Option] = {"channel": "fixed", "delay_chunks": delay_chunks}
    return Channel(f"delay-{delay_chunks}", schedule, delay_chunks, definition=definition)


def off(delay_chunks: int = HEADLINE_DELAY) -> Channel:
    """No hint ever arrives; the boosted model asked for is that of ``delay_chunks``."""

    def schedule(chunks: int, stream: Stream) -> Seen:
        return np.full(chunks, NO_HINT, dtype=np.int64)

    definition: dict[str, Option] = {"channel": "off", "delay_chunks": delay_chunks}
    return Channel("hints-off", schedule, delay_chunks, never=True, definition=definition)
