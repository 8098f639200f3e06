"""The device's end of the link: a thread that owns the connection, so that no step waits for it.

Frames go into a short queue (the oldest are dropped where the link is slow), hints come out of one.
Where the connection is lost the device carries on, and the thread tries again, waiting longer each
time; a new connection begins a new stream, from the remote's state before the first chunk.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from kbbench.errors import InputError, ModelError, one_line
from kbbench.live import wire
from kbbench.live.connection import (
    OPEN_S,
    Connection,
    Met,
    Offer,
    RefusedError,
    Target,
    connect,
    greet,
    websocket_error,
)
from kbbench.live.handshake import Ended
from kbbench.live.mailbox import Arrival, Mailbox, Outgoing
from kbbench.live.samples import CODINGS, Samples

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Between two tries to connect: doubled each time, and shortened by chance, so that many devices
do not come back at once."""
READY_S = 5.0
"""That a remote has to begin a stream; then the device begins without it."""
ENROLLMENT_HEAD_BYTES = 8
"""Of the message that holds it."""
ENDED_S = 1.0
"""That a remote has to say what became of one."""


class Link:
    """A link to a remote; every method is for the device's own thread.

    Args:
        target: where the remote is.
        offer: what the device says of itself.
        lookahead: samples of a frame past its chunk.
    """

    def __init__(self, target: Target, offer: Offer, lookahead: int) -> None:
        self.target, self._offer, self._lookahead = target, offer, lookahead
        self._coding = CODINGS[offer.audio]
        self._loop = asyncio.new_event_loop()
        self._wake, self._leave = asyncio.Event(), asyncio.Event()
        self._box = Mailbox(lambda: self._tell(self._wake))
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def __enter__(self) -> Link:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> None:
        """Connect, or say why not.

        Raises:
            InputError: nobody is there, or it refuses.
        """
        self._thread.start()
        try:
            self._box.opened()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave; returns when the thread has ended."""
        if not self._loop.is_closed():
            self._tell(self._leave)
            if self._thread.ident is not None:
                self._thread.join()
            self._loop.close()

    @property
    def met(self) -> Met:
        """The remote as it introduced itself last."""
        assert self._box.met is not None, "the link is open"
        return self._box.met

    @property
    def ready(self) -> bool:
        """Frames are being sent."""
        return self._box.ready

    @property
    def connections(self) -> int:
        """How often it was connected."""
        return self._box.connections

    @property
    def unsent(self) -> int:
        """Frames that found no link, or were dropped since it was slow."""
        return self._box.unsent

    def begin(self, enrollment: Samples | None = None) -> bool:
        """A mixture begins; False where the remote is not ready in time.

        Raises:
            InputError: the link is closed for good, or the enrollment is too long for it.
        """
        encoded = b"" if enrollment is None else self._coding.encode(enrollment)
        most_bytes = self.met.welcome.message_bytes - ENROLLMENT_HEAD_BYTES
        if len(encoded) > most_bytes:
            raise InputError(
                f"an enrollment of {len(encoded)} bytes, {self.target.name} takes {most_bytes}; "
                "give --audio pcm16, or shorter ones"
            )
        self._box.begin(encoded)
        return self._box.wait_ready(READY_S)

    def restart(self, wait: bool) -> None:
        """Begin the stream anew, since it is not known any more what the remote has heard.

        Args:
            wait: until the remote is ready, for as long as it may take.

        Raises:
            InputError: the link is closed for good.
        """
        self._box.restart()
        if wait:
            self._box.wait_ready(READY_S)

    def send(self, chunk: int, frame: Samples) -> bool:
        """Send a frame (C, 128 + lookahead); False where there is no link to send it on.

        Raises:
            InputError: the link is closed for good.
        """
        return self._box.send(chunk, frame)

    def arrived(self, timeout_s: float = 0.0) -> list[Arrival]:
        """Hints that came since the last call, in order; waits for one where there is none.

        Raises:
            InputError: the link is closed for good.
        """
        return self._box.arrived(timeout_s)

    def end(self) -> Ended | None:
        """The mixture is over; what the remote says of it, where it still does."""
        return self._box.end(ENDED_S)

    def sent(self) -> list[tuple[int, int]]:
        """(chunk, bytes on the link) of all frames of the mixture that were sent."""
        return self._box.sent()

    def _tell(self, event: asyncio.Event) -> None:
        self._loop.call_soon_threadsafe(event.set)

    # What follows runs in the link's thread.

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._keep_connected())
        except Exception as error:  # the device must not wait for a thread that is gone
            what = f"{type(error).__name__}: {one_line(error)}"
            self._box.give_up(InputError(f"{self.target.name}: the link failed ({what})"))

    async def _keep_connected(self) -> None:
        """Connect, again and again, until the device leaves."""
        pause_s = FIRST_PAUSE_S
        while not self._leave.is_set() and not self._box.given_up:
            was_up = await self._until_left(self._connected())
            self._box.went_down()
            pause_s = FIRST_PAUSE_S if was_up else min(2 * pause_s, LONGEST_PAUSE_S)
            if not self._box.given_up:
                shorter = random.SystemRandom().uniform(0.5, 1.0)
                await self._until_left(asyncio.sleep(pause_s * shorter))

    async def _until_left(self, doing: Coroutine[Any, Any, Any]) -> bool:
        """Do something, but no longer than the device is here; whether it gave True."""
        tasks = [asyncio.ensure_future(doing), asyncio.ensure_future(self._leave.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return tasks[0].done() and tasks[0].result() is True
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self) -> bool:
        """One connection, from its beginning to its end; whether there was one."""
        try:
            lost = websocket_error()
            async with connect(self.target) as socket:
                async with asyncio.timeout(OPEN_S):
                    met = await greet(socket, self.target, self._offer)
                connection = Connection(socket, self.target, met, self._box.take)
                self._box.came_up(met)
                await self._talk(connection)
        except RefusedError as error:
            self._refused(error)
        except wire.WireError as error:
            self._box.give_up(InputError(f"{self.target.name}: {one_line(error)}"))
        except InputError as error:
            self._box.give_up(error)
        except (OSError, lost) as error:  # TimeoutError is an OSError
            if self._box.met is None:
                self._box.give_up(InputError(f"{self.target.name}: {_why(error)}"))
        return self._box.up

    async def _talk(self, connection: Connection) -> None:
        """Send and listen until the connection ends."""
        tasks = [
            asyncio.ensure_future(connection.run()),
            asyncio.ensure_future(self._write(connection)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, connection: Connection) -> None:
        """What the device says, before its frames."""
        last: tuple[int, int] | None = None
        while True:
            self._wake.clear()
            while (said := self._box.next_said()) is not None:
                await connection.say(said)
            frame = self._box.next_frame()
            if frame is None:
                await self._wake.wait()
                continue
            whole = self.target.transport == "udp" or last != (frame.epoch, frame.chunk - 1)
            size = await connection.send(wire.encode(self._audio(frame, whole)))
            last = (frame.epoch, frame.chunk)
            self._box.went(frame.chunk, size)

    def _audio(self, frame: Outgoing, whole: bool) -> wire.Audio:
        """A frame; where the one before it was sent as well, only what that did not hold."""
        samples = frame.samples if whole else frame.samples[:, self._lookahead :]
        encoded = self._coding.encode(samples)
        return wire.Audio(frame.epoch, frame.chunk, frame.newest, whole, encoded)

    def _refused(self, error: RefusedError) -> None:
        if self._box.up and not error.refused.later:
            self._box.give_up(ModelError(f"{self.target.name}: {error}"))
        elif self._box.met is None or not error.refused.later:
            self._box.give_up(InputError(f"{self.target.name} refuses: {error}"))


def _why(error: BaseException) -> str:
    """Why there is no connection."""
    if isinstance(error, TimeoutError):
        return "no answer; is `kbbench serve` running there?"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "nobody listens there; start `kbbench serve` first"
    return f"{one_line(error)}; is `kbbench serve` running there?"
