"""What the remote had heard when it wrote a hint: told with each one, and pieced together.

A remote's state, and so its hints, depend on every frame that it heard. Frames get lost on the way
or are dropped where it is slow, and hints that would tell of them get lost as well. So each hint
says which of the 128 chunks before it were heard, and how many in all: where both add up with what
is known already, the device knows exactly what the hint rests on, and the run can be replayed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kbbench.channel.recording import NOT_HEARD
from kbbench.live.wire import HISTORY_CHUNKS

_ALL = (1 << HISTORY_CHUNKS) - 1


class Told:
    """The remote's side: which frames of a stream were heard, as its hints tell it."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._mask = 0
        self.heard = 0

    def before(self, chunk: int) -> tuple[int, int]:
        """(frames heard so far, which of the last 128 chunks they were); then this one is heard.

        Raises:
            ValueError: a later one was heard already.
        """
        told = (self.heard, 0)
        if self._last is not None:
            if chunk <= self._last:
                raise ValueError(f"chunk {chunk} after {self._last}")
            gap = chunk - self._last
            self._mask = ((self._mask << 1 | 1) << min(gap - 1, HISTORY_CHUNKS)) & _ALL
            told = (self.heard, self._mask)
        self._last = chunk
        self.heard += 1
        return told


class Known:
    """The device's side: in which session the remote heard each frame of a mixture.

    Args:
        chunks: K.
    """

    def __init__(self, chunks: int) -> None:
        self.sessions: NDArray[np.int64] = np.full(chunks, NOT_HEARD, dtype=np.int64)
        self._session = NOT_HEARD
        self._upto = -1
        self._count = 0

    def take(self, session: int, chunk: int, heard: int, history: int) -> bool:
        """What a hint tells; False where it leaves out something that the hint rests on.

        Args:
            session: the stream; those of a mixture count up.
            chunk: whose hint it is.
            heard: frames that were heard before it.
            history: which of the last 128 chunks they were.
        """
        if not 0 <= chunk < len(self.sessions) or session < self._session:
            return False
        if session > self._session:
            after, count = -1, 0
        elif chunk <= self._upto:  # overtaken by a later one, which told the same
            return bool(self.sessions[chunk] == session)
        else:
            after, count = self._upto, self._count
        first = max(after + 1, chunk - HISTORY_CHUNKS)
        between = [j for j in range(first, chunk) if history >> (chunk - 1 - j) & 1]
        if count + len(between) != heard or (self.sessions[[*between, chunk]] != NOT_HEARD).any():
            return False
        self.sessions[[*between, chunk]] = session
        self._session, self._upto, self._count = session, chunk, heard + 1
        return True
