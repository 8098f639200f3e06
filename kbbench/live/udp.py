"""The server's datagrams: to the session whose key they carry, and back to where they came from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from kbbench.live.datagrams import Joined, Piece, cut, read_piece

Address = tuple[Any, ...]
UNSENT_BYTES = 1 << 18
"""What may wait in the socket; beyond it hints are dropped."""


@dataclass
class Peer:
    """A session's datagrams: who takes its messages, and where its hints go."""

    key: bytes
    take: Callable[[bytes], None]
    address: Address | None = None
    joined: Joined = field(default_factory=Joined)
    number: int = 0


class Datagrams(asyncio.DatagramProtocol):
    """All sessions' datagrams on one port; what carries no session's key is not looked at."""

    def __init__(self) -> None:
        self._peers: dict[bytes, Peer] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self.ignored = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """From anybody."""
        piece = read_piece(data)
        peer = None if piece is None else self._peers.get(piece.key)
        if piece is None or peer is None:
            self.ignored += 1
            return
        peer.address = addr
        self._hand_over(peer, piece)

    def error_received(self, exc: Exception) -> None:
        """A datagram did not reach anybody: it is lost, as others are."""

    def add(self, peer: Peer) -> None:
        """A session's datagrams are taken from now on."""
        self._peers[peer.key] = peer

    def remove(self, peer: Peer) -> None:
        """No more."""
        self._peers.pop(peer.key, None)

    def send(self, peer: Peer, message: bytes) -> None:
        """A message to a session's device, once it has sent anything, unless the socket is full."""
        transport = self._transport
        if transport is None or peer.address is None or transport.is_closing():
            return
        unsent_bytes: int = transport.get_write_buffer_size()  # type: ignore[attr-defined]
        if unsent_bytes > UNSENT_BYTES:
            return
        peer.number += 1
        for datagram in cut(peer.key, peer.number, message):
            transport.sendto(datagram, peer.address)

    @staticmethod
    def _hand_over(peer: Peer, piece: Piece) -> None:
        message = peer.joined.add(piece)
        if message is not None:
            peer.take(message)
