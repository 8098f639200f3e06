"""Device and remote apart, and the same offline: the same bits, whatever the link did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kbbench.audit.compare import OTHER_SHAPE
from kbbench.baselines.shipped.names import find_model
from kbbench.channel import NO_HINT, fixed
from kbbench.errors import InputError, ModelError
from kbbench.live.clock import RealClock, prompt_threads
from kbbench.live.device import Lived
from kbbench.live.network import parse_network
from kbbench.models.loading import load_triple
from kbbench.resources import recipes_folder
from kbbench.runner import Batch, Condition, Runner
from tests.live.running import (
    DELAY,
    link_to,
    lives,
    noise,
    replay,
    serving,
    tiny,
)

pytestmark = pytest.mark.long  # sockets, and seconds of real time

pytest.importorskip("websockets", reason="websockets is not installed: kbbench[live]")

CHUNKS = 40
SHAPED = parse_network("custom:mean_ms=8,std_ms=4,loss=0.1")


@pytest.fixture(autouse=True)
def _prompt() -> Any:
    with prompt_threads():
        yield


def same(lived: Lived, offline: torch.Tensor) -> bool:
    return np.array_equal(lived.estimates, offline.numpy())


@pytest.mark.parametrize("transport", ["websocket", "udp"])
@pytest.mark.parametrize("network", [None, SHAPED], ids=["loopback", "shaped"])
def test_live_is_the_replay_of_its_record_to_the_bit(transport: str, network: Any) -> None:
    triple, used = tiny(), 0
    with (
        serving(triple) as running,
        link_to(running.port, triple, transport=transport, network=network) as link,
    ):
        assert link.met.same_machine
        for seed in range(2):
            mixture = noise(CHUNKS, seed)
            lived = lives(link, triple, mixture)
            assert same(lived, replay(triple, mixture, lived))
            assert lived.estimates.shape == (2, 2, mixture.shape[-1])
            used += int((lived.seen != NO_HINT).sum())
    assert used > CHUNKS / 2, "hints did arrive"
    assert running.server.sessions == 0


def test_hints_have_an_effect_and_their_time_as_well() -> None:
    """What the tests above compare would differ if a hint had come a chunk later, or not at all."""
    triple, mixture = tiny(), noise(CHUNKS)
    with serving(triple) as running, link_to(running.port, triple) as link:
        lived = lives(link, triple, mixture)
    arrival = np.array(lived.recorded.arrival)
    used = np.unique(lived.seen[lived.seen != NO_HINT])
    for moved in (NO_HINT, min(arrival[used[3]] + 1, CHUNKS - 1)):
        changed = arrival.copy()
        changed[used[3]] = moved
        recorded = lived.recorded.model_copy(update={"arrival": tuple(changed.tolist())})
        seen = np.maximum.accumulate(lived.seen * 0 + NO_HINT)
        for step in range(CHUNKS):
            there = [j for j in range(CHUNKS) if NO_HINT < changed[j] <= step]
            seen[step] = max(there, default=NO_HINT)
        other = Lived(**{**vars(lived), "recorded": recorded, "seen": seen})
        assert not same(lived, replay(triple, mixture, other))


def test_target_speech_takes_its_enrollment_along() -> None:
    triple = tiny(enrolled=True)
    generator = torch.Generator().manual_seed(5)
    enrollment = 0.1 * torch.randn(1, 9000, generator=generator)
    mixture = noise(20)
    with serving(triple) as running, link_to(running.port, triple) as link:
        lived = lives(link, triple, mixture, enrollment)
    assert same(lived, replay(triple, mixture, lived, enrollment))
    assert not same(lived, replay(triple, mixture, lived, -enrollment.flip(-1)))
    assert (lived.seen != NO_HINT).any()


@pytest.mark.parametrize("network", [None, SHAPED], ids=["loopback", "shaped"])
@pytest.mark.parametrize("transport", ["websocket", "udp"])
def test_the_trained_reference_triple(network: Any, transport: str) -> None:
    triple = load_triple(find_model(Path("separation-kb")), "separation")
    mixture = noise(24)
    with (
        serving(triple) as running,
        link_to(running.port, triple, transport=transport, network=network) as link,
    ):
        lived = lives(link, triple, mixture)
    assert same(lived, replay(triple, mixture, lived))
    assert (lived.seen != NO_HINT).any()


def test_a_state_that_is_no_tree_of_tensors() -> None:
    triple = load_triple(recipes_folder() / "models" / "wiener.py", "enhancement")
    mixture = noise(24)
    with (
        serving(triple) as running,
        link_to(running.port, triple, transport="udp", network=SHAPED) as link,
    ):
        lived = lives(link, triple, mixture)
    assert same(lived, replay(triple, mixture, lived))
    assert (lived.seen != NO_HINT).any()


def test_live_is_offline_within_what_the_audit_allows() -> None:
    """Against ``forward`` on the whole mixture, where the remote heard every frame."""
    triple, mixture = tiny(hint_dtype=torch.float32), noise(CHUNKS)
    with serving(triple) as running, link_to(running.port, triple) as link:
        lived = lives(link, triple, mixture)
    known = lived.recorded.sessions()[: lived.seen.max() + 1]
    assert (known == 0).all(), "on loopback nothing is lost"

    class Recorded:
        """A channel with one schedule."""

        streamed, recording, never, kind, delay_chunks = False, None, False, "x", DELAY
        name = "x"

        def seen_by(self, mixture: str, chunks: int) -> Any:
            return lived.seen

    batch = Batch(("x",), mixture[None], mixture[None, None].expand(-1, 2, -1, -1), None)
    condition = Condition("boosted@x", "boosted", Recorded())  # type: ignore[arg-type]
    ((_, offline),) = Runner(triple).run(batch, [condition])
    peak = np.abs(offline).max()
    assert np.abs(offline[0] - lived.estimates).max() <= OTHER_SHAPE * peak


class Events(RealClock):
    """A clock on which something happens at some chunks, and which stands still meanwhile."""

    def __init__(self, events: dict[int, Callable[[], object]]) -> None:
        super().__init__(lookahead=64)
        self.events = events

    def wait(self, chunk: int) -> int:
        due = super().wait(chunk)
        if chunk in self.events:
            before = time.monotonic_ns()
            self.events[chunk]()
            self._began_ns += time.monotonic_ns() - before
        return due


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    pause = threading.Event()
    for _ in range(round(seconds / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("transport", ["websocket", "udp"])
def test_a_link_that_is_lost_comes_back(transport: str) -> None:
    """The device carries on; a new stream begins from silence; and it is still replayed exactly."""
    triple, mixture = tiny(), noise(90)
    with ExitStack() as stack:
        running = stack.enter_context(serving(triple))
        link = stack.enter_context(link_to(running.port, triple, transport=transport))

        def lose() -> None:
            running.end()
            wait_until(lambda: not link.ready)

        def find() -> None:
            stack.enter_context(serving(triple, port=running.port))
            wait_until(lambda: link.ready)

        lived = lives(link, triple, mixture, clock=Events({30: lose, 50: find}))
        assert link.connections == 2
    assert lived.unsent >= 10
    assert {session for session, _, _ in lived.recorded.heard} == {0, 1}
    assert lived.seen[29] >= 0 and lived.seen[-1] > 50
    assert same(lived, replay(triple, mixture, lived))
    without_sessions = Lived(**{**vars(lived), "recorded": _one_session(lived)})
    assert not same(lived, replay(triple, mixture, without_sessions))


def _one_session(lived: Lived) -> Any:
    runs = [(0, first, last) for _, first, last in lived.recorded.heard]
    return lived.recorded.model_copy(update={"heard": tuple(runs)})


def test_hints_go_off_a_second_after_the_last_one() -> None:
    triple, mixture = tiny(), noise(180)
    with serving(triple) as running, link_to(running.port, triple) as link:
        lived = lives(link, triple, mixture, clock=Events({20: running.end}))
    newest = int(lived.seen.max())
    off = np.flatnonzero(lived.seen == NO_HINT)
    assert newest <= 20 and off[-1] == len(lived.seen) - 1
    assert off[off > newest][0] == newest + 126
    assert same(lived, replay(triple, mixture, lived))


def test_nobody_there_and_a_broken_remote_are_one_line() -> None:
    triple = tiny()
    with serving(triple) as running:
        port = running.port
    with pytest.raises(InputError, match="nobody listens there; start `kbbench serve`"):
        link_to(port, triple).open()


class Raises(torch.nn.Module):
    """A remote that breaks at its fifth step."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def start(self, batch: int, enrollment: Any = None) -> Any:
        return 0, self.inner.start(batch, enrollment)

    def step(self, frame: Any, state: Any) -> Any:
        if state[0] == 5:
            raise RuntimeError("no\nmore")
        *made, after = self.inner.step(frame, state[1])
        return (*made, (state[0] + 1, after))


