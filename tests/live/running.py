"""A server beside the test, and a device that talks to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kbbench.live.clock import Clock, FastClock, Offset
from kbbench.live.connection import Offer, Target
from kbbench.live.device import Lived, LiveDevice
from kbbench.live.handshake import Identity
from kbbench.live.link import Link
from kbbench.live.remote import remote_of
from kbbench.live.server import Server
from kbbench.models import Boosted, Triple
from kbbench.models.loading import LoadedTriple
from kbbench.streaming import stream_boosted
from kbbench.units import CHUNK
from tests.baselines.networks import device, remote

DELAY = 6
HASH = "0" * 64


def tiny(enrolled: bool = False, hint_dtype: torch.dtype = torch.float16) -> LoadedTriple:
    """The reference networks, tiny."""
    large = remote(enrolled=enrolled)
    task = "target_speech" if enrolled else "separation"
    boosted = Boosted(device("attention", enrolled), large)
    small = device(enrolled=enrolled)
    return loaded(Triple("tiny", task, small, large, boosted, hint_dtype))  # type: ignore[arg-type]


def loaded(triple: Triple) -> LoadedTriple:
    return LoadedTriple(Path("model.py"), triple, HASH, {})


@dataclass
class Running:
    """A server in a thread of its own."""

    server: Server
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event
    thread: threading.Thread
    port: int = 0

    def end(self) -> None:
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.stop.set)
            self.thread.join(20)
        assert not self.thread.is_alive()


@contextmanager
def serving(triple: LoadedTriple, port: int = 0, **options: Any) -> Iterator[Running]:
    """A server on loopback, on any port, for as long as the context lasts."""
    batch = options.get("batch", 1)
    server = Server(remote_of(triple, DELAY, batch), **options)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    heard = threading.Event()
    running = Running(server, loop, stop, threading.Thread(target=lambda: None), port)

    def listening(port: int) -> None:
        running.port = port
        heard.set()

    def run() -> None:
        loop.run_until_complete(server.run("127.0.0.1", port, stop, listening))
        loop.close()

    running.thread = threading.Thread(target=run)
    running.thread.start()
    assert heard.wait(20)
    try:
        yield running
    finally:
        running.end()


def offer(triple: LoadedTriple, **changes: Any) -> Offer:
    identity = Identity.of(triple, DELAY).model_copy(update=changes)
    return Offer(identity, channels=2, audio="float32")


def link_to(port: int, triple: LoadedTriple, said: Offer | None = None, **options: Any) -> Link:
    target = Target("127.0.0.1", port, **options)
    return Link(target, said or offer(triple), triple.triple.lookahead)


def lives(
    link: Link,
    triple: LoadedTriple,
    mixture: Tensor,
    enrollment: Tensor | None = None,
    clock: Clock | None = None,
) -> Lived:
    """Stream one mixture (C, T)."""
    boosted = triple.boosted_at(DELAY)
    assert isinstance(boosted, Boosted)
    offset = Offset(link.met.same_machine)
    item = triple.triple
    running = LiveDevice(
        boosted.device, link, clock or FastClock(), offset, item.lookahead, item.hint_dtype
    )
    return running.run(mixture, enrollment)


def replay(
    triple: LoadedTriple, mixture: Tensor, lived: Lived, enrollment: Tensor | None = None
) -> Tensor:
    """The same offline: estimates (S, C, T)."""
    boosted = triple.boosted_at(DELAY)
    assert isinstance(boosted, Boosted)
    result = stream_boosted(
        boosted,
        mixture[None],
        lived.seen,
        triple.triple.lookahead,
        triple.triple.hint_dtype,
        None if enrollment is None else enrollment[None],
        lived.recorded.sessions(),
    )
    return result.estimates[0]


def noise(chunks: int, seed: int = 0) -> Tensor:
    """A mixture (2, T), not of whole chunks."""
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(2, chunks * CHUNK - 27, generator=generator)
