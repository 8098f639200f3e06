"""Attention in blocks is attention in the plain sense, frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kbbench.baselines.attention import look_back
from kbbench.baselines.config import WINDOW

BEFORE = WINDOW - 1


@pytest.mark.parametrize("frames", [1, 7, 40, 41, 133])
def test_each_frame_finds_what_a_loop_finds(frames: int, signal: Callable[..., Tensor]) -> None:
    query = signal(2, 3, frames, 5)
    keys, values = (
        signal(2, 3, BEFORE + frames, 5, seed=1),
        signal(2, 3, BEFORE + frames, 4, seed=2),
    )
    valid = signal(2, BEFORE + frames, seed=3) > 0
    valid[0, :WINDOW] = False
    found = look_back(query, keys, values, valid)
    for batch in range(2):
        for t in range(frames):
            seen = [j for j in range(t, t + WINDOW) if valid[batch, j]]
            expected = torch.zeros(3, 4)
            if seen:
                scores = torch.einsum("he,hje->hj", query[batch, :, t], keys[batch][:, seen])
                weights = (scores / 5**0.5).softmax(-1)
                expected = torch.einsum("hj,hjv->hv", weights, values[batch][:, seen])
            torch.testing.assert_close(found[batch, :, t], expected)


def test_a_window_that_holds_nothing_gives_zeros_and_finite_gradients() -> None:
    query = torch.ones(1, 1, 3, 2, requires_grad=True)
    keys, values = torch.ones(1, 1, BEFORE + 3, 2), torch.full((1, 1, BEFORE + 3, 2), torch.nan)
    found = look_back(query, keys, values, torch.zeros(1, BEFORE + 3, dtype=torch.bool))
    found.sum().backward()
    assert not found.any()
    assert query.grad is not None
    assert query.grad.isfinite().all()
