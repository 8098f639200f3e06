"""The remote as a server: many devices at once, each within its limits, on loopback unless told.

WebSocket (RFC 6455) carries what must arrive; datagrams carry frames and hints where a device asks
for them. Whatever a device sends that is not of the protocol ends its own session, and no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import torch

from kbbench.errors import InputError, one_line
from kbbench.live import wire
from kbbench.live.clock import machine
from kbbench.live.compute import Computer
from kbbench.live.connection import MISSING
from kbbench.live.datagrams import MOST_BYTES
from kbbench.live.handshake import (
    Challenge,
    Hello,
    Refused,
    Welcome,
    disagreement,
    new_nonce,
    parse,
    proven,
)
from kbbench.live.limits import Limits
from kbbench.live.remote import Remote
from kbbench.live.session import Session
from kbbench.live.udp import Datagrams, Peer

LOOPBACK = ("127.0.0.1", "::1", "localhost")
CLOSE_S = 2.0
"""That a device has to say goodbye."""
SEND_BYTES = 1 << 16
"""The socket's own buffer: what lies there cannot be dropped any more."""
POLICY, CLOSE_BYTES = 1008, 123
"""WebSocket's code for a broken rule, and room for the reason (RFC 6455, sections 7.4.1, 5.5)."""
MOST_HINT_BYTES = MOST_BYTES - 64
"""Of a hint in datagrams, beside its header."""


class Server:
    """A remote on the network.

    Args:
        remote: what is served.
        limits: of each device, and of all.
        token: that a device must know; None lets in whoever asks.
        workers: threads that compute.
        batch: sessions in one step, at most.
    """

    def __init__(
        self,
        remote: Remote,
        limits: Limits | None = None,
        token: str | None = None,
        workers: int = 1,
        batch: int = 1,
    ) -> None:
        self._remote, self._limits, self._token = remote, limits or Limits(), token
        self._workers, self._batch = workers, batch if remote.joiner else 1
        self._sessions: set[Session] = set()
        self._waiting = 0
        self.served = 0
        self.refused = 0

    @property
    def sessions(self) -> int:
        """Devices that are here now."""
        return len(self._sessions)

    @property
    def batching(self) -> str:
        """In one line: what becomes of the wish for batches."""
        joiner = self._remote.joiner
        if joiner is None:
            return "batch 1: this remote's states cannot be joined, each session is stepped alone"
        exact = (
            "the same bits as alone" if joiner.exact else "last bits other than alone: not exact"
        )
        return f"batch {self._batch}: sessions are stepped together, {exact}"

    async def run(
        self, host: str, port: int, stop: asyncio.Event, listening: Callable[[int], None]
    ) -> None:
        """Serve until told to stop.

        Args:
            host: to listen on.
            port: 0 for any that is free.
            stop: ends it.
            listening: told the port.

        Raises:
            InputError: it cannot listen there, or a package is missing.
        """
        serve = _serve_function()
        self._datagrams = Datagrams()
        self._computer = Computer(
            self._remote.model,
            self._remote.hint_dtype,
            self._workers,
            self._remote.joiner,
            self._batch,
        )
        options = _options(self._limits)
        try:
            async with serve(self._handle, host, port, **options) as server:
                here = server.sockets[0].getsockname()[:2]
                async with _datagram_port(self._datagrams, here) as self._udp_port:
                    listening(here[1])
                    await stop.wait()
        except OSError as error:
            raise InputError(f"cannot listen on {host}:{port}: {one_line(error)}") from error
        finally:
            self._computer.close()

    async def _handle(self, connection: Any) -> None:
        """One connection, from its first message to its last."""
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed, OSError):
            try:
                async with asyncio.timeout(self._limits.handshake_s):
                    hello = await self._greet(connection)
            except TimeoutError:
                hello = Refused.because("nothing was said in time")
            except wire.WireError as error:
                hello = Refused.because(error)
            if isinstance(hello, Refused):
                await self._refuse(connection, hello)
                return
            await self._serve(connection, hello)

    async def _greet(self, connection: Any) -> Hello | Refused:
        """Who is there, or why it may not come in. First the token, then everything else."""
        if self._waiting >= self._limits.waiting:
            return Refused.because("too many who have not said who they are", later=True)
        self._waiting += 1
        try:
            nonce = new_nonce()
            asked = Challenge(nonce=nonce, token=self._token is not None, machine=machine(nonce))
            await connection.send(wire.encode(asked.said()))
            hello = parse(Hello, wire.decode(await _bytes(connection)))
        finally:
            self._waiting -= 1
        if self._token is not None and not proven(self._token, nonce, hello):
            return Refused.because("the token is wrong, or missing; give --token-file")
        if reason := disagreement(hello.identity, self._remote.identity):
            return Refused.because(reason)
        if hello.transport == "udp" and self._remote.hint_bytes > MOST_HINT_BYTES:
            size = self._remote.hint_bytes
            return Refused.because(f"hints of {size} bytes do not fit datagrams; use websocket")
        if len(self._sessions) >= self._limits.sessions:
            return Refused.because(f"busy: {len(self._sessions)} devices are here", later=True)
        return hello

    async def _serve(self, connection: Any, hello: Hello) -> None:
        peer = Peer(secrets.token_bytes(16), take=lambda message: None)
        send: Callable[[bytes], Awaitable[None]] = connection.send
        if hello.transport == "udp":

            async def send(message: bytes) -> None:
                self._datagrams.send(peer, message)

        session = Session(hello, self._computer, self._limits, connection.send, send)
        peer.take = lambda message: _take_datagram(session, message)
        self._sessions.add(session)
        self.served += 1
        if hello.transport == "udp":
            self._datagrams.add(peer)
        try:
            await connection.send(wire.encode(self._welcome(peer).said()))
            ended = await _first(self._listen(connection, session), session.answer(), session)
            await self._refuse(connection, ended)
        finally:
            self._datagrams.remove(peer)
            self._sessions.discard(session)
            session.close()

    async def _listen(self, connection: Any, session: Session) -> Refused:
        """Messages of a device, until it breaks a rule."""
        loop, idle_s = asyncio.get_running_loop(), self._limits.idle_s
        while True:
            try:
                async with asyncio.timeout_at(session.heard_s + idle_s):
                    data = await _bytes(connection)
                session.take(wire.decode(data))
            except TimeoutError:
                if session.heard_s + idle_s <= loop.time():  # no datagram either
                    return Refused.because(f"nothing came for {idle_s:g} s", later=True)
            except wire.WireError as error:
                return Refused.because(error)
            else:
                if wait_s := session.bucket.take(loop.time()):
                    await asyncio.sleep(wait_s)

    async def _refuse(self, connection: Any, refused: Refused) -> None:
        self.refused += 1
        await connection.send(wire.encode(refused.said()))
        await connection.close(
            POLICY, refused.reason.encode()[:CLOSE_BYTES].decode(errors="ignore")
        )

    def _welcome(self, peer: Peer) -> Welcome:
        return Welcome(
            hint_shape=self._remote.hint_shape,
            key=peer.key.hex(),
            udp_port=self._udp_port,
            batch=self._batch,
            queue=self._limits.queue,
            message_bytes=self._limits.message_bytes,
            torch=torch.__version__,
        )


