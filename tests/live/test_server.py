"""The server under strangers, slow ones, greedy ones and rubbish: refused in one line, unharmed."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kbbench.errors import InputError
from kbbench.live import wire
from kbbench.live.batching import find_joiner
from kbbench.live.clock import RealClock, prompt_threads
from kbbench.live.compute import Computer, Stream, Waiting
from kbbench.live.datagrams import cut
from kbbench.live.handshake import Challenge, Hello, Refused, Welcome, new_nonce, parse, proof
from kbbench.live.limits import Limits
from kbbench.live.remote import remote_of
from kbbench.live.samples import CODINGS
from kbbench.live.server import Server
from kbbench.models.loading import LoadedTriple, load_triple
from kbbench.resources import recipes_folder
from kbbench.streaming import Stepper
from kbbench.units import CHUNK
from tests.live.running import DELAY, Running, link_to, lives, noise, offer, replay, serving, tiny
from tests.live.test_live import Events, same, wait_until

pytestmark = pytest.mark.long  # sockets, and seconds of real time

pytest.importorskip("websockets", reason="websockets is not installed: kbbench[live]")

FRAME = CODINGS["float32"].encode(np.zeros((2, CHUNK + 64), np.float32))
QUICK = Limits(
    sessions=3,
    waiting=8,
    message_bytes=1 << 16,
    queue=4,
    window=6,
    forgotten_s=60.0,
    idle_s=4.0,
    handshake_s=2.0,
    rate_per_s=1000.0,
    burst=100,
)


@pytest.fixture(autouse=True)
def _prompt() -> Any:
    with prompt_threads():
        yield


@pytest.fixture(scope="module")
def triple() -> LoadedTriple:
    return tiny()


@pytest.fixture(scope="module")
def running(triple: LoadedTriple) -> Iterator[Running]:
    with serving(triple, limits=QUICK) as here:
        yield here


class Stranger:
    """A device that says what it wants."""

    def __init__(self, running: Running) -> None:
        from websockets.sync.client import connect

        server = running.server
        wait_until(lambda: server.sessions < server._limits.sessions)  # others are on their way out
        self._stack = ExitStack()
        address = f"ws://127.0.0.1:{running.port}"
        self.socket = self._stack.enter_context(
            connect(address, compression=None, proxy=None, close_timeout=1, max_size=None)
        )

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def hear(self) -> wire.Message:
        return wire.decode(self.socket.recv(timeout=10))

    def say(self, data: bytes | str) -> None:
        self.socket.send(data)

    def answer(self) -> str:
        """What the server says last."""
        from websockets.exceptions import ConnectionClosed

        reason = ""
        try:
            while True:
                message = self.hear()
                if isinstance(message, wire.Said) and message.kind == "refused":
                    reason = parse(Refused, message).reason
        except ConnectionClosed:
            return reason

    def greet(self, triple: LoadedTriple, token: str | None = None, **changes: Any) -> wire.Message:
        challenge = parse(Challenge, self.hear())
        nonce = new_nonce()
        said = offer(triple)
        hello = Hello(
            nonce=nonce,
            proof="" if token is None else proof(token, challenge.nonce, nonce),
            identity=said.identity,
            channels=2,
            audio="float32",
            transport="websocket",
        ).model_copy(update=changes)
        self.say(wire.encode(hello.said()))
        return self.hear()


def alive(running: Running, triple: LoadedTriple) -> bool:
    """An honest device still gets what it should."""
    mixture = noise(8)
    wait_until(lambda: running.server.sessions == 0)
    with link_to(running.port, triple) as link:
        lived = lives(link, triple, mixture)
    return same(lived, replay(triple, mixture, lived))


@pytest.mark.parametrize("given", [None, "wrong"])
def test_a_token_is_asked_for(triple: LoadedTriple, given: str | None) -> None:
    with serving(triple, token="right") as here:
        message = r"refuses: the token is wrong, or missing; give --token-file"
        with pytest.raises(InputError, match=message):
            link_to(here.port, triple, token=given).open()
        with link_to(here.port, triple, token="right") as link:
            assert link.ready is False and link.connections == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights_sha256": "1" * 64}, "weights: the device has 111111111111, the remote "),
        ({"file_sha256": "1" * 64}, "file: the device has 111111111111, the remote 0000"),
        ({"name": "other"}, "name: the device has other, the remote tiny; give both one model"),
        ({"delay_chunks": 3}, "delay_chunks: the device has 3, the remote 6; give both one delay"),
        ({"lookahead": 0}, "lookahead: the device has 0, the remote 64"),
    ],
)
def test_another_model_is_refused_in_one_line(
    running: Running, triple: LoadedTriple, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        link_to(running.port, triple, said=offer(triple, **changes)).open()
    assert "\n" not in str(caught.value)


def test_another_version_is_refused_in_one_line(running: Running, triple: LoadedTriple) -> None:
    with Stranger(running) as stranger:
        hello = bytearray(wire.encode(wire.Said("hello", b"{}")))
        hello[2] = wire.VERSION + 1
        stranger.say(bytes(hello))
        assert "install the same version" in stranger.answer()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("text", "text, expected binary messages"),
        (b"", "0 bytes, too few for a message"),
        (b"\x80\x04\x95\x10", "no message of kbbench"),
        (wire.encode(wire.Ready(1)), "expected hello, got ready"),
        (wire.encode(wire.Said("hello", b"{")), "hello: content: Invalid JSON"),
        (wire.encode(wire.Said("hello", b"[" * 60_000)), "hello: content: Invalid JSON"),
    ],
)
def test_whoever_does_not_greet_is_sent_away(
    running: Running, message: bytes | str, reason: str
) -> None:
    with Stranger(running) as stranger:
        stranger.say(message)
        assert reason in stranger.answer()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("text", "text, expected binary"),
        (b"rubbish", "no message of kbbench"),
        (wire.encode(wire.Ready(1)), "a device does not send ready"),
        (wire.encode(wire.Said("hello", b"{}")), "a device does not send said"),
        (wire.encode(wire.Begin(1, b"odd")), "an enrollment that is no sound"),
        (wire.encode(wire.Audio(1, 0, -1, True, FRAME[:-4])), "bytes of sound for 192 samples"),
        (wire.encode(wire.Audio(1, 0, -1, False, FRAME)), "bytes of sound for 128 samples"),
        (wire.encode(wire.Begin(1))[:-1], "is cut short"),
    ],
)
def test_a_message_that_does_not_fit_ends_the_session(
    running: Running, triple: LoadedTriple, message: bytes | str, reason: str
) -> None:
    with Stranger(running) as stranger:
        assert parse(Welcome, stranger.greet(triple)).hint_shape == (97, 4)
        stranger.say(wire.encode(wire.Begin(1)))
        stranger.say(message)
        assert reason in stranger.answer()


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(
    messages=st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.tuples(st.integers(0, 30), st.binary(max_size=90)).map(
                lambda parts: wire.MAGIC + bytes([wire.VERSION, parts[0]]) + parts[1]
            ),
            st.builds(
                lambda epoch, chunk: wire.encode(wire.Audio(epoch, chunk, -1, True, FRAME)),
                st.integers(0, 2),
                st.integers(0, 2**32 - 1),
            ),
        ),
        max_size=8,
    ),
    greeted=st.booleans(),
)
def test_rubbish_does_no_harm(
    running: Running, triple: LoadedTriple, messages: list[bytes], greeted: bool
) -> None:
    from websockets.exceptions import ConnectionClosed

    with Stranger(running) as stranger:
        try:
            if greeted:
                parse(Welcome, stranger.greet(triple))
                stranger.say(wire.encode(wire.Begin(1)))
            for message in messages:
                stranger.say(message)
        except ConnectionClosed:
            pass


def test_after_all_of_this_it_is_alive(running: Running, triple: LoadedTriple) -> None:
    assert alive(running, triple)
    assert running.server._waiting == 0


def test_a_huge_message_is_not_taken(running: Running, triple: LoadedTriple) -> None:
    with Stranger(running) as stranger:
        stranger.greet(triple)
        stranger.say(wire.encode(wire.Begin(1, bytes(QUICK.message_bytes))))
        assert stranger.answer() == ""
        assert stranger.socket.close_code == 1009  # message too big (RFC 6455)
    assert alive(running, triple)


def test_whoever_says_nothing_is_sent_away(running: Running, triple: LoadedTriple) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as silent:
        with Stranger(running) as stranger:
            assert stranger.answer() == "nothing was said in time"
        silent.settimeout(10)
        while silent.recv(1000):  # closed, with a word on what was expected or without
            pass
    with Stranger(running) as stranger:
        stranger.greet(triple)
        assert stranger.answer() == "nothing came for 4 s"
    assert alive(running, triple)


def test_an_enrollment_that_is_too_long_is_told_here(
    running: Running, triple: LoadedTriple
) -> None:
    wait_until(lambda: running.server.sessions == 0)
    with (
        link_to(running.port, triple) as link,
        pytest.raises(InputError, match=r"an enrollment of 80000 bytes, 127.0.0.1:\d+ takes 65528"),
    ):
        link.begin(np.zeros((1, 20_000), np.float32))


def test_hints_that_fit_no_datagrams_are_told(triple: LoadedTriple) -> None:
    with serving(triple) as here:
        object.__setattr__(here.server._remote, "hint_shape", (400, 1000))
        with pytest.raises(InputError, match="hints of 800000 bytes do not fit datagrams"):
            link_to(here.port, triple, transport="udp").open()
        with link_to(here.port, triple) as link:
            assert link.met.welcome.hint_shape == (400, 1000)


def test_whoever_sends_datagrams_is_not_idle(triple: LoadedTriple) -> None:
    """A frame that came as a datagram counts, although the connection is silent."""
    with serving(triple, limits=QUICK) as here, Stranger(here) as stranger:
        welcome = parse(Welcome, stranger.greet(triple, transport="udp"))
        (session,) = here.server._sessions
        before_s = session.heard_s
        audio = wire.encode(wire.Audio(1, 0, -1, True, FRAME))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in cut(bytes.fromhex(welcome.key), 1, audio):
                sender.sendto(datagram, ("127.0.0.1", welcome.udp_port))
            wait_until(lambda: session.heard_s > before_s)


def test_a_silent_connection_ends_once_nothing_else_comes() -> None:
    class Silent:
        async def recv(self) -> bytes:
            await asyncio.sleep(60)
            return b""

    class Heard:
        """Heard of three times more, and then no longer."""

        def __init__(self) -> None:
            self.left, self.last_s = 3, 0.0

        @property
        def heard_s(self) -> float:
            if self.left:
                self.left -= 1
                self.last_s = asyncio.get_running_loop().time()
            return self.last_s

    async def run(session: Any) -> Refused:
        server = Server(remote_of(tiny(), DELAY), replace(QUICK, idle_s=0.02))
        return await server._listen(Silent(), session)

    session = Heard()
    assert asyncio.run(run(session)).reason == "nothing came for 0.02 s"
    assert session.left == 0


def test_pages_of_a_browser_are_not_let_in(running: Running) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = f"ws://127.0.0.1:{running.port}"
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(address, origin="https://example.org", proxy=None),  # type: ignore[arg-type]
    ):
        pass


def test_there_is_room_for_so_many_and_no_more(running: Running, triple: LoadedTriple) -> None:
    wait_until(lambda: running.server.sessions == 0)
    with ExitStack() as stack:
        for _ in range(QUICK.sessions):
            stranger = stack.enter_context(Stranger(running))
            parse(Welcome, stranger.greet(triple))
        with pytest.raises(InputError, match="refuses: busy: 3 devices are here"):
            link_to(running.port, triple).open()
    assert alive(running, triple)


def test_whoever_does_not_read_gets_the_newest_hints(
    running: Running, triple: LoadedTriple
) -> None:
    """A window of hints goes out; the rest waits, and the oldest of them are dropped."""
    wait_until(lambda: running.server.sessions == 0)
    with Stranger(running) as stranger:
        stranger.greet(triple)
        stranger.say(wire.encode(wire.Begin(1)))
        assert stranger.hear() == wire.Ready(1)
        (session,) = running.server._sessions
        for chunk in range(60):
            stranger.say(wire.encode(wire.Audio(1, chunk, -1, True, FRAME)))
            assert len(session._out) <= QUICK.queue
            assert len(session._on_the_way) <= QUICK.window
            time.sleep(0.004)
        wait_until(lambda: session._stream.taken == 59 and not session._stream.waiting)
        time.sleep(0.05)
        assert session._dropped_hints + session._stream.dropped > 0
        first = stranger.hear()
        assert isinstance(first, wire.Hint)
        # Told of what has arrived, it sends on: the newest that wait.
        stranger.say(wire.encode(wire.Audio(1, 60, 59, True, FRAME)))
        newest = -1
        while newest < 60:
            message = stranger.hear()
            assert isinstance(message, wire.Hint)
            assert message.chunk > newest
            newest = message.chunk


def test_a_flood_of_beginnings_keeps_nothing(running: Running, triple: LoadedTriple) -> None:
    wait_until(lambda: running.server.sessions == 0)
    enrollment = CODINGS["float32"].encode(np.zeros((1, 8000), np.float32))
    with Stranger(running) as stranger:
        stranger.greet(triple)
        for epoch in range(100):
            stranger.say(wire.encode(wire.Begin(epoch, enrollment)))
        while stranger.hear() != wire.Ready(99):
            assert len(running.server._computer._ready) <= 1
    assert alive(running, triple)


class Slow(torch.nn.Module):
    """A remote that waits to be let on."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def start(self, batch: int, enrollment: Any = None) -> int:
        return 0

    def step(self, frame: Any, state: int) -> Any:
        self.gate.wait(20)
        return frame[:, None, :, :CHUNK], torch.full((1, 1), float(state)), state + 1


