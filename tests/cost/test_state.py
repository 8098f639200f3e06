"""Bytes of a state: nested, shared, viewed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kbbench.cost.state import state_bytes


@dataclass(frozen=True)
class Frozen:
    chunk: int
    inner: Any


@dataclass(slots=True)
class Slotted:
    left: Tensor
    right: Any = None


class Pair(NamedTuple):
    one: Tensor
    two: Tensor


@dataclass
class Circle:
    values: Tensor
    me: Any = field(default=None)


def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.zeros(*shape, dtype=dtype)


@pytest.mark.parametrize(
    ("state", "size"),
    [
        (None, 0),
        (7, 0),
        ("text", 0),
        (zeros(3, 5), 60),
        (zeros(3, 5, dtype=torch.float16), 30),
        (zeros(4, dtype=torch.complex64), 32),
        (zeros(0), 0),
        ({"a": zeros(2), "b": {"c": (zeros(3), [zeros(4)])}}, 4 * 9),
        (Frozen(3, Slotted(zeros(2), Pair(zeros(3), zeros(4)))), 4 * 9),
        (deque([zeros(2), zeros(2)]), 16),
        (np.zeros((2, 3), dtype=np.float64), 48),
        (Frozen(0, np.float32(1.0)), 0),
        (nn.Linear(3, 3), 0),
    ],
)
def test_every_container_is_looked_into(state: Any, size: int) -> None:
    assert state_bytes(state) == size


def test_what_is_held_twice_counts_once_and_a_view_counts_what_it_shows() -> None:
    long = zeros(1000)
    assert state_bytes([long, {"again": long}]) == 4000
    assert state_bytes(long[-3:]) == 12
    assert state_bytes([long[:3], long[3:6]]) == 24


def test_a_circle_ends() -> None:
    state = Circle(zeros(2))
    state.me = [state]
    assert state_bytes(state) == 8
