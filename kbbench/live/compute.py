"""The remote's own work: threads that step sessions, each in the order of its frames.

A session's frames wait in a queue of its own; where the remote is too slow the oldest go, since a
newer hint is worth more than a late one. Threads take sessions in turn.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kbbench.errors import ModelError
from kbbench.live.batching import Joiner
from kbbench.live.history import Told
from kbbench.live.wire import Hint
from kbbench.models.contract import Streaming
from kbbench.streaming import as_sent, one_step

NS_IN_US = 1000


@dataclass(frozen=True)
class Waiting:
    """A frame (1, C, 128 + lookahead) in a session's queue."""

    chunk: int
    frame: Tensor
    received_ns: int


@dataclass(eq=False)
class Stream:
    """One stream of a device; all of it is guarded by the computer's lock.

    Args:
        epoch: its number.
        queue: frames that may wait.
        done: told of each hint, from a thread of the computer; or of what went wrong.
    """

    epoch: int
    queue: int
    done: Callable[[Hint | ModelError | None], None]
    waiting: deque[Waiting] = field(default_factory=deque)
    told: Told = field(default_factory=Told)
    state: Any = None
    enrollment: Tensor | None = None
    started: bool = False
    busy: bool = False
    over: bool = False
    taken: int = -1
    dropped: int = 0
    late: int = 0

    def add(self, item: Waiting) -> None:
        """Queue a frame in its place; the oldest goes where there are too many."""
        if item.chunk <= self.taken or any(item.chunk == one.chunk for one in self.waiting):
            self.late += 1
            return
        place = len(self.waiting)
        while place and self.waiting[place - 1].chunk > item.chunk:
            place -= 1
        self.waiting.insert(place, item)
        if len(self.waiting) > self.queue:
            self.waiting.popleft()
            self.dropped += 1


