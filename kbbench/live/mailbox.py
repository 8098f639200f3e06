"""What the device's thread and the link's thread hand each other; every queue in it is bounded."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from kbbench.errors import InputError
from kbbench.live import wire
from kbbench.live.connection import Met
from kbbench.live.handshake import Ended, parse
from kbbench.live.samples import Samples

OUTBOX = 8
"""Frames that wait to be sent; the oldest are dropped."""
GONE_S = 0.001
"""That a frame is given to go before the device's step begins."""
INBOX = 64
"""Hints that wait for the device's next step; the oldest are dropped."""


@dataclass(frozen=True)
class Arrival:
    """A hint that came.

    Args:
        hint: as it was sent.
        arrived_ns: when, on this machine's clock.
        size_bytes: that it took on the link.
    """

    hint: wire.Hint
    arrived_ns: int
    size_bytes: int


@dataclass(frozen=True, eq=False)
class Outgoing:
    """A frame (C, 128 + lookahead) to be sent, and what goes with it."""

    epoch: int
    chunk: int
    newest: int
    samples: Samples


class Mailbox:
    """Both threads' view of the link.

    Args:
        wake: tells the link's thread that there is something to send.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._changed = threading.Condition()
        self._fatal: InputError | None = None
        self._active = self._gone = False
        self._newest = -1
        self._enrollment = b""
        self._say: deque[bytes] = deque()
        self._outbox: deque[tuple[int, Samples]] = deque()
        self._inbox: deque[Arrival] = deque(maxlen=INBOX)
        self._sent: list[tuple[int, int]] = []
        self._ended: Ended | None = None
        self.met: Met | None = None
        self.up = self.ready = False
        self.epoch = 0
        self.connections = 0
        self.unsent = 0

    # The device's thread.

    def opened(self) -> None:
        """Wait for the first connection.

        Raises:
            InputError: there is none.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.met or self._fatal)
            self._check()

    def begin(self, enrollment: bytes) -> None:
        """A mixture begins.

        Raises:
            InputError: the link is closed for good.
        """
        with self._changed:
            self._check()
            self._enrollment, self._active, self._sent = enrollment, True, []
            self._announce()

    def restart(self) -> None:
        """Its stream begins anew."""
        with self._changed:
            self._announce()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until frames may be sent; False where they may not.

        Raises:
            InputError: the link is closed for good.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.ready or self._fatal, timeout_s)
            self._check()
            return self.ready

    def send(self, chunk: int, frame: Samples) -> bool:
        """A frame to be sent; False where there is no link to send it on.

        It is given a moment to go: a step that begins at once would keep the link's thread waiting
        for longer, and Python's threads take turns.

        Raises:
            InputError: the link is closed for good.
        """
        with self._changed:
            self._check()
            if not self.ready:
                self.unsent += 1
                return False
            self._outbox.append((chunk, frame))
            if len(self._outbox) > OUTBOX:
                self._outbox.popleft()
                self.unsent += 1
            self._gone = False
            self._wake()
            self._changed.wait_for(lambda: self._gone or not self.ready, GONE_S)
        return True

    def arrived(self, timeout_s: float) -> list[Arrival]:
        """Hints that came since the last call; waits for one where there is none.

        Raises:
            InputError: the link is closed for good.
        """
        with self._changed:
            if timeout_s > 0:
                self._changed.wait_for(lambda: self._inbox or self._fatal, timeout_s)
            self._check()
            found = list(self._inbox)
            self._inbox.clear()
        return found

    def end(self, timeout_s: float) -> Ended | None:
        """The mixture is over; what the remote says of it, where it still does."""
        with self._changed:
            self._active = self.ready = False
            self._ended = None
            self._outbox.clear()
            self._say.append(wire.encode(wire.End(self.epoch)))
            self._wake()
            self._changed.wait_for(lambda: self._ended or not self.up, timeout_s)
            return self._ended

    def sent(self) -> list[tuple[int, int]]:
        """(chunk, bytes on the link) of all frames of the mixture that were sent."""
        with self._changed:
            return list(self._sent)

    def _check(self) -> None:
        if self._fatal is not None:
            raise self._fatal

    def _announce(self) -> None:
        """A new stream; the lock is held."""
        self.epoch += 1
        self.ready, self._newest = False, -1
        self._outbox.clear()
        self._inbox.clear()
        self._say.clear()
        self._say.append(wire.encode(wire.Begin(self.epoch, self._enrollment)))
        self._wake()

    # The link's thread.

    def next_said(self) -> bytes | None:
        """What must arrive, before anything else."""
        with self._changed:
            return self._say.popleft() if self._say else None

    def next_frame(self) -> Outgoing | None:
        """The oldest frame that waits."""
        with self._changed:
            if not self._outbox:
                return None
            chunk, samples = self._outbox.popleft()
            return Outgoing(self.epoch, chunk, self._newest, samples)

    def went(self, chunk: int, size_bytes: int) -> None:
        """A frame was sent."""
        with self._changed:
            if self._active:
                self._sent.append((chunk, size_bytes))
            self._gone = not self._outbox
            self._changed.notify_all()

    def take(self, message: wire.Message, size_bytes: int) -> None:
        """A message of the remote.

        Raises:
            WireError: its fields are not those of its kind.
        """
        arrived_ns = time.monotonic_ns()
        with self._changed:
            match message:
                case wire.Hint() if self.ready and message.epoch == self.epoch:
                    self._newest = max(self._newest, message.chunk)
                    self._inbox.append(Arrival(message, arrived_ns, size_bytes))
                case wire.Ready(epoch) if self._active and epoch == self.epoch:
                    self.ready = True
                case wire.Said("ended"):
                    ended = parse(Ended, message)
                    self._ended = ended if ended.epoch == self.epoch else self._ended
            self._changed.notify_all()

    def came_up(self, met: Met) -> None:
        """There is a connection; a stream that is under way begins anew."""
        with self._changed:
            self.met, self.up = met, True
            self.connections += 1
            self._say.clear()
            if self._active:
                self._announce()
            self._changed.notify_all()

    def went_down(self) -> None:
        """There is none any more."""
        with self._changed:
            self.up = self.ready = False
            self._outbox.clear()
            self._changed.notify_all()

    def give_up(self, error: InputError) -> None:
        """There will be none; the device is told why."""
        with self._changed:
            self._fatal = self._fatal or error
            self._changed.notify_all()

    @property
    def given_up(self) -> bool:
        """The link is closed for good."""
        return self._fatal is not None
