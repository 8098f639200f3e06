"""LSTM layers for training on CUDA: all steps of a direction in one kernel, in Triton.

A TF-GridNet's recurrent layers are narrow and its sequences many. cuDNN starts several kernels a
step for them, and the GPU mostly waits; here each program keeps the states of some sequences and
walks along them, forwards, and backwards for the gradient. Parameters are those of ``nn.LSTM``.

Source: the equations of ``torch.nn.LSTM``; persistent recurrent kernels as in Diamos et al.,
"Persistent RNNs: Stashing Recurrent Weights On-Chip", ICML 2016.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

GATES = 4
"""Input, forget, cell and output, in the order of ``nn.LSTM``."""
ROWS = 16
"""Sequences of one program; matrix units take no fewer."""
NARROWEST = 16
"""Units, likewise; narrower layers are filled with zeros."""
WIDTH = 8
"""Units of one warp."""

State = tuple[Tensor, Tensor]
"""Hidden and cell state, each (directions, N, H)."""


def fuse(network: nn.Module) -> None:
    """Let the network's LSTM layers compute so, from now on; their parameters stay."""
    for module in network.modules():
        if type(module) is nn.LSTM and module.num_layers == 1:
            module.__class__ = FusedLSTM


class FusedLSTM(nn.LSTM):
    """One layer, batch first, one direction or both; states have no gradient."""

    def forward(  # type: ignore[override]
        self, x: Tensor, state: State | None = None
    ) -> tuple[Tensor, State]:
        """(N, L, I) and (directions, N, H) twice to (N, L, directions x H) and the last state."""
        dtype = x.dtype
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
        ends = ("", "_reverse") if self.bidirectional else ("",)
        into, again, bias = (
            torch.cat([self._both(kind, end) for end in ends]).to(dtype)
            for kind in (("weight_ih_l0",), ("weight_hh_l0",), ("bias_ih_l0", "bias_hh_l0"))
        )
        if state is None:
            zeros = x.new_zeros(len(ends), len(x), self.hidden_size)
            state = (zeros, zeros)
        y, hidden, cell = _Steps.apply(x.to(dtype), into, again, bias, *state)
        return y, (hidden, cell)

    def _both(self, kinds: tuple[str, ...], end: str) -> Tensor:
        return torch.stack([getattr(self, kind + end) for kind in kinds]).sum(dim=0)


