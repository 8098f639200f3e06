"""What counts as changed: exactly nothing, rounding, and where a change begins."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kbbench.audit.compare import SAME_SHAPE, by_chunk, first_chunk, first_sample
from kbbench.audit.signals import FUTURES, IMPULSE, sounds, with_future
from kbbench.rng import Stream
from kbbench.units import CHUNK


def ramp(chunks: int = 4) -> torch.Tensor:
    return torch.linspace(-1, 1, chunks * CHUNK).expand(2, 1, 2, -1).clone()


@given(sample=st.integers(0, 4 * CHUNK - 1), size=st.floats(1e-4, 10))
def test_a_change_is_found_where_it_is(sample: int, size: float) -> None:
    first, second = ramp(), ramp()
    second[1, 0, 1, sample] += size
    difference = by_chunk(first, second, "estimates")
    peak = max(1.0, float(second[1, 0, 1].abs().max()))
    expected = torch.zeros(2, 4)
    expected[1, sample // CHUNK] = (
        abs(float(second[1, 0, 1, sample] - first[1, 0, 1, sample])) / peak
    )
    torch.testing.assert_close(difference, expected)
    assert first_chunk(difference, SAME_SHAPE).tolist() == [4, sample // CHUNK]
    assert first_sample(first[1], second[1], sample // CHUNK, SAME_SHAPE) == sample


def test_nan_is_a_change_and_a_small_feature_does_not_hide_behind_a_large_one() -> None:
    hints = torch.ones(1, 5, 2)
    hints[..., 1] = 1e-4
    other = hints.clone()
    other[0, 3, 1] = 2e-4
    assert by_chunk(hints, other, "hints").tolist()[0] == pytest.approx([0, 0, 0, 0.5, 0])
    other[0, 2, 0] = torch.nan
    assert by_chunk(hints, other, "hints")[0, 2] == torch.inf


def test_only_what_is_asked_for_is_compared_and_empty_hints_are_equal() -> None:
    first, second = ramp(), ramp()
    second[..., 3 * CHUNK :] = 0
    assert by_chunk(first, second, "estimates", before=3).tolist() == [[0, 0, 0]] * 2
    assert by_chunk(torch.zeros(2, 5, 0), torch.zeros(2, 5, 0), "hints").shape == (2, 5)


@pytest.mark.parametrize("kind", sorted(FUTURES))
def test_a_future_leaves_the_past_alone(kind: str) -> None:
    sound = sounds(Stream("test"), 3, 1000)
    starts = torch.tensor([1, 500, 999])
    other = with_future(kind, sound, starts, Stream("other"))
    same = (other == sound).all(1)
    for row, start in enumerate(starts.tolist()):
        assert same[row, :start].all()
        assert not same[row, start]
        assert same[row, start + 1 :].all() == (kind == IMPULSE or start == 999)


def test_sounds_have_their_levels_and_clip_at_full_scale() -> None:
    made = sounds(Stream("test"), 6, 16_000)
    assert made.shape == (6, 2, 16_000)
    assert made.abs().max() == 1
    quiet = made[4, 0].square().mean().sqrt()
    torch.testing.assert_close(float(quiet), 0.001, rtol=0.01, atol=0)
