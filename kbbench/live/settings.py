"""How a triple is run live: all that decides it, where the remote is aside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kbbench.channel.recording import OLDEST_CHUNKS
from kbbench.errors import InputError, one_line
from kbbench.live.clock import ClockName
from kbbench.live.network import Network
from kbbench.units import HEADLINE_DELAY

MOST_TOKEN_BYTES = 4096


@dataclass(frozen=True)
class LiveSettings:
    """One way to run live.

    Args:
        clock: real or fast.
        transport: of frames and hints.
        audio: how samples are written.
        delay_chunks: what ``triple.boosted`` is asked for.
        network: that is put between the two processes; None for the real one alone.
        oldest_chunks: a hint that is older counts as none.
    """

    clock: ClockName = "real"
    transport: Literal["websocket", "udp"] = "websocket"
    audio: Literal["pcm16", "float32"] = "pcm16"
    delay_chunks: int = HEADLINE_DELAY
    network: Network | None = None
    oldest_chunks: int = OLDEST_CHUNKS

    @property
    def definition(self) -> dict[str, Any]:
        """For a run's hash."""
        return {
            "clock": self.clock,
            "transport": self.transport,
            "audio": self.audio,
            "delay_chunks": self.delay_chunks,
            "network": None if self.network is None else self.network.definition,
            "oldest_chunks": self.oldest_chunks,
        }


def parse_address(text: str) -> tuple[str, int]:
    """Host and port from ``HOST:PORT``; IPv6 addresses in brackets.

    >>> parse_address("127.0.0.1:8765"), parse_address("[::1]:80")
    (('127.0.0.1', 8765), ('::1', 80))

    Raises:
        InputError: it is not of that form.
    """
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (separator and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InputError(f"{text!r}: expected HOST:PORT such as 127.0.0.1:8765")
    return host, int(port)


def read_token(path: Path | None) -> str | None:
    """A token from the first line of a file; None without one.

    Raises:
        InputError: the file cannot be read, is too long, or its first line is empty.
    """
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            data = file.read(MOST_TOKEN_BYTES + 1)
        token = (data.decode("utf-8").splitlines() or [""])[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {one_line(error)}; expected a file with a token") from error
    if not token or len(data) > MOST_TOKEN_BYTES:
        raise InputError(f"{path}: expected a token in its first line, and nothing long")
    return token