class Computer:
    """Threads that share one remote model.

    Args:
        model: in its streaming form.
        hint_dtype: what hints are sent as.
        workers: threads.
        joiner: how sessions are joined; None steps each alone.
        batch: sessions in one step, at most.
    """

    def __init__(
        self,
        model: Streaming,
        hint_dtype: torch.dtype,
        workers: int = 1,
        joiner: Joiner | None = None,
        batch: int = 1,
    ) -> None:
        self._model, self._hint_dtype = model, hint_dtype
        self._joiner, self._batch = joiner, batch if joiner else 1
        self._changed = threading.Condition()
        self._ready: deque[Stream] = deque()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name=f"remote-{n}", daemon=True)
            for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def begin(self, stream: Stream) -> None:
        """Start a stream; its ``done`` is called with None once frames may come."""
        with self._changed:
            self._offer(stream)

    def push(self, stream: Stream, item: Waiting) -> None:
        """A frame is there."""
        with self._changed:
            stream.add(item)
            self._offer(stream)

    def end(self, stream: Stream) -> None:
        """Nothing more is done for a stream."""
        with self._changed:
            stream.over = True
            stream.waiting.clear()
            if stream in self._ready:
                self._ready.remove(stream)
            if not stream.busy:
                stream.state = stream.enrollment = None

    def close(self) -> None:
        """Finish what is under way, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _offer(self, stream: Stream) -> None:
        work = not stream.started or stream.waiting
        if work and not (stream.busy or stream.over or stream in self._ready):
            self._ready.append(stream)
            self._changed.notify()

    def _run(self) -> None:
        torch.set_num_threads(1)  # as the harness offline: the same bits
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._ready)
                if self._closed:
                    return
                streams, items = self._take()
            self._put_back(streams, self._work(streams, items))

    def _work(
        self, streams: Sequence[Stream], items: Sequence[Waiting]
    ) -> Sequence[Hint | ModelError | None]:
        """What became of each; a model that raises takes its own streams along, and no thread."""
        try:
            if items:
                return self._step(streams, items)
            self._start(streams[0])
            return [None]
        except ModelError as error:
            return [error] * len(streams)
        except Exception as error:  # a state that cannot be joined after all, or no memory
            return [ModelError(f"remote: {type(error).__name__}: {error}")] * len(streams)

    def _take(self) -> tuple[list[Stream], list[Waiting]]:
        """The next stream, and those that can go with it; the oldest frame of each."""
        first = self._ready.popleft()
        first.busy = True
        if not first.started:
            return [first], []
        streams = [first, *self._companions(first)]
        items = []
        for stream in streams:
            stream.busy = True
            item = stream.waiting.popleft()
            stream.taken = item.chunk
            items.append(item)
        return streams, items

    def _companions(self, first: Stream) -> list[Stream]:
        if self._joiner is None or self._batch == 1:
            return []
        others = [stream for stream in self._ready if stream.started]
        alike = self._joiner.alike([first.state, *(s.state for s in others)])
        chosen = [others[n - 1] for n in alike if n][: self._batch - 1]
        for stream in chosen:
            self._ready.remove(stream)
        return chosen

    def _start(self, stream: Stream) -> None:
        try:
            with torch.inference_mode():
                stream.state = self._model.start(1, stream.enrollment)
        except Exception as error:  # whatever a user's model raises
            raise ModelError(f"remote: start raised {type(error).__name__}: {error}") from error
        finally:
            stream.started, stream.enrollment = True, None

    def _step(self, streams: Sequence[Stream], items: Sequence[Waiting]) -> list[Hint]:
        began_ns = time.monotonic_ns()
        if len(streams) == 1 or self._joiner is None:
            _, hint, streams[0].state = one_step(
                "remote", self._model, items[0].frame, streams[0].state, items[0].chunk
            )
        else:
            state = self._joiner.join([stream.state for stream in streams])
            frame = torch.cat([item.frame for item in items])
            _, hint, state = one_step("remote", self._model, frame, state, items[0].chunk)
            for stream, mine in zip(streams, self._joiner.split(state, len(streams)), strict=True):
                stream.state = mine
        if hint is None:
            raise ModelError("remote: step returned no hint")
        values = hint.to(self._hint_dtype, copy=True).contiguous()
        took_us = (time.monotonic_ns() - began_ns) // NS_IN_US
        return [
            self._hint(stream, item, began_ns, took_us, values[row])
            for row, (stream, item) in enumerate(zip(streams, items, strict=True))
        ]

    def _hint(
        self, stream: Stream, item: Waiting, began_ns: int, took_us: int, values: Tensor
    ) -> Hint:
        heard, history = stream.told.before(item.chunk)
        return Hint(
            epoch=stream.epoch,
            chunk=item.chunk,
            heard=heard,
            history=history,
            received_ns=item.received_ns,
            queue_us=(began_ns - item.received_ns) // NS_IN_US,
            remote_us=took_us,
            held_us=0,
            values=to_bytes(values),
        )

    def _put_back(
        self, streams: Sequence[Stream], made: Sequence[Hint | ModelError | None]
    ) -> None:
        with self._changed:
            for stream in streams:
                stream.busy = False
                if stream.over:
                    stream.state = None
                self._offer(stream)
        for stream, result in zip(streams, made, strict=True):
            stream.done(result)


def to_bytes(values: Tensor) -> bytes:
    """A hint's values as they lie in memory, little-endian on every machine that runs PyTorch."""
    if not values.numel():
        return b""
    return values.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def from_bytes(data: bytes, dtype: torch.dtype, shape: Sequence[int]) -> Tensor:
    """A hint (1, ...) as a device gets it, float32, in memory of its own.

    Raises:
        ValueError: there are too many or too few bytes.
    """
    values = torch.empty(1, *shape, dtype=dtype)
    if len(data) != values.numel() * values.element_size():
        raise ValueError(f"{len(data)} bytes for a hint {list(shape)} of {dtype}")
    if data:
        raw = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        values = raw.view(dtype).reshape(1, *shape)
    return as_sent(values, dtype)
