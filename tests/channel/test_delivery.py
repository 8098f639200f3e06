"""Nothing but the channel moves a hint in time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kbbench.channel import NO_HINT, Channel, deliver, fixed, off
from kbbench.rng import Stream

STREAM = Stream("test")


@given(st.integers(0, 8), st.integers(1, 20), st.integers(0, 19))
def test_an_impulse_arrives_exactly_d_chunks_later(delay: int, chunks: int, at: int) -> None:
    at %= chunks
    hints = torch.zeros(1, chunks, 3)
    hints[0, at] = torch.tensor([1.0, 2.0, 3.0])
    delivered = deliver(hints, fixed(delay).seen(chunks, STREAM))
    expected = torch.zeros_like(hints)
    if at + delay < chunks:
        expected[0, at + delay] = hints[0, at]
    assert torch.equal(delivered.hints, expected)


@given(st.integers(0, 8), st.integers(1, 20))
def test_age_and_mask_say_what_was_delivered(delay: int, chunks: int) -> None:
    delivered = deliver(torch.ones(2, chunks, 1), fixed(delay).seen(chunks, STREAM))
    steps = torch.arange(chunks).expand(2, -1)
    assert torch.equal(delivered.seen_mask, steps >= delay)
    assert torch.equal(delivered.age, torch.where(steps >= delay, delay, NO_HINT))
    assert torch.equal(delivered.hints[..., 0], (steps >= delay).float())


def test_each_mixture_has_its_own_schedule() -> None:
    hints = torch.arange(8.0).reshape(2, 4, 1)
    moved = deliver(hints, np.array([[-1, 0, 0, 2], [0, 1, 2, 3]])).hints[..., 0]
    assert moved.tolist() == [[0, 0, 0, 2], [4, 5, 6, 7]]


def test_hints_off_delivers_nothing() -> None:
    delivered = deliver(torch.ones(1, 5, 2, 2), off(6).seen(5, STREAM))
    assert not delivered.seen_mask.any()
    assert not delivered.hints.any()
    assert off(6).delay_chunks == 6


def test_a_missing_hint_leaves_no_trace_even_where_it_is_not_finite() -> None:
    hints = torch.full((1, 3, 1), torch.nan)
    assert deliver(hints, off(0).seen(3, STREAM)).hints.tolist() == [[[0.0], [0.0], [0.0]]]


@pytest.mark.parametrize("schedule", [[0, 1, 3, 3], [0, 1, 2, -2]])
def test_a_schedule_from_the_future_is_refused(schedule: list[int]) -> None:
    channel = Channel("broken", lambda chunks, stream: np.array(schedule), 0)
    with pytest.raises(ValueError, match="broken: a hint from the future"):
        channel.seen(4, STREAM)


def test_a_schedule_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected \\(4,\\)"):
        Channel("short", lambda chunks, stream: np.zeros(3, np.int64), 0).seen(4, STREAM)
    with pytest.raises(ValueError, match="3 hints for 4 chunks"):
        deliver(torch.zeros(1, 3, 1), fixed(0).seen(4, STREAM))
    with pytest.raises(ValueError, match="got -1"):
        fixed(-1)
