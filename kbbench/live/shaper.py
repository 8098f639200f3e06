"""A link within a process: what a network would do to each message, drawn from a seed.

Two kinds of transport differ in what a loss is. Datagrams are gone, and may overtake each other. On
a connection (TCP) nothing is lost or overtaken: a lost segment comes a round trip later (fast
retransmit), and all that was sent after it waits for it.

Source: Allman et al., RFC 5681, "TCP Congestion Control", 2009, section 3.2 (fast retransmit).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from kbbench.channel.jitter import DISTRIBUTIONS, LEAST_UNIT, NO_SPREAD_MS
from kbbench.live.network import Network, Way
from kbbench.rng import Stream

Item = TypeVar("Item")
BUFFER_S = 0.05
"""What waits for a slow link before more is refused; a longer queue would only make hints older."""
DRAWN = 256
"""Times drawn at once."""
LEAST_STEP_S = 1e-6
"""Between two arrivals in order."""
MOST_ON_THE_WAY = 4096
"""Messages; ten seconds of chunks, and more than any preset holds."""


@dataclass(frozen=True)
class Fate:
    """What becomes of a message: when it arrives, or None where it is lost."""

    arrives_s: float | None


class Line:
    """One direction, as a function of time alone; whoever uses it does the waiting.

    Args:
        way: what it does.
        back_ms: mean time of the other way, for a loss on a connection.
        stream: what is drawn comes from.
        ordered: a connection; else datagrams.
    """

    def __init__(self, way: Way, back_ms: float, stream: Stream, ordered: bool) -> None:
        self._way, self._stream, self._ordered = way, stream, ordered
        self._again_s = (way.mean_ms + back_ms) / 1000
        self._free_s = self._last_s = -np.inf
        self._drawn: list[float] = []

    def backlog_s(self, now_s: float) -> float:
        """How long a message would wait before its first bit goes."""
        return max(self._free_s - now_s, 0.0)

    def send(self, size_bytes: int, now_s: float) -> Fate:
        """The fate of a message that is handed over now."""
        rate = self._way.rate_kbit_s
        wire_s = 0.0 if rate is None else size_bytes * 8 / (rate * 1000)
        self._free_s = max(self._free_s, now_s) + wire_s
        arrives_s = self._free_s + self._latency_s()
        while self._stream.unit() < self._way.loss:
            if not self._ordered:
                return Fate(None)
            arrives_s += self._again_s
        if self._ordered:
            arrives_s = max(arrives_s, self._last_s + LEAST_STEP_S)
        self._last_s = max(arrives_s, self._last_s)
        return Fate(arrives_s)

    def _latency_s(self) -> float:
        way = self._way
        if way.std_ms < NO_SPREAD_MS:
            return way.mean_ms / 1000
        if not self._drawn:
            units = np.maximum(self._stream.units(DRAWN), LEAST_UNIT)
            above = DISTRIBUTIONS[way.distribution](units, way.mean_ms - way.least_ms, way.std_ms)
            self._drawn = ((way.least_ms + np.maximum(above, 0.0)) / 1000).tolist()
        return self._drawn.pop()


def make_line(
    network: Network, direction: Literal["up", "down"], ordered: bool, part: str = ""
) -> Line:
    """A line of a network; what it draws depends on its seed, direction and part alone."""
    way, back = (network.up, network.down) if direction == "up" else (network.down, network.up)
    stream = Stream("live", direction, part, network.seed)
    return Line(way, back.mean_ms, stream, ordered)


class Delayed(Generic[Item]):
    """Messages on their way: each is handed on when its time has come.

    Args:
        line: of the network; None hands everything on at once.
        deliver: called in the event loop.
    """

    def __init__(self, line: Line | None, deliver: Callable[[Item], None]) -> None:
        self._line, self._deliver = line, deliver
        self._on_the_way = 0
        self.lost = 0
        self.refused = 0

    async def put(self, item: Item, size_bytes: int) -> None:
        """Hand over, once there is room: what a connection does to its sender."""
        while self._line is not None and (wait_s := self._full_s(self._line)) > 0:
            await asyncio.sleep(wait_s)
        self._send(item, size_bytes)

    def offer(self, item: Item, size_bytes: int) -> None:
        """Hand over; where there is no room it is gone, as datagrams are."""
        if self._line is not None and self._full_s(self._line) > 0:
            self.refused += 1
        else:
            self._send(item, size_bytes)

    def _full_s(self, line: Line) -> float:
        """Seconds until there is room again; 0 where there is."""
        waiting_s = line.backlog_s(asyncio.get_running_loop().time()) - BUFFER_S
        return max(waiting_s, 0.001 if self._on_the_way >= MOST_ON_THE_WAY else 0.0)

    def _send(self, item: Item, size_bytes: int) -> None:
        if self._line is None:
            self._deliver(item)
            return
        loop = asyncio.get_running_loop()
        fate = self._line.send(size_bytes, loop.time())
        if fate.arrives_s is None:
            self.lost += 1
            return
        self._on_the_way += 1
        loop.call_at(fate.arrives_s, self._arrive, item)

    def _arrive(self, item: Item) -> None:
        self._on_the_way -= 1
        self._deliver(item)
