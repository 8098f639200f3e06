"""Messages between device and remote as bytes. Every field is checked; nothing is unpickled.

A message is ``kb``, the protocol's version, its kind, a fixed header (little-endian), and a body.
What is agreed on once goes as JSON (:mod:`kbbench.live.handshake`), what goes with every chunk as
the structures here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

VERSION = 1
"""Of the protocol; device and remote must speak the same."""
MAGIC = b"kb"
HISTORY_CHUNKS = 128
"""So many chunks before its own a hint accounts for: a second."""

_HEAD = struct.Struct("<2sBB")
_BEGIN = struct.Struct("<I")
_EPOCH = struct.Struct("<I")
_AUDIO = struct.Struct("<IIiB")
_HINT = struct.Struct("<III16sqIII")
_MOST = 2**32 - 1


class WireError(ValueError):
    """These bytes are no message of this protocol."""


@dataclass(frozen=True)
class Said:
    """What is said once, as JSON: ``challenge``, ``hello``, ``welcome``, ``refused``, ``ended``."""

    kind: str
    text: bytes


@dataclass(frozen=True)
class Begin:
    """Device: a stream begins, from the remote's state before the first chunk.

    Args:
        epoch: number of the stream; each one of a device has a higher one.
        enrollment: samples (1, T_e), coded; empty where there is none.
    """

    epoch: int
    enrollment: bytes = b""


@dataclass(frozen=True)
class Ready:
    """Remote: the stream may come."""

    epoch: int


@dataclass(frozen=True)
class Audio:
    """Device: what was heard.

    Args:
        epoch: of the stream.
        chunk: its number.
        newest: the newest hint that the device has of this stream; -1 for none.
        whole: samples are the whole frame; else what the frame before did not hold.
        samples: (C, n), coded.
    """

    epoch: int
    chunk: int
    newest: int
    whole: bool
    samples: bytes


@dataclass(frozen=True)
class Hint:
    """Remote: a hint, and what it rests on.

    Args:
        epoch: of the stream.
        chunk: whose hint it is.
        heard: frames of the stream that the remote had heard before this one.
        history: bit i tells whether chunk ``chunk - 1 - i`` was among them.
        received_ns: when the frame was there, on the remote's clock.
        queue_us: microseconds that it waited for the remote.
        remote_us: that the remote took.
        held_us: that the hint then waited to be sent.
        values: in the type that hints are sent as.
    """

    epoch: int
    chunk: int
    heard: int
    history: int
    received_ns: int
    queue_us: int
    remote_us: int
    held_us: int
    values: bytes


@dataclass(frozen=True)
class End:
    """Device: the stream is over."""

    epoch: int


Message = Said | Begin | Ready | Audio | Hint | End

SAID = ("challenge", "hello", "welcome", "refused", "ended")
_KINDS = {kind: number for number, kind in enumerate(SAID, start=1)}
BEGIN, READY, AUDIO, HINT, END = 16, 17, 18, 19, 20
"""Numbers of the other kinds."""


def encode(message: Message) -> bytes:
    """A message as bytes.

    Raises:
        ValueError: a number is out of its field's range.
    """
    try:
        kind, rest = _rest(message)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{type(message).__name__}: {error}") from error
    return _HEAD.pack(MAGIC, VERSION, kind) + rest


def decode(data: bytes) -> Message:
    """A message from bytes.

    Raises:
        WireError: they are none.
    """
    if len(data) < _HEAD.size:
        raise WireError(f"{len(data)} bytes, too few for a message")
    magic, version, kind = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise WireError("no message of kbbench")
    if version != VERSION:
        raise WireError(
            f"protocol {version}, this kbbench speaks {VERSION}; install the same version of "
            "kbbench at both ends"
        )
    body = data[_HEAD.size :]
    if 1 <= kind <= len(SAID):
        return Said(SAID[kind - 1], body)
    try:
        return _structured(kind, body)
    except struct.error as error:
        raise WireError(f"a message of kind {kind} is cut short ({len(data)} bytes)") from error


def _rest(message: Message) -> tuple[int, bytes]:
    match message:
        case Said(kind, text):
            return _KINDS[kind], text
        case Begin(epoch, enrollment):
            return BEGIN, _BEGIN.pack(epoch) + enrollment
        case Ready(epoch):
            return READY, _EPOCH.pack(epoch)
        case End(epoch):
            return END, _EPOCH.pack(epoch)
        case Audio(epoch, chunk, newest, whole, samples):
            return AUDIO, _AUDIO.pack(epoch, chunk, newest, whole) + samples
        case Hint():
            history = message.history.to_bytes(HISTORY_CHUNKS // 8, "little")
            times = (min(value, _MOST) for value in _waits(message))
            head = (message.epoch, message.chunk, message.heard, history, message.received_ns)
            return HINT, _HINT.pack(*head, *times) + message.values


def _waits(hint: Hint) -> tuple[int, int, int]:
    return hint.queue_us, hint.remote_us, hint.held_us


def _structured(kind: int, body: bytes) -> Message:
    match kind:
        case 16:  # BEGIN and so on; a pattern cannot name a constant of this module
            (epoch,) = _BEGIN.unpack_from(body)
            return Begin(epoch, body[_BEGIN.size :])
        case 17:
            return Ready(*_EPOCH.unpack(body))
        case 18:
            epoch, chunk, newest, whole = _AUDIO.unpack_from(body)
            if whole not in (0, 1) or newest < -1:
                raise WireError("a frame whose header is none")
            return Audio(epoch, chunk, newest, bool(whole), body[_AUDIO.size :])
        case 19:
            epoch, chunk, heard, past, received_ns, queue, remote, held = _HINT.unpack_from(body)
            history = int.from_bytes(past, "little")
            head = (epoch, chunk, heard, history, received_ns, queue, remote, held)
            return Hint(*head, body[_HINT.size :])
        case 20:
            return End(*_EPOCH.unpack(body))
    raise WireError(f"no message of kind {kind}")
