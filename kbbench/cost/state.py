"""Bytes of a streaming model's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

ATOMS = (str, bytes, int, float, complex, type, nn.Module)
"""What is not looked into."""


def state_bytes(state: Any) -> int:
    """Bytes of all tensors and NumPy arrays that a state holds, however nested.

    Dicts, lists, tuples, sets, queues, dataclasses and other objects are looked into; a tensor that
    is held twice counts once. A view counts its own elements, not the tensor that it is cut from,
    which a device need not keep. Python's own numbers, such as a chunk counter, count nothing, nor
    do modules, whose weights are parameters.

    >>> import torch
    >>> state_bytes({"gru": torch.zeros(1, 1, 32), "carry": [torch.zeros(2, 64)] * 2, "chunk": 7})
    640
    """
    arrays = {_place(array): _size(array) for array in _arrays(state, set())}
    return sum(arrays.values())


def _arrays(value: Any, visited: set[int]) -> Iterator[Tensor | np.ndarray[Any, Any]]:
    if isinstance(value, (Tensor, np.ndarray)):
        yield value
        return
    if id(value) in visited or isinstance(value, ATOMS):
        return
    visited.add(id(value))
    for part in _parts(value):
        yield from _arrays(part, visited)


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif hasattr(value, "__iter__") and hasattr(value, "__len__"):
        yield from value
    yield from getattr(value, "__dict__", {}).values()
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield getattr(value, name)


def _place(array: Tensor | np.ndarray[Any, Any]) -> tuple[Any, ...]:
    """Where it lies and how it is read: the same for two names of one array."""
    if isinstance(array, Tensor):
        return array.data_ptr(), tuple(array.shape), array.stride(), array.dtype
    return array.ctypes.data, array.shape, array.strides, array.dtype


def _size(array: Tensor | np.ndarray[Any, Any]) -> int:
    return array.numel() * array.element_size() if isinstance(array, Tensor) else array.nbytes