def test_a_slow_remote_keeps_the_newest_frames() -> None:
    slow, made = Slow(), []
    computer = Computer(slow, torch.float32)
    stream = Stream(1, queue=4, done=made.append)
    computer.begin(stream)
    wait_until(lambda: made == [None])
    for chunk in range(30):
        computer.push(stream, Waiting(chunk, torch.zeros(1, 2, 192), 0))
        if chunk == 0:
            wait_until(lambda: stream.busy)
    assert len(stream.waiting) == 4 and stream.dropped == 25
    computer.push(stream, Waiting(27, torch.zeros(1, 2, 192), 0))  # once more
    assert stream.late == 1
    slow.gate.set()
    wait_until(lambda: len(made) == 6)
    computer.push(stream, Waiting(5, torch.zeros(1, 2, 192), 0))  # later than its successors
    assert stream.late == 2
    computer.close()
    assert [hint.chunk for hint in made[1:]] == [0, 26, 27, 28, 29]
    assert [hint.heard for hint in made[1:]] == [0, 1, 2, 3, 4]
    assert made[2].history == 1 << 25


def test_frames_are_heard_in_their_order() -> None:
    slow, made = Slow(), []
    computer = Computer(slow, torch.float32)
    stream = Stream(1, queue=8, done=made.append)
    computer.begin(stream)
    wait_until(lambda: made == [None])
    for chunk in (0, 3, 2, 5, 4):
        computer.push(stream, Waiting(chunk, torch.zeros(1, 2, 192), 0))
        if chunk == 0:
            wait_until(lambda: stream.busy)
    slow.gate.set()
    wait_until(lambda: len(made) == 6)
    computer.close()
    assert [hint.chunk for hint in made[1:]] == [0, 2, 3, 4, 5]


