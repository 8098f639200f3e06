"""One device at the server: its messages in, its hints out, and nothing waits without bound."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from kbbench.errors import ModelError
from kbbench.live import wire
from kbbench.live.compute import NS_IN_US, Computer, Stream, Waiting
from kbbench.live.handshake import Ended, Hello, Refused
from kbbench.live.limits import Bucket, Limits
from kbbench.live.samples import CODINGS, Frames, as_tensor

Send = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Made:
    """A hint, and when it was ready, on the event loop's clock."""

    hint: wire.Hint
    ready_ns: int


class Session:
    """A device that was welcomed.

    Args:
        hello: what it agreed to.
        computer: that steps its stream.
        limits: of the server.
        control: sends a message that must arrive, in order.
        send: sends a hint, which may get lost.
    """

    def __init__(
        self, hello: Hello, computer: Computer, limits: Limits, control: Send, send: Send
    ) -> None:
        self._hello, self._computer, self._limits = hello, computer, limits
        self._control, self._send = control, send
        self._loop = asyncio.get_running_loop()
        self._coding = CODINGS[hello.audio]
        self._stream: Stream | None = None
        self._frames = self._new_frames()
        self._said: dict[str, bytes] = {}
        self._out: deque[Made] = deque()
        self._on_the_way: deque[tuple[int, float]] = deque()
        self._wake = asyncio.Event()
        self._dropped_hints = 0
        self._torn = 0
        self.bucket = Bucket(limits.rate_per_s, limits.burst)
        self.heard_s = self._loop.time()
        self.failed: asyncio.Future[Refused] = self._loop.create_future()

    def take(self, message: wire.Message) -> None:
        """A message of the device.

        Raises:
            WireError: it does not fit here.
        """
        self.heard_s = self._loop.time()
        match message:
            case wire.Begin(epoch, enrollment):
                self._begin(epoch, enrollment)
            case wire.Audio():
                self._hear(message)
            case wire.End(epoch):
                self._end(epoch)
            case _:
                raise wire.WireError(f"a device does not send {type(message).__name__.lower()}")

    async def answer(self) -> None:
        """Send what there is to say, and hints as they come, the oldest first, until cancelled."""
        while True:
            while self._said:
                await self._control(self._said.pop(next(iter(self._said))))
            if self._out and self._room():
                await self._send_hint(self._out.popleft())
                continue
            self._wake.clear()
            # What is on its way may be forgotten with time, and nobody tells of that.
            await self._woken(self._limits.forgotten_s / 8 if self._out else None)

    async def _send_hint(self, made: Made) -> None:
        held_us = (time.monotonic_ns() - made.ready_ns) // NS_IN_US
        self._on_the_way.append((made.hint.chunk, self._loop.time()))
        await self._send(wire.encode(replace(made.hint, held_us=held_us)))

    def close(self) -> None:
        """Let go of the stream."""
        if self._stream is not None:
            self._computer.end(self._stream)
            self._stream = None

    def _begin(self, epoch: int, enrollment: bytes) -> None:
        self.close()
        self._frames = self._new_frames()
        self._out.clear()
        self._on_the_way.clear()
        self._dropped_hints = self._torn = 0
        stream = Stream(epoch, self._limits.queue, done=lambda made: None)
        stream.done = lambda made: self._from_thread(stream, made)
        if enrollment:
            try:
                stream.enrollment = as_tensor(self._coding.decode(enrollment, 1))
            except ValueError as error:
                raise wire.WireError("an enrollment that is no sound") from error
        self._stream = stream
        self._computer.begin(stream)

    def _hear(self, message: wire.Audio) -> None:
        received_ns = time.monotonic_ns()
        stream = self._stream
        if stream is None or message.epoch != stream.epoch:
            return  # of a stream that is over: it was on its way
        self._acknowledge(message.newest)
        try:
            samples = self._frames.add(message.chunk, message.whole, message.samples)
        except ValueError as error:
            raise wire.WireError(str(error)) from error
        if samples is None:
            self._torn += 1
            return
        self._computer.push(stream, Waiting(message.chunk, as_tensor(samples), received_ns))

    def _end(self, epoch: int) -> None:
        stream = self._stream
        if stream is None or stream.epoch != epoch:
            return
        self.close()
        self._out.clear()
        ended = Ended(
            epoch=epoch,
            heard=stream.told.heard,
            dropped_frames=stream.dropped,
            late_frames=stream.late + self._torn,
            dropped_hints=self._dropped_hints,
        )
        self._say("ended", wire.encode(ended.said()))

    def _from_thread(self, stream: Stream, made: wire.Hint | ModelError | None) -> None:
        ready_ns = time.monotonic_ns()
        try:
            self._loop.call_soon_threadsafe(self._made, stream, made, ready_ns)
        except RuntimeError:  # the loop is closed: the server is going
            return

    def _made(self, stream: Stream, made: wire.Hint | ModelError | None, ready_ns: int) -> None:
        if stream is not self._stream:
            return
        if isinstance(made, ModelError):
            if not self.failed.done():
                self.failed.set_result(Refused.because(made))
        elif made is None:
            self._say("ready", wire.encode(wire.Ready(stream.epoch)))
        else:
            self._out.append(Made(made, ready_ns))
            if len(self._out) > self._limits.queue:
                self._out.popleft()
                self._dropped_hints += 1
            self._wake.set()

    def _say(self, kind: str, message: bytes) -> None:
        """To be sent before any hint; the last one of a kind is enough."""
        self._said[kind] = message
        self._wake.set()

    def _acknowledge(self, newest: int) -> None:
        while self._on_the_way and self._on_the_way[0][0] <= newest:
            self._on_the_way.popleft()
        self._wake.set()

    def _room(self) -> bool:
        """Few enough hints are on their way; what was sent long ago is not."""
        gone_s = self._loop.time() - self._limits.forgotten_s
        while self._on_the_way and self._on_the_way[0][1] < gone_s:
            self._on_the_way.popleft()
        return len(self._on_the_way) < self._limits.window

    async def _woken(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _new_frames(self) -> Frames:
        return Frames(self._hello.channels, self._hello.identity.lookahead, self._coding)
