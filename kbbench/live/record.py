"""What a mixture's way over the link was: when each hint arrived, and how long everything took."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from kbbench.channel.index import NO_HINT
from kbbench.channel.recording import RecordedMixture, runs_of, seen_of
from kbbench.live import wire
from kbbench.live.clock import Offset
from kbbench.live.history import Known
from kbbench.live.mailbox import Arrival

MS = 1e-6
"""A nanosecond in milliseconds."""
US_MS = 1e-3
TIMES = (
    "heard_ms",
    "sent_ms",
    "uplink_ms",
    "queue_ms",
    "remote_ms",
    "held_ms",
    "downlink_ms",
    "arrived_ms",
    "began_ms",
    "device_ms",
    "late_ms",
)
"""Columns of times, one row a chunk: when its frame was there and was sent, how long it was on its
way, waited, was computed, its hint waited and was on its way, when that arrived; when the device's
step began, how long it took, and how long after its frame it was done. Moments are from the
beginning of the mixture; what did not happen is NaN."""

Times = NDArray[np.float64]


@dataclass(eq=False)
class Watch:
    """Stamps of a mixture as it runs.

    Args:
        chunks: K.
        offset: of the remote's clock.
        oldest_chunks: a hint that is older counts as none.
        began_ns: when the mixture did.
    """

    chunks: int
    offset: Offset
    oldest_chunks: int
    began_ns: int
    known: Known = field(init=False)
    arrival: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.known = Known(self.chunks)
        self.arrival = np.full(self.chunks, NO_HINT, dtype=np.int64)
        self._heard, self._sent, self._began, self._done = (
            np.zeros(self.chunks, dtype=np.int64) for _ in range(4)
        )
        self._stamps: dict[int, Arrival] = {}
        self._latest: Arrival | None = None

    def heard(self, chunk: int, ns: int) -> None:
        """A frame is there."""
        self._heard[chunk] = ns

    def sent(self, chunk: int, ns: int) -> None:
        """It was handed to the link."""
        self._sent[chunk] = ns

    def take(self, arrivals: list[Arrival], step: int) -> bool:
        """Hints that may be used from a step on; False where it is not known what one rests on."""
        whole = True
        for arrival in arrivals:
            hint = arrival.hint
            told = self.known.take(hint.epoch, hint.chunk, hint.heard, hint.history)
            whole = whole and told
            if not told or hint.chunk > step or self.arrival[hint.chunk] != NO_HINT:
                continue
            self.arrival[hint.chunk] = step
            self._stamps[hint.chunk] = replace(arrival, hint=replace(hint, values=b""))
            if hint.chunk > self.answered:
                self._latest = arrival
            sent_ns = int(self._sent[hint.chunk])
            answered_ns = hint.received_ns + _spent_ns(hint)
            self.offset.add(sent_ns, hint.received_ns, answered_ns, arrival.arrived_ns)
        return whole

    def newest(self, step: int) -> Arrival | None:
        """The hint to use at a step."""
        old = self._latest is None or step - self._latest.hint.chunk > self.oldest_chunks
        return None if old else self._latest

    @property
    def answered(self) -> int:
        """The newest chunk whose hint has arrived, or -1."""
        return NO_HINT if self._latest is None else self._latest.hint.chunk

    def stepped(self, chunk: int, began_ns: int, done_ns: int) -> None:
        """The device's step."""
        self._began[chunk], self._done[chunk] = began_ns, done_ns

    @property
    def seen(self) -> NDArray[np.int64]:
        """The hint that was used at each step."""
        return seen_of(self.arrival, self.oldest_chunks)

    def times(self) -> dict[str, Times]:
        """The columns of ``TIMES``, each (K,)."""
        nothing = np.full(self.chunks, np.nan)
        columns = {name: nothing.copy() for name in TIMES}
        columns["heard_ms"] = self._since(self._heard)
        columns["sent_ms"] = np.where(self._sent > 0, self._since(self._sent), np.nan)
        columns["began_ms"] = self._since(self._began)
        columns["device_ms"] = (self._done - self._began) * MS
        columns["late_ms"] = (self._done - self._heard) * MS
        for chunk, arrival in self._stamps.items():
            hint = arrival.hint
            received_ns = hint.received_ns - self.offset.ns
            columns["uplink_ms"][chunk] = (received_ns - self._sent[chunk]) * MS
            columns["queue_ms"][chunk] = hint.queue_us * US_MS
            columns["remote_ms"][chunk] = hint.remote_us * US_MS
            columns["held_ms"][chunk] = hint.held_us * US_MS
            columns["downlink_ms"][chunk] = (
                arrival.arrived_ns - received_ns - _spent_ns(hint)
            ) * MS
            columns["arrived_ms"][chunk] = (arrival.arrived_ns - self.began_ns) * MS
        return columns

    def bytes_down(self) -> NDArray[np.int64]:
        """Of each hint that arrived, (K,)."""
        sizes = np.zeros(self.chunks, dtype=np.int64)
        for chunk, arrival in self._stamps.items():
            sizes[chunk] = arrival.size_bytes
        return sizes

    def _since(self, stamps: NDArray[np.int64]) -> Times:
        return np.asarray((stamps - self.began_ns) * MS, dtype=np.float64)

    def recorded(self, estimates: NDArray[np.float32]) -> RecordedMixture:
        """The mixture as it stands in a trace.

        Sessions are numbered from 0, so that two runs that went alike are recorded alike.
        """
        sessions = self.known.sessions
        numbers = {int(session): n for n, session in enumerate(np.unique(sessions[sessions >= 0]))}
        counted = np.array([numbers.get(int(session), NO_HINT) for session in sessions])
        return RecordedMixture(
            chunks=self.chunks,
            arrival=tuple(self.arrival.tolist()),
            heard=runs_of(counted),
            estimates_sha256=estimates_sha256(estimates),
        )


def _spent_ns(hint: wire.Hint) -> int:
    """That a hint and its frame were with the remote."""
    return 1000 * (hint.queue_us + hint.remote_us + hint.held_us)


def estimates_sha256(estimates: NDArray[np.float32]) -> str:
    """Hash of estimates (S, C, T): equal to the last bit, or not."""
    data = np.ascontiguousarray(estimates, dtype="<f4").tobytes()
    return hashlib.sha256(data).hexdigest()