def test_a_stream_that_is_over_leaves_nothing_behind() -> None:
    slow, made = Slow(), []
    computer = Computer(slow, torch.float32)
    stream = Stream(1, queue=8, done=made.append)
    computer.begin(stream)
    wait_until(lambda: made == [None])
    computer.push(stream, Waiting(0, torch.zeros(1, 2, 192), 0))
    wait_until(lambda: stream.busy)
    computer.push(stream, Waiting(1, torch.zeros(1, 2, 192), 0))
    computer.end(stream)
    slow.gate.set()
    wait_until(lambda: not stream.busy)
    assert stream.state is None and not stream.waiting and not computer._ready
    computer.close()
    assert not any(thread.is_alive() for thread in computer._threads)


def test_datagrams_of_nobody_are_not_looked_at(triple: LoadedTriple) -> None:
    with serving(triple, limits=QUICK) as here:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            audio = wire.encode(wire.Audio(1, 0, -1, True, FRAME))
            for datagram in (b"", b"kD", *cut(bytes(16), 1, audio), bytes(1200)):
                stranger.sendto(datagram, ("127.0.0.1", here.server._udp_port))
        wait_until(lambda: here.server._datagrams.ignored == 5)
        assert alive(here, triple)


def test_rubbish_with_the_right_key_is_lost(triple: LoadedTriple) -> None:
    with serving(triple, limits=QUICK) as here, Stranger(here) as stranger:
        welcome = parse(Welcome, stranger.greet(triple, transport="udp"))
        stranger.say(wire.encode(wire.Begin(1)))
        assert stranger.hear() == wire.Ready(1)
        key = bytes.fromhex(welcome.key)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rubbish:
            rubbish.settimeout(10)
            for message in (b"rubbish", wire.encode(wire.Begin(2)), bytes(3000)):
                for datagram in cut(key, 1, message):
                    rubbish.sendto(datagram, ("127.0.0.1", welcome.udp_port))
            audio = wire.encode(wire.Audio(1, 0, -1, True, FRAME))
            for datagram in cut(key, 9, audio):
                rubbish.sendto(datagram, ("127.0.0.1", welcome.udp_port))
            answer = rubbish.recv(2000)
        assert answer.startswith(b"kD" + key)


