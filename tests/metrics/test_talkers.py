"""Wrong talker: by hand, ties, and what an unprocessed mixture scores."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from kbbench.metrics import wrong_talker

Make = Callable[..., torch.Tensor]


def test_the_nearer_talker_counts(signal: Make) -> None:
    wanted, other, third = (signal(2, 4000, seed=seed) for seed in range(3))
    others = torch.stack([other, third])
    for share, expected in ((0.1, 0.0), (0.9, 0.0), (1.1, 1.0), (10.0, 1.0)):
        assert wrong_talker(wanted + share * other, wanted, others) == expected
        assert wrong_talker(wanted + share * third, wanted, others) == expected
        # Neither level nor sign of the estimate matter.
        assert wrong_talker(-0.01 * (wanted + share * other), wanted, others) == expected


def test_one_ear_does_not_decide_alone(signal: Make) -> None:
    wanted, other = signal(2, 4000), signal(2, 4000, seed=1)
    at_one = wanted.clone()
    at_one[0] = wanted[0] + 1.5 * other[0]
    assert wrong_talker(at_one, wanted, other[None]) == 0.0


def test_a_tie_is_no_mistake(signal: Make) -> None:
    x = signal(2, 4000)
    assert wrong_talker(x, x, x[None]) == 0.0
    left = torch.tensor([[1.0, 0.0, 0.0]])
    right, elsewhere = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    assert wrong_talker(elsewhere, left, right[None]) == 0.0
    assert wrong_talker(left + right, left, right[None]) == 0.0


def test_what_has_no_value_has_a_reason(signal: Make) -> None:
    x = signal(2, 100)
    with pytest.raises(ValueError, match="estimate is silent"):
        wrong_talker(torch.zeros(2, 100), x, x[None])
    with pytest.raises(ValueError, match="reference is silent"):
        wrong_talker(x, x, torch.zeros(1, 2, 100))
    with pytest.raises(ValueError, match="no other talker"):
        wrong_talker(x, x, torch.zeros(0, 2, 100))