class _Steps(torch.autograd.Function):
    """All steps: x (N, L, I), weights (D 4 H, I) and (D 4 H, H), bias (D 4 H), states (D, N, H)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, into: Tensor, again: Tensor, bias: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        count, length, _ = x.shape
        directions, _, units = hidden.shape
        with torch.autocast(x.device.type, enabled=False):
            gates = nn.functional.linear(x, into, bias)  # becomes what they are after each step
        hidden, cell = hidden.float().contiguous(), cell.float().contiguous()
        y = gates.new_empty(count, length, directions * units)
        cells = torch.empty_like(y)
        last = torch.empty_like(hidden), torch.empty_like(cell)
        again = again.contiguous()
        _forward[_grid(count, directions)](
            gates, again, hidden, cell, y, cells, *last, count, length, **_sizes(directions, units)
        )
        ctx.save_for_backward(x, into, again, gates, y, cells, hidden, cell)
        ctx.mark_non_differentiable(*last)
        return y, *last

    @staticmethod
    def backward(ctx: Any, slope: Tensor, *states: Tensor) -> tuple[Tensor | None, ...]:
        x, into, again, gates, y, cells, hidden, cell = ctx.saved_tensors
        count, length, width = x.shape
        directions, _, units = hidden.shape
        slopes = torch.empty_like(gates)
        _backward[_grid(count, directions)](
            gates,
            again,
            cell,
            cells,
            slope.contiguous(),
            slopes,
            count,
            length,
            **_sizes(directions, units),
        )
        flat = slopes.flatten(0, 1)
        recurrent = torch.cat(
            [
                _recurrent(slopes, y, hidden, direction).to(again.dtype)
                for direction in range(directions)
            ]
        )
        return (
            (flat @ into).unflatten(0, (count, length)),
            flat.T @ x.reshape(-1, width),
            recurrent,
            flat.sum(0, dtype=torch.float32).to(into.dtype),
            None,
            None,
        )


def _recurrent(slopes: Tensor, y: Tensor, hidden: Tensor, direction: int) -> Tensor:
    """Gradient of a direction's recurrent weights, (4 H, H): each step's and what it began with.

    Sequences lie one after the other, so a row's predecessor is the row before it, or after it in
    the other direction; where a sequence begins that is another's, which is taken out again.
    """
    units = hidden.shape[-1]
    own = slopes[..., direction * GATES * units : (direction + 1) * GATES * units]
    heard = y[..., direction * units : (direction + 1) * units]
    if direction:
        first, last, step, before = -1, 0, own.flatten(0, 1)[:-1], heard.flatten(0, 1)[1:]
        foreign = own[:-1, first], heard[1:, last]
    else:
        first, last, step, before = 0, -1, own.flatten(0, 1)[1:], heard.flatten(0, 1)[:-1]
        foreign = own[1:, first], heard[:-1, last]
    begun = own[:, first].T.float() @ hidden[direction]
    return (step.T @ before).float() - (foreign[0].T @ foreign[1]).float() + begun


def _grid(count: int, directions: int) -> tuple[int, int]:
    return triton.cdiv(count, ROWS), directions


def _sizes(directions: int, units: int) -> dict[str, int]:
    padded = max(NARROWEST, triton.next_power_of_2(units))
    return {
        "directions": directions,
        "units": units,
        "padded": padded,
        "block": ROWS,
        "num_warps": padded // WIDTH,
    }


@triton.jit
def _sigmoid(x):  # type: ignore[no-untyped-def]
    return 1 / (1 + tl.exp(-x))


@triton.jit
def _tanh(x):  # type: ignore[no-untyped-def]
    return 2 / (1 + tl.exp(-2 * x)) - 1


@triton.jit  # type: ignore[untyped-decorator]
def _load_gates(first, apart, mask, dtype: tl.constexpr):  # type: ignore[no-untyped-def]
    """Four tiles, one a gate, so many numbers apart."""
    return (
        tl.load(first, mask, 0.0).to(dtype),
        tl.load(first + apart, mask, 0.0).to(dtype),
        tl.load(first + 2 * apart, mask, 0.0).to(dtype),
        tl.load(first + 3 * apart, mask, 0.0).to(dtype),
    )


@triton.jit
def _store_gates(first, apart, mask, i, f, g, o):  # type: ignore[no-untyped-def]
    tl.store(first, i, mask)
    tl.store(first + apart, f, mask)
    tl.store(first + 2 * apart, g, mask)
    tl.store(first + 3 * apart, o, mask)


@triton.jit  # type: ignore[untyped-decorator]
def _extent(count, units: tl.constexpr, padded: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """A program's sequences, the units, where a tile of both holds something, and one of units."""
    row = (tl.program_id(0) * block + tl.arange(0, block)).to(tl.int64)[:, None]
    column = tl.arange(0, padded)
    there = (row < count) & (column < units)[None, :]
    square = (column < units)[:, None] & (column < units)[None, :]
    return row, column, there, square