def test_states_are_joined_where_that_gives_the_same_hints(triple: LoadedTriple) -> None:
    remote: Any = triple.boosted_at(DELAY).models[1]
    joiner = find_joiner(remote, 64, 2, enrolled=False)
    assert joiner is not None
    sounds = [noise(6, seed) for seed in range(3)]
    steppers = [Stepper("remote", remote, (1, 2), None) for _ in sounds]
    frame = [torch.zeros(1, 2, 192) + 0.1 * n for n in range(3)]
    for stepper, one in zip(steppers, frame, strict=True):
        stepper.step(one)
    states = [stepper.state for stepper in steppers]
    again = joiner.split(joiner.join(states), 3)
    for mine, theirs in zip(states, again, strict=True):
        flat = torch.utils._pytree.tree_leaves((mine, theirs))
        half = len(flat) // 2
        for a, b in zip(flat[:half], flat[half:], strict=True):
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    wiener: Any = load_triple(recipes_folder() / "models" / "wiener.py", None)
    assert find_joiner(wiener.triple.large, 64, 2, enrolled=False) is None


class Mixed(torch.nn.Module):
    """A remote whose mixtures have an influence on each other."""

    def start(self, batch: int, enrollment: Any = None) -> Any:
        return torch.zeros(batch)

    def step(self, frame: Any, state: Any) -> Any:
        state = state + frame.mean((1, 2))
        return frame[:, None, :, :CHUNK], (state - state.mean())[:, None], state