def _take_datagram(session: Session, data: bytes) -> None:
    """A message that came as datagrams; one that is none is nobody's, and lost."""
    if not session.bucket.allow(asyncio.get_running_loop().time()):
        return
    try:
        message = wire.decode(data)
        if isinstance(message, wire.Audio):
            session.take(message)
    except wire.WireError:
        return


async def _first(
    listening: Awaitable[Refused], answering: Awaitable[None], session: Session
) -> Refused:
    """Listen and answer until one of them ends, or the model fails; the others are cancelled."""
    tasks: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(listening),
        asyncio.ensure_future(answering),
        session.failed,
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        results = [task.result() for task in done]
        return next((one for one in results if isinstance(one, Refused)), Refused.because("over"))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _bytes(connection: Any) -> bytes:
    data = await connection.recv()
    if not isinstance(data, bytes):
        raise wire.WireError("text, expected binary messages")
    return data


@contextlib.asynccontextmanager
async def _datagram_port(protocol: Datagrams, here: tuple[str, int]) -> Any:
    """The port of the datagrams: that of the connections where it is free."""
    loop = asyncio.get_running_loop()
    try:
        made = await loop.create_datagram_endpoint(lambda: protocol, local_addr=here)
    except OSError:
        made = await loop.create_datagram_endpoint(lambda: protocol, local_addr=(here[0], 0))
    try:
        yield made[0].get_extra_info("sockname")[1]
    finally:
        made[0].close()


def _serve_function() -> Any:
    try:
        from websockets.asyncio.server import serve
    except ImportError as error:
        raise InputError(MISSING) from error
    return serve


def _quiet() -> logging.Logger:
    """Nobody's log: whoever knocks with something else must not be able to fill one."""
    logger = logging.getLogger("kbbench.live")
    logger.propagate = False
    logger.disabled = True
    return logger


def _options(limits: Limits) -> dict[str, Any]:
    """How connections are kept."""
    return {
        "max_size": limits.message_bytes,
        "max_queue": 2 * limits.queue,
        "write_limit": SEND_BYTES,
        "compression": None,  # hints do not get smaller, and it would take time
        "open_timeout": limits.handshake_s,
        "close_timeout": CLOSE_S,
        "ping_interval": limits.ping_s,
        "ping_timeout": limits.ping_s,
        "origins": [None],  # no page in a browser
        "server_header": None,
        "logger": _quiet(),
    }
