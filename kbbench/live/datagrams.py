"""Messages as datagrams: cut into pieces that fit any path, put together again, or dropped.

A datagram is ``kD``, the session's key, its number, which piece of how many it is, and the piece.
Late hints are useless, so nothing is ever sent again.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass

DATAGRAM_BYTES = 1200
"""Every path carries datagrams of this size. Source: RFC 9000, section 14 (1200 bytes, in IPv6's
least MTU of 1280)."""
INCOMPLETE = 8
"""Messages whose pieces are waited for; an older one is given up."""

_MAGIC = b"kD"
_HEAD = struct.Struct("<2s16sIBB")
PIECE_BYTES = DATAGRAM_BYTES - _HEAD.size
MOST_BYTES = 255 * PIECE_BYTES


@dataclass(frozen=True)
class Piece:
    """A datagram: piece ``part`` of the ``parts`` of message ``number`` of a session."""

    key: bytes
    number: int
    part: int
    parts: int
    data: bytes


def cut(key: bytes, number: int, message: bytes) -> list[bytes]:
    """A message as datagrams.

    Args:
        key: of the session, 16 bytes.
        number: of the message; those of a session count up, and begin anew after 2^32.
        message: at most ``MOST_BYTES``.

    Raises:
        ValueError: it is longer.
    """
    if len(message) > MOST_BYTES:
        raise ValueError(f"{len(message)} bytes, datagrams carry {MOST_BYTES}")
    pieces = [message[a : a + PIECE_BYTES] for a in range(0, len(message), PIECE_BYTES)] or [b""]
    return [
        _HEAD.pack(_MAGIC, key, number % 2**32, part, len(pieces)) + piece
        for part, piece in enumerate(pieces)
    ]


def with_heads(size: int) -> int:
    """Bytes of a message's datagrams, of which ``size`` are its own.

    >>> with_heads(10), with_heads(PIECE_BYTES + 1) - PIECE_BYTES
    (34, 49)
    """
    return size + max(1, -(-size // PIECE_BYTES)) * _HEAD.size


def read_piece(datagram: bytes) -> Piece | None:
    """A datagram's piece; None where it is none."""
    if not _HEAD.size <= len(datagram) <= DATAGRAM_BYTES:
        return None
    magic, key, number, part, parts = _HEAD.unpack_from(datagram)
    if magic != _MAGIC or part >= parts:
        return None
    return Piece(key, number, part, parts, datagram[_HEAD.size :])


class Joined:
    """Pieces put together, in whatever order they come; a bounded number of messages at a time."""

    def __init__(self) -> None:
        self._parts: OrderedDict[int, dict[int, bytes]] = OrderedDict()
        self.given_up = 0

    def add(self, piece: Piece) -> bytes | None:
        """The message, where this was its last piece."""
        if piece.parts == 1:
            return piece.data
        parts = self._parts.setdefault(piece.number, {})
        parts[piece.part] = piece.data
        if len(parts) == piece.parts:
            del self._parts[piece.number]
            return b"".join(parts[part] for part in range(piece.parts))
        if len(self._parts) > INCOMPLETE:
            self._parts.popitem(last=False)
            self.given_up += 1
        return None
