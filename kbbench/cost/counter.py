"""Counting what torch does inside a ``with`` block, by looking at every operation's shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode

from kbbench.cost.formulas import FFT_FLOPS, MACS, is_unknown

COPIES = ("aten::clone", "aten::equal", "aten::copy", "aten::_to_copy")
"""Element-wise operations that calculate nothing."""
NUMBERS = (int, float, complex)
"""What torch passes for a tensor that was made of one."""


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what runs inside it, eager or TorchScript, on any device.

    Attributes:
        macs: multiply-accumulates of layers.
        fft_flops: of Fourier transforms, which are no MACs.
        elementwise: results of element-wise operations (sums, products, activations), which are
            no MACs either; a product that a user spells out element by element shows here. Those
            inside a fused layer, such as the gates of an LSTM, are not among them.
        unknown: names of operations that may do MACs and have no formula. Where there are any, the
            count is a lower bound.

    >>> with Counter() as counter:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 5)
    >>> counter.macs
    30
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = 0
        self.fft_flops = 0.0
        self.elementwise = 0
        self.unknown: set[str] = set()
        # Operations that have no parts, so that each is asked for them once. Where a tensor lies is
        # asked while parts are looked for, and must not ask again.
        self._whole: set[Any] = {torch.ops.prim.device.default}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation, and count it or, where it has no formula, its parts."""
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            self.unknown.add(str(func))
            return func(*args, **kwargs)
        name, pointwise, has_formula, tensors = _facts(func)
        args = [
            torch.as_tensor(value) if place in tensors and isinstance(value, NUMBERS) else value
            for place, value in enumerate(args)
        ]
        if not has_formula and func not in self._whole:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
            self._whole.add(func)
        out = func(*args, **kwargs)
        self._count(name, pointwise, args, out)
        return out

    def _count(self, name: str, pointwise: bool, args: Sequence[Any], out: Any) -> None:
        if name in MACS:
            try:
                self.macs += int(MACS[name](args, out))
            except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
                # Called in a way that its formula does not know, such as with nested tensors.
                self.unknown.add(name)
        elif name in FFT_FLOPS:
            self.fft_flops += FFT_FLOPS[name](args, out)
        elif pointwise and name not in COPIES:
            self.elementwise += out.numel() if isinstance(out, Tensor) else 0
        elif is_unknown(name):
            self.unknown.add(name)


@cache
def _facts(operation: Any) -> tuple[str, bool, bool, frozenset[int]]:
    """What there is to know of an operation.

    Returns:
        its name as in ``MACS``; whether it works element by element; whether it has a formula; and
        the places of tensors that must not be numbers. While TorchScript compiles, it works on
        constants, and torch hands us bare numbers for tensors that were made of numbers.
    """
    name = operation._schema.name.removesuffix("_")
    tensors = frozenset(
        place
        for place, argument in enumerate(operation._schema.arguments)
        if isinstance(argument.type, torch.TensorType)
    )
    if torch._C._should_allow_numbers_as_tensors(name.split("::")[1]):
        tensors = frozenset()
    pointwise = torch.Tag.pointwise in operation.tags
    return name, pointwise, name in MACS or name in FFT_FLOPS, tensors


@contextmanager
def counting() -> Iterator[Counter]:
    """A counter in inference mode, as the runner works; compiled models run as they are written."""
    with torch.inference_mode(), torch.compiler.set_stance("force_eager"), Counter() as counter:
        yield counter
