"""Fused LSTM layers give what torch's own give, values and gradients, in Triton's interpreter."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("triton", reason="torch brings no Triton on this system")
COUNT, LENGTH, INPUTS = 19, 7, 12
"""More than one program, and the last one not full."""


@pytest.fixture(scope="module")
def fused() -> Iterator[Any]:
    """The module, imported so that its kernels run without a GPU; later imports are as usual."""
    name = "kbbench.baselines.training.fused"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.delitem(sys.modules, name, raising=False)
        yield importlib.import_module(name)
    del sys.modules[name]


def results(layer: nn.LSTM, state: Any, device: str = "cpu") -> list[Tensor]:
    """What it gives, its last states, and gradients of a sum whose terms all differ."""
    layer.to(device).zero_grad()
    x = torch.randn(COUNT, LENGTH, INPUTS, generator=torch.Generator().manual_seed(1))
    x = x.to(device).requires_grad_()
    y, last = layer(x, state)
    torch.autograd.backward((y * torch.arange(y.numel(), device=device).view_as(y).sin()).sum())
    gradients = [parameter.grad for parameter in layer.parameters()]
    found = [y, *last, x.grad, *gradients]
    return [tensor.detach().clone() for tensor in found if tensor is not None]


@pytest.mark.parametrize("units", [16, 20])
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("begun", [False, True])
def test_values_and_gradients_are_those_of_torch(
    units: int, both_ways: bool, begun: bool, fused: Any
) -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(INPUTS, units, batch_first=True, bidirectional=both_ways)
    shape = (1 + both_ways, COUNT, units)
    state = (torch.randn(shape), torch.randn(shape)) if begun else None
    expected = results(layer, state)
    fused.fuse(layer)
    found = results(layer, state)
    assert type(layer) is fused.FusedLSTM
    assert len(found) == len(expected) == 4 + 4 * (1 + both_ways)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-3), (True, 3e-2)])
def test_on_a_gpu_too(bf16: bool, tolerance: float) -> None:
    from kbbench.baselines.training.fused import fuse

    torch.manual_seed(0)
    layer = nn.LSTM(INPUTS, 64, batch_first=True, bidirectional=True)
    expected = results(layer, None)
    fuse(layer)
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
        found = results(layer, None, "cuda")
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.float().cpu() - theirs).norm() < tolerance * theirs.norm()