def test_a_model_that_breaks_ends_its_own_session_alone() -> None:
    broken = tiny()
    boosted: Any = broken.triple.boosted_at(DELAY)
    object.__setattr__(boosted, "remote", Raises(boosted.remote))
    message = r"127.0.0.1:\d+: remote: step raised RuntimeError: no more"
    with serving(broken) as running:
        for _ in range(2):
            with link_to(running.port, broken) as link, pytest.raises(ModelError, match=message):
                lives(link, broken, noise(60), clock=RealClock(64))
        wait_until(lambda: running.server.sessions == 0)


def test_many_devices_at_once_get_what_each_gets_alone() -> None:
    triple = tiny()
    devices = 8
    found: dict[int, Lived] = {}
    with serving(triple, workers=2) as running:

        def run(number: int) -> None:
            torch.set_num_threads(1)
            with link_to(running.port, triple) as link:
                found[number] = lives(link, triple, noise(16, number))

        threads = [threading.Thread(target=run, args=(n,)) for n in range(devices)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert running.server.served == devices
    for number in range(devices):
        assert same(found[number], replay(triple, noise(16, number), found[number]))


def test_a_real_trained_file_has_one_identity(tmp_path: Path) -> None:
    """Two processes load the same file from different folders: the same identity."""
    from kbbench.live.handshake import Identity

    text = (recipes_folder() / "models" / "wiener.py").read_text()
    identities = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "wiener.py"
        path.write_text(text)
        identities.append(Identity.of(load_triple(path, None), DELAY))
    assert identities[0] == identities[1]
    assert fixed(DELAY).delay_chunks == identities[0].delay_chunks