def test_a_remote_whose_rows_depend_on_each_other_is_stepped_alone() -> None:
    assert find_joiner(Mixed(), 64, 2, enrolled=False) is None


@pytest.mark.parametrize("batch", [1, 4])
def test_sessions_in_one_step_get_their_own_hints(triple: LoadedTriple, batch: int) -> None:
    """Alone, every bit is the replay's; together, hints are within rounding, and it is said."""
    found: dict[int, Any] = {}
    with serving(triple, batch=batch) as here:
        barrier = threading.Barrier(4)

        def run(number: int) -> None:
            torch.set_num_threads(1)
            with link_to(here.port, triple) as link:
                assert link.met.welcome.batch == batch
                barrier.wait(20)
                found[number] = lives(link, triple, noise(12, number), clock=RealClock(64))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    for number in range(4):
        mixture, lived = noise(12, number), found[number]
        offline = replay(triple, mixture, lived).numpy()
        if batch == 1:
            assert np.array_equal(offline, lived.estimates)
        peak = np.abs(offline).max()
        assert np.abs(offline - lived.estimates).max() <= 1e-2 * peak  # hints are of 16 bits


def test_it_ends_cleanly_with_a_device_in_the_middle(triple: LoadedTriple) -> None:
    before = threading.active_count()
    with serving(triple) as here, link_to(here.port, triple) as link:
        lived = lives(link, triple, noise(30), clock=Events({10: here.end}))
        assert not here.thread.is_alive()
        assert lived.unsent > 0
    assert threading.active_count() == before


def test_without_the_package_both_ends_say_what_to_install(
    triple: LoadedTriple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "websockets", None)
    for name in ("exceptions", "asyncio.client", "asyncio.server"):
        monkeypatch.setitem(sys.modules, f"websockets.{name}", None)
    message = r"live needs websockets: pip install 'kbbench\[live\]'"
    with pytest.raises(InputError, match=message):
        link_to(1, triple).open()
    server = Server(remote_of(triple, DELAY))
    with pytest.raises(InputError, match=message):
        asyncio.run(server.run("127.0.0.1", 0, asyncio.Event(), lambda port: None))


def test_a_port_that_is_taken_is_one_line(running: Running, triple: LoadedTriple) -> None:
    async def run() -> None:
        server = Server(remote_of(triple, DELAY))
        await server.run("127.0.0.1", running.port, asyncio.Event(), lambda port: None)

    with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{running.port}: .*in use"):
        asyncio.run(run())
