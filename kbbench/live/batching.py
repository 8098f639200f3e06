"""Several sessions in one step: their states joined, and taken apart again.

A state is whatever a model's ``start`` returns, so nobody says where its mixtures' axis is. It is
found by looking: of each tensor the one axis that grows with the number of mixtures. That this is
right is tried out: sessions of different pasts, alone and joined, must give the same hints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from kbbench.audit.compare import OTHER_SHAPE
from kbbench.streaming import one_step
from kbbench.units import CHUNK

TRIED = (1, 2, 3)
"""Numbers of mixtures whose states are laid beside each other."""
TRIAL_CHUNKS = 6
"""Steps before and after joining: as many again as a convolution of the usual width looks back."""
LEVEL = 0.1
"""RMS of the noise that sessions hear in the trial."""


@dataclass(frozen=True)
class Joiner:
    """How states of one mixture become one of several.

    Args:
        axes: of each leaf, the mixtures' axis; None where it is the same for all.
        spec: of the state's structure.
        exact: joined sessions gave the very bits that they gave alone.
    """

    axes: tuple[int | None, ...]
    spec: TreeSpec
    exact: bool

    def alike(self, states: Sequence[Any]) -> list[int]:
        """Which states can be joined with the first one: same structure, equal where shared."""
        first = self._leaves(states[0])
        return [n for n, state in enumerate(states) if self._fits(first, self._leaves(state))]

    def join(self, states: Sequence[Any]) -> Any:
        """States of one mixture each to one of all; they must be :meth:`alike`."""
        columns = zip(*(self._leaves(state) or [] for state in states), strict=True)
        joined = [
            column[0] if axis is None else torch.cat(column, dim=axis)
            for axis, column in zip(self.axes, columns, strict=True)
        ]
        return tree_unflatten(joined, self.spec)

    def split(self, state: Any, count: int) -> list[Any]:
        """A state of several mixtures to one of each.

        Raises:
            ValueError: it has another structure than before.
        """
        leaves = self._leaves(state)
        if leaves is None:
            raise ValueError("the state changed its structure")
        parts = [
            [leaf] * count if axis is None else [p.clone() for p in leaf.chunk(count, dim=axis)]
            for axis, leaf in zip(self.axes, leaves, strict=True)
        ]
        return [tree_unflatten(list(mine), self.spec) for mine in zip(*parts, strict=True)]

    def _leaves(self, state: Any) -> list[Any] | None:
        leaves, spec = tree_flatten(state)
        return leaves if spec == self.spec else None

    def _fits(self, first: list[Any] | None, other: list[Any] | None) -> bool:
        if first is None or other is None:
            return False
        return all(
            _same(a, b) if axis is None else a.shape == b.shape
            for axis, a, b in zip(self.axes, first, other, strict=True)
        )


def find_joiner(model: Any, lookahead: int, channels: int, enrolled: bool) -> Joiner | None:
    """How to join a remote's states; None where no way is found, or where it gives other hints.

    Args:
        model: in its streaming form, with hints.
        lookahead: samples of a frame past its chunk.
        channels: C.
        enrolled: it is given an enrollment.
    """
    noise = _Noise(channels, CHUNK + lookahead, enrolled)
    try:
        states = [noise.run(model, noise.start(model, rows), rows)[1] for rows in TRIED]
        found = _axes(states)
        if found is None:
            return None
        difference = _difference(model, Joiner(*found, exact=False), noise)
    except Exception:  # whatever a strange state does when it is cut up: then it is not
        return None
    return None if difference > OTHER_SHAPE else Joiner(*found, exact=difference == 0.0)


class _Noise:
    """Seeded sound for trials."""

    def __init__(self, channels: int, samples: int, enrolled: bool) -> None:
        self._generator = torch.Generator().manual_seed(0)
        self._shape, self._enrolled = (channels, samples), enrolled

    def frame(self, rows: int) -> Tensor:
        return LEVEL * torch.randn(rows, *self._shape, generator=self._generator)

    def start(self, model: Any, rows: int) -> Any:
        sound = LEVEL * torch.randn(rows, 1, 100 * CHUNK, generator=self._generator)
        with torch.inference_mode():
            return model.start(rows, sound if self._enrolled else None)

    def run(self, model: Any, state: Any, rows: int) -> tuple[list[Tensor], Any]:
        """Hints of some steps, and the state after them."""
        hints = []
        for chunk in range(TRIAL_CHUNKS):
            _, hint, state = one_step("remote", model, self.frame(rows), state, chunk)
            assert hint is not None
            hints.append(hint)
        return hints, state


def _axes(states: Sequence[Any]) -> tuple[tuple[int | None, ...], TreeSpec] | None:
    flat = [tree_flatten(state) for state in states]
    spec = flat[0][1]
    if any(other != spec for _, other in flat) or not flat[0][0]:
        return None
    axes: list[int | None] = []
    for column in zip(*(leaves for leaves, _ in flat), strict=True):
        if not all(isinstance(leaf, Tensor) for leaf in column):
            if not all(_same(column[0], leaf) for leaf in column):
                return None
            axes.append(None)
            continue
        shapes = [leaf.shape for leaf in column]
        if len({len(shape) for shape in shapes}) != 1:
            return None
        grown = [d for d in range(len(shapes[0])) if len({shape[d] for shape in shapes}) > 1]
        if len(grown) > 1 or any(
            shape[d] != rows * shapes[0][d]
            for d in grown
            for rows, shape in zip(TRIED, shapes, strict=True)
        ):
            return None
        axes.append(grown[0] if grown else None)
    return tuple(axes), spec


def _difference(model: Any, joiner: Joiner, noise: _Noise) -> float:
    """Largest difference of hints, alone and joined, as a share of the peak of those alone."""
    rows = max(TRIED)
    states = [noise.run(model, noise.start(model, 1), 1)[1] for _ in range(rows)]
    if len(joiner.alike(states)) != rows:
        return float("inf")
    frames = [noise.frame(rows) for _ in range(TRIAL_CHUNKS)]
    joined, largest, peak = joiner.join(states), 0.0, 0.0
    for chunk, frame in enumerate(frames):
        _, together, joined = one_step("remote", model, frame.clone(), joined, chunk)
        apart = joiner.split(joined, rows)
        joined = joiner.join(apart)
        for row in range(rows):
            mine = frame[row : row + 1].clone()
            _, alone, states[row] = one_step("remote", model, mine, states[row], chunk)
            assert alone is not None and together is not None
            largest = max(largest, float((alone[0] - together[row]).abs().max()))
            peak = max(peak, float(alone.abs().max()))
    return largest / peak if peak > 0 else float(largest > 0)


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.equal(first, second)
    try:
        return type(first) is type(second) and bool(first == second)
    except (RuntimeError, ValueError, TypeError):
        return False  # what cannot be compared is not the same