@triton.jit  # type: ignore[untyped-decorator]
def _forward(  # type: ignore[no-untyped-def]
    gates,
    weights,
    hidden,
    cell,
    y,
    cells,
    last_hidden,
    last_cell,
    count,
    length,
    directions: tl.constexpr,
    units: tl.constexpr,
    padded: tl.constexpr,
    block: tl.constexpr,
):
    direction = tl.program_id(1)
    row, column, there, square = _extent(count, units, padded, block)
    # Weights lie as (gate, unit, unit before); a tile is (unit before, unit).
    corner = weights + direction * 4 * units * units + column[None, :] * units + column[:, None]
    to_input, to_forget, to_cell, to_output = _load_gates(
        corner, units * units, square, weights.dtype.element_ty
    )
    begin = (direction * count + row) * units + column[None, :]
    h = tl.load(hidden + begin, there, 0.0)
    c = tl.load(cell + begin, there, 0.0)
    step = 1 - 2 * direction  # of both directions one walks back
    time = direction * (length - 1)
    place = ((row * length + time) * directions + direction) * units
    wide = gates + 4 * place + column[None, :]
    narrow = place + column[None, :]
    stride = step * directions * units
    i, f, g, o = _load_gates(wide, units, there, gates.dtype.element_ty)
    for passed in range(length):
        # The next step's are on their way while this one is computed.
        ahead = there & (passed + 1 < length)
        after = wide + 4 * stride
        next_i, next_f, next_g, next_o = _load_gates(after, units, ahead, gates.dtype.element_ty)
        told = h.to(to_input.dtype)
        i_now = _sigmoid(tl.dot(told, to_input, input_precision="ieee") + i)
        f_now = _sigmoid(tl.dot(told, to_forget, input_precision="ieee") + f)
        g_now = _tanh(tl.dot(told, to_cell, input_precision="ieee") + g)
        o_now = _sigmoid(tl.dot(told, to_output, input_precision="ieee") + o)
        c = f_now * c + i_now * g_now
        h = o_now * _tanh(c)
        _store_gates(wide, units, there, i_now, f_now, g_now, o_now)
        tl.store(cells + narrow, c, there)
        tl.store(y + narrow, h, there)
        i, f, g, o = next_i, next_f, next_g, next_o
        wide = after
        narrow += stride
    tl.store(last_hidden + begin, h, there)
    tl.store(last_cell + begin, c, there)


@triton.jit  # type: ignore[untyped-decorator]
def _backward(  # type: ignore[no-untyped-def]
    gates,
    weights,
    cell,
    cells,
    slope,
    slopes,
    count,
    length,
    directions: tl.constexpr,
    units: tl.constexpr,
    padded: tl.constexpr,
    block: tl.constexpr,
):
    direction = tl.program_id(1)
    row, column, there, square = _extent(count, units, padded, block)
    # Here a tile is (unit, unit before).
    corner = weights + direction * 4 * units * units + column[:, None] * units + column[None, :]
    from_input, from_forget, from_cell, from_output = _load_gates(
        corner, units * units, square, weights.dtype.element_ty
    )
    begin = (direction * count + row) * units + column[None, :]
    c_first = tl.load(cell + begin, there, 0.0)
    step = 2 * direction - 1  # the other way than forwards
    time = (1 - direction) * (length - 1)
    place = ((row * length + time) * directions + direction) * units
    wide = 4 * place + column[None, :]
    narrow = place + column[None, :]
    stride = step * directions * units
    i, f, g, o = _load_gates(gates + wide, units, there, tl.float32)
    c = tl.load(cells + narrow, there, 0.0).to(tl.float32)
    dy = tl.load(slope + narrow, there, 0.0).to(tl.float32)
    dh = tl.full([block, padded], 0.0, tl.float32)
    dc = tl.full([block, padded], 0.0, tl.float32)
    for passed in range(length):
        ahead = there & (passed + 1 < length)
        after = wide + 4 * stride
        further = narrow + stride
        next_i, next_f, next_g, next_o = _load_gates(gates + after, units, ahead, tl.float32)
        next_c = tl.load(cells + further, ahead, 0.0).to(tl.float32)
        next_dy = tl.load(slope + further, ahead, 0.0).to(tl.float32)
        c_before = tl.where(passed + 1 < length, next_c, c_first)
        dh += dy
        bent = _tanh(c)
        dc += dh * o * (1 - bent * bent)
        di = (dc * g * i * (1 - i)).to(from_input.dtype)
        df = (dc * c_before * f * (1 - f)).to(from_input.dtype)
        dg = (dc * i * (1 - g * g)).to(from_input.dtype)
        do = (dh * bent * o * (1 - o)).to(from_input.dtype)
        _store_gates(slopes + wide, units, there, di, df, dg, do)
        dc *= f
        dh = tl.dot(di, from_input, input_precision="ieee")
        dh = tl.dot(df, from_forget, dh, input_precision="ieee")
        dh = tl.dot(dg, from_cell, dh, input_precision="ieee")
        dh = tl.dot(do, from_output, dh, input_precision="ieee")
        i, f, g, o, c, dy = next_i, next_f, next_g, next_o, next_c, next_dy
        wide = after
        narrow = further
