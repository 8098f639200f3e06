"""Clocks: frames when they are there, two machines' offset, and what names a machine."""

from __future__ import annotations

import itertools
import sys
import time

from hypothesis import given
from hypothesis import strategies as st

from kbbench.live.clock import Offset, RealClock, machine, make_clock, prompt_threads
from kbbench.live.limits import Bucket


def test_a_frame_is_there_once_its_last_sample_is() -> None:
    clock = RealClock(lookahead=64)
    before = time.monotonic_ns()
    clock.start()
    due = [clock.wait(k) for k in range(3)]
    after = time.monotonic_ns()
    assert [b - a for a, b in itertools.pairwise(due)] == [8_000_000, 8_000_000]
    assert before + 12_000_000 <= due[0]
    assert after >= due[2]
    fast = make_clock("fast", 64)
    fast.start()
    assert fast.wait(1000) <= time.monotonic_ns()


@given(
    offset=st.integers(-(10**12), 10**12),
    trips=st.lists(st.tuples(*[st.integers(0, 10**9)] * 3), min_size=1, max_size=20),
)
def test_the_offset_is_within_its_bound(offset: int, trips: list[tuple[int, int, int]]) -> None:
    """Whatever the two ways take, and the remote: half of the shortest round trip."""
    found = Offset(same=False)
    sent = 0
    for up, remote, down in trips:
        sent += 8_000_000
        received = sent + up + offset
        found.add(sent, received, received + remote, sent + up + remote + down)
    assert abs(found.ns - offset) <= found.bound_ns + 1
    assert found.bound_ns == min(up + down for up, _, down in trips) // 2


def test_equal_ways_give_the_offset_exactly_and_one_clock_needs_none() -> None:
    found, same = Offset(same=False), Offset(same=True)
    for item in (found, same):
        item.add(0, 5_000 + 123, 9_000 + 123, 14_000)
    assert found.ns == 123 and found.bound_ns == 5_000
    assert same.ns == same.bound_ns == 0


def test_a_machine_is_known_for_one_nonce_alone() -> None:
    assert machine("a") == machine("a")
    assert machine("a") == "" or machine("a") != machine("b")


def test_threads_give_way_and_then_as_before() -> None:
    before = sys.getswitchinterval()
    with prompt_threads():
        assert sys.getswitchinterval() < before
    assert sys.getswitchinterval() == before


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = Bucket(rate_per_s=100.0, burst=5)
    waits = [bucket.take(10.0) for _ in range(7)]
    assert waits[:5] == [0.0] * 5
    assert [round(wait, 6) for wait in waits[5:]] == [0.01, 0.02]
    assert bucket.take(20.0) == 0.0  # full again, and no fuller than full
    assert [bucket.take(20.0) > 0 for _ in range(5)] == [False] * 4 + [True]
    other = Bucket(rate_per_s=100.0, burst=5)
    assert [other.allow(10.0) for _ in range(1000)].count(True) == 5
    assert [other.allow(10.02 + n * 1e-9) for n in range(100)].count(True) == 2
