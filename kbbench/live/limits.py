"""What a server grants: nothing that a device does may cost others, or grow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of a server.

    Args:
        sessions: devices at once.
        waiting: connections that have not said yet who they are.
        message_bytes: of the longest message: 32 s of enrollment in 16 bits.
        queue: frames of a device that may wait for the remote, and hints for the link; the oldest
            go. A hint that waited longer than 6 chunks is worth little.
        window: hints on the way that the device has not told of; more would pile up in the
            network's own queues, where nothing can be dropped.
        forgotten_s: after so long a hint on the way counts as lost.
        rate_per_s: messages of a device, 16 times real time; the rest waits, datagrams are lost.
        burst: messages that may come at once.
        idle_s: without a message a device is sent away.
        ping_s: between signs of life; as long again without one, and a device is gone.
        handshake_s: that a device has to say who it is.
    """

    sessions: int = 64
    waiting: int = 64
    message_bytes: int = 1 << 20
    queue: int = 8
    window: int = 16
    forgotten_s: float = 0.5
    rate_per_s: float = 2000.0
    burst: int = 250
    idle_s: float = 30.0
    ping_s: float = 15.0
    handshake_s: float = 5.0


class Bucket:
    """So many messages a second, and some at once (a token bucket).

    Args:
        rate_per_s: in the long run.
        burst: at once.
    """

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s, self._burst = rate_per_s, burst
        self._left, self._then_s = float(burst), 0.0

    def take(self, now_s: float) -> float:
        """Take a message; seconds to wait before the next one, 0 where it may come at once."""
        self._fill(now_s)
        self._left -= 1.0
        return max(-self._left, 0.0) / self._rate_per_s

    def allow(self, now_s: float) -> bool:
        """Take a message, unless there are too many."""
        self._fill(now_s)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def _fill(self, now_s: float) -> None:
        gained = (now_s - self._then_s) * self._rate_per_s
        self._left, self._then_s = min(self._left + gained, float(self._burst)), now_s
