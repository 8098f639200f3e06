"""One connection of a device to its remote, in the event loop of the link's thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from kbbench.errors import InputError
from kbbench.live import wire
from kbbench.live.clock import machine
from kbbench.live.datagrams import Joined, cut, read_piece, with_heads
from kbbench.live.handshake import (
    Challenge,
    Hello,
    Identity,
    Refused,
    Welcome,
    new_nonce,
    parse,
    proof,
)
from kbbench.live.network import Network
from kbbench.live.shaper import Delayed, Line, make_line

OPEN_S = 5.0
"""That a remote has to answer."""
PING_S = 2.0
"""Between signs of life; as long again without one, and the connection is lost."""
CLOSE_S = 1.0
MOST_UNSENT = 16
"""Messages that wait for the socket; the sender waits for them."""
BUFFER_BYTES = 1 << 15
"""Of the socket: what lies there cannot be dropped any more."""
MOST_BYTES = 1 << 26
"""Of a message of the remote; a device that trusts it with its sound trusts it with as much."""
MASK_BYTES = 4
"""That WebSocket adds to what a device sends (RFC 6455, section 5.2)."""


MISSING = "live needs websockets: pip install 'kbbench[live]'"


class RefusedError(Exception):
    """The remote said no."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.refused = refused


@dataclass(frozen=True)
class Target:
    """Where a remote is, and how to talk to it.

    Args:
        host: name or address.
        port: of its connections.
        token: that it asks for, if it does.
        transport: of frames and hints.
        network: that is put between the two, in this process.
    """

    host: str
    port: int
    token: str | None = field(default=None, repr=False)
    transport: Literal["websocket", "udp"] = "websocket"
    network: Network | None = None

    @property
    def name(self) -> str:
        """As a user writes it."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Offer:
    """What a device says of itself."""

    identity: Identity
    channels: int
    audio: Literal["pcm16", "float32"]


@dataclass(frozen=True)
class Met:
    """A remote that let us in, and whether it is on this machine."""

    welcome: Welcome
    same_machine: bool


async def greet(socket: Any, target: Target, offer: Offer) -> Met:
    """Say who we are.

    Raises:
        RefusedError: the remote says no.
        WireError: it speaks another language.
    """
    asked = parse(Challenge, wire.decode(await socket.recv()))
    nonce = new_nonce()
    hello = Hello(
        nonce=nonce,
        proof="" if target.token is None else proof(target.token, asked.nonce, nonce),
        identity=offer.identity,
        channels=offer.channels,
        audio=offer.audio,
        transport=target.transport,
    )
    await socket.send(wire.encode(hello.said()))
    answer = wire.decode(await socket.recv())
    if isinstance(answer, wire.Said) and answer.kind == "refused":
        raise RefusedError(parse(Refused, answer))
    here = machine(asked.nonce)
    return Met(parse(Welcome, answer), bool(here) and here == asked.machine)


def connect(target: Target) -> Any:
    """A WebSocket to a remote, as a context.

    Raises:
        InputError: a package is missing.
    """
    try:
        from websockets.asyncio.client import connect as connect_to
    except ImportError as error:
        raise InputError(MISSING) from error
    host = f"[{target.host}]" if ":" in target.host else target.host
    return connect_to(
        f"ws://{host}:{target.port}",
        compression=None,
        open_timeout=OPEN_S,
        close_timeout=CLOSE_S,
        ping_interval=PING_S,
        ping_timeout=PING_S,
        max_size=MOST_BYTES,
        max_queue=MOST_UNSENT,
        write_limit=BUFFER_BYTES,
        proxy=None,
        user_agent_header=None,
    )


def websocket_error() -> type[Exception]:
    """What a WebSocket raises that is lost or was never there, beside OSError.

    Raises:
        InputError: a package is missing.
    """
    try:
        from websockets.exceptions import WebSocketException
    except ImportError as error:
        raise InputError(MISSING) from error
    found: type[Exception] = WebSocketException
    return found


class Connection:
    """Messages both ways, through the network that is put between.

    Args:
        socket: an open WebSocket.
        target: whom we talk to.
        met: what it said.
        take: told of each message, with the bytes that it took.
    """

    def __init__(
        self,
        socket: Any,
        target: Target,
        met: Met,
        take: Callable[[wire.Message, int], None],
    ) -> None:
        self._socket, self._take = socket, take
        self._direct = target.network is None
        self._key = bytes.fromhex(met.welcome.key)
        self._udp = _Datagrams(self._from_datagram) if target.transport == "udp" else None
        self._port = (target.host, met.welcome.udp_port)
        self._unsent: deque[bytes] = deque()
        self._wake, self._sent = asyncio.Event(), asyncio.Event()
        self._joined = Joined()
        self._number = 0

        def line(way: Literal["up", "down"], ordered: bool) -> Line | None:
            part = "connection" if ordered else "datagrams"
            return make_line(target.network, way, ordered, part) if target.network else None

        self._up = Delayed(line("up", True), self._to_socket)
        self._down = Delayed(line("down", True), self._arrived)
        self._up_datagrams = Delayed(line("up", False), self._to_datagrams)
        self._down_datagrams = Delayed(line("down", False), self._datagram_arrived)

    async def run(self) -> None:
        """Listen and send until the connection is closed or lost.

        Raises:
            RefusedError: the remote ends it.
            WireError: the remote speaks another language.
            OSError, ConnectionClosed: it is lost.
        """
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tasks = [asyncio.ensure_future(self._listen()), asyncio.ensure_future(self._drain())]
        try:
            if self._udp is not None:
                loop = asyncio.get_running_loop()
                udp = self._udp
                await loop.create_datagram_endpoint(lambda: udp, remote_addr=self._port)
            waited = [*tasks, self._failed]
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._failed.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._udp is not None and self._udp.transport is not None:
                self._udp.transport.close()

    async def say(self, message: bytes) -> int:
        """A message that must arrive, in order; bytes that it takes."""
        size = framed(len(message)) + MASK_BYTES
        if self._direct:
            await self._socket.send(message)
            return size
        while len(self._unsent) >= MOST_UNSENT:
            self._sent.clear()
            await self._sent.wait()
        await self._up.put(message, size)
        return size

    async def send(self, message: bytes) -> int:
        """A message that may get lost, where datagrams are used; bytes that it takes."""
        if self._udp is None:
            return await self.say(message)
        self._number += 1
        pieces = cut(self._key, self._number, message)
        for piece in pieces:
            self._up_datagrams.offer(piece, len(piece))
        return sum(len(piece) for piece in pieces)

    async def _listen(self) -> None:
        while True:
            data = await self._socket.recv()
            await self._down.put(data, framed(len(data)))

    async def _drain(self) -> None:
        while True:
            while self._unsent:
                await self._socket.send(self._unsent.popleft())
                self._sent.set()
            self._wake.clear()
            await self._wake.wait()

    def _to_socket(self, message: bytes) -> None:
        self._unsent.append(message)
        self._wake.set()

    def _to_datagrams(self, piece: bytes) -> None:
        transport = None if self._udp is None else self._udp.transport
        if transport is not None and not transport.is_closing():
            transport.sendto(piece)

    def _from_datagram(self, data: bytes) -> None:
        self._down_datagrams.offer(data, len(data))

    def _datagram_arrived(self, data: bytes) -> None:
        piece = read_piece(data)
        if piece is None or piece.key != self._key:
            return
        message = self._joined.add(piece)
        if message is not None:
            with contextlib.suppress(wire.WireError):
                self._take(wire.decode(message), with_heads(len(message)))

    def _arrived(self, data: bytes | str) -> None:
        try:
            if isinstance(data, str):
                raise wire.WireError("text, expected binary messages")
            message = wire.decode(data)
            if isinstance(message, wire.Said) and message.kind == "refused":
                raise RefusedError(parse(Refused, message))
            self._take(message, framed(len(data)))
        except (RefusedError, wire.WireError) as error:
            if not self._failed.done():
                self._failed.set_exception(error)


def framed(size: int) -> int:
    """Bytes of a WebSocket message with its header (RFC 6455, section 5.2), masking aside.

    >>> framed(125), framed(126), framed(1 << 16)
    (127, 130, 65546)
    """
    return size + (2 if size < 126 else 4 if size < 1 << 16 else 10)


class _Datagrams(asyncio.DatagramProtocol):
    """The device's datagrams."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._take(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody is there: it is lost, as others are."""
