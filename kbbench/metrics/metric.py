"""A metric and how to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from kbbench.metrics.prepared import Ear, Ears

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """One score and how to read it.

    Args:
        name: its column.
        label: what people call it.
        unit: of its values; empty where it has none.
        ear: an estimate at one ear to a value; or
        ears: an estimate at all ears to one value.
        better: which values are.
        package: whose version can move it.
    """

    name: str
    label: str
    unit: str
    ear: Callable[[Ear], float | Tensor] | None = None
    ears: Callable[[Ears], float] | None = None
    better: Better = "higher"
    package: str | None = None
