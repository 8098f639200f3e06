"""When a chunk is there: after 8 ms each, or at once; and two machines' clocks.

``time.monotonic_ns`` is one clock for all processes of a machine. Between two machines the offset
is estimated as NTP does it, from the exchange with the shortest round trip: it is off by half of
that trip at most, and wrong by half of what the two ways differ.

Source: Mills et al., RFC 5905, "Network Time Protocol Version 4", 2010, sections 8 and 10.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from kbbench.units import CHUNK, SAMPLE_RATE

ClockName = Literal["real", "fast"]
BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Where Linux names the time since it was started."""
SAMPLE_NS = 1_000_000_000 // SAMPLE_RATE
"""62 500: exact."""


SWITCH_S = 5e-4
"""How long a thread of Python may keep others waiting; the default of 5 ms is most of a chunk."""


@contextmanager
def prompt_threads() -> Iterator[None]:
    """Within, threads give way to each other in half a millisecond."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Clock(Protocol):
    """Tells when frames are there."""

    def start(self) -> None:
        """The first sample comes now."""

    def wait(self, chunk: int) -> int:
        """Wait until the frame of a chunk is there; when it was, in nanoseconds."""


class RealClock:
    """In real time: frame k is there once its last sample is.

    Args:
        lookahead: samples of a frame past its chunk.
    """

    def __init__(self, lookahead: int) -> None:
        self._lookahead = lookahead
        self.start()

    def start(self) -> None:
        """The first sample comes now."""
        self._began_ns = time.monotonic_ns()

    def wait(self, chunk: int) -> int:
        """Sleep until the frame is there."""
        due_ns = self._began_ns + ((chunk + 1) * CHUNK + self._lookahead) * SAMPLE_NS
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            time.sleep(left_ns / 1e9)
        return due_ns


class FastClock:
    """Every frame is there at once."""

    def start(self) -> None:
        """Nothing to begin."""

    def wait(self, chunk: int) -> int:
        """Now."""
        return time.monotonic_ns()


def make_clock(name: ClockName, lookahead: int) -> Clock:
    """The clock of a name."""
    return RealClock(lookahead) if name == "real" else FastClock()


def machine(nonce: str) -> str:
    """What is the same for two processes of one machine, and tells nobody which machine it is.

    Empty where the system does not say.
    """
    try:
        return hashlib.sha256(BOOT.read_bytes() + nonce.encode()).hexdigest()[:16]
    except OSError:
        return ""


class Offset:
    """The remote's clock against the device's.

    Args:
        same: both are one clock.
    """

    def __init__(self, same: bool) -> None:
        self.same = same
        self._best: tuple[int, int] | None = None

    def add(self, sent_ns: int, received_ns: int, answered_ns: int, arrived_ns: int) -> None:
        """One exchange: sent and arrived on the device's clock, the others on the remote's."""
        trip_ns = (arrived_ns - sent_ns) - (answered_ns - received_ns)
        offset_ns = ((received_ns - sent_ns) + (answered_ns - arrived_ns)) // 2
        if trip_ns >= 0 and (self._best is None or trip_ns < self._best[0]):
            self._best = (trip_ns, offset_ns)

    @property
    def ns(self) -> int:
        """To be taken from the remote's stamps to have them on the device's clock."""
        return 0 if self.same or self._best is None else self._best[1]

    @property
    def bound_ns(self) -> int:
        """It is off by so much at most."""
        return 0 if self.same or self._best is None else self._best[0] // 2
