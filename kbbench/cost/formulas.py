"""Multiply-accumulates of an operation, from the shapes that it is called with.

A MAC is one multiplication and one addition of a layer that multiplies by a matrix or a kernel:
linear, convolution, recurrence, attention, einsum. Biases, activations, norms and gates are no
MACs. A product of complex numbers is four MACs (torch turns a complex convolution into three real
ones, which count as they are). Padding and what an attention mask hides count as if computed.

Sources: torch's own formulas (``torch.utils.flop_counter``, two FLOPs a MAC), and for what they
leave out the definitions in the documentation of ``torch.nn``. For the FFT the usual count of
5 N log2 N FLOPs, half of it for real signals (Frigo and Johnson, "The design and implementation
of FFTW3", Proc. IEEE 93(2), 2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

FLOPS_A_MAC = 2
"""One multiplication, one addition."""
COMPLEX_MACS = 4
"""Real multiplications of a complex one, each with its addition."""

Formula = Callable[[Sequence[Any], Any], float]
"""(positional arguments, output) -> count."""


def matrix_vector(args: Sequence[Any], out: Any) -> int:
    """``mv`` (matrix, vector) and ``dot`` (vector, vector): every element of the first once."""
    return _real(args[0]) * int(args[0].numel())


def added_matrix_vector(args: Sequence[Any], out: Any) -> int:
    """``addmv`` (bias, matrix, vector)."""
    return matrix_vector(args[1:], out)


def added_batch(args: Sequence[Any], out: Any) -> int:
    """``addbmm`` (bias, (B, M, K), (B, K, N)), summed over the batch."""
    return _real(args[1]) * int(args[1].numel()) * int(args[2].shape[-1])


def outer(args: Sequence[Any], out: Any) -> int:
    """``addr`` (bias, (M,), (N,))."""
    return _real(args[1]) * int(args[1].numel()) * int(args[2].numel())


def recurrent(args: Sequence[Any], out: Any) -> int:
    """LSTM, GRU and RNN, all layers and directions: each step multiplies by each matrix once.

    Arguments: input (T, B, F) or (B, T, F), or packed data (rows, F), and among the rest the
    matrices W_ih, W_hh and W_hr (projection) of every layer and direction; states are 3-D.
    """
    flat = [t for item in args[1:] for t in (item if isinstance(item, (list, tuple)) else [item])]
    matrices = [t for t in flat if isinstance(t, Tensor) and t.ndim == 2]
    return _rows(args[0]) * sum(t.numel() for t in matrices)


def recurrent_layer(args: Sequence[Any], out: Any) -> int:
    """``mkldnn_rnn_layer`` (input (T, B, F), W_ih, W_hh, ...): one layer, one direction."""
    return _rows(args[0]) * int(args[1].numel() + args[2].numel())


def attention(args: Sequence[Any], out: Any) -> int:
    """Query (B, H, L, E), key (B, H', S, E), value (B, H', S, E'): scores, then their mixture."""
    query, key, value = args[:3]
    return _rows(query) * int(key.shape[-2]) * int(query.shape[-1] + value.shape[-1])


def fused_attention(args: Sequence[Any], out: Any) -> int:
    """``_native_multi_head_attention`` (x, x, x, D, heads, W_qkv, bias, W_out, ...)."""
    return _self_attention(args[0]) + _rows(args[0]) * int(args[5].numel() + args[7].numel())


def fused_encoder(args: Sequence[Any], out: Any) -> int:
    """``_transformer_encoder_layer_fwd`` (x, D, heads, W_qkv, b, W_out, b, ..., W_1, b, W_2, b)."""
    matrices = [args[place] for place in (3, 5, 14, 16)]
    return _self_attention(args[0]) + _rows(args[0]) * sum(int(w.numel()) for w in matrices)


def bilinear(args: Sequence[Any], out: Any) -> int:
    """``_trilinear`` as ``nn.Bilinear`` calls it: (N, I), (O, I, J), (N, J); W y first, then x."""
    weight = args[1]
    return _rows(args[0]) * int(weight.numel() + weight.shape[0] * weight.shape[1])


def quantized_linear(args: Sequence[Any], out: Any) -> int:
    """Input (..., I) and packed weights; output (..., O)."""
    return int(out.numel()) * int(args[0].shape[-1])


def fft_to_complex(args: Sequence[Any], out: Any) -> float:
    """``_fft_r2c`` (real signal, axes, ...)."""
    return _fft(args[0], args[1]) / 2


def fft_to_real(args: Sequence[Any], out: Any) -> float:
    """``_fft_c2r`` (spectrum, axes, ...), counted on the real output."""
    return _fft(out, args[1]) / 2


def fft_complex(args: Sequence[Any], out: Any) -> float:
    """``_fft_c2c`` (complex signal, axes, ...)."""
    return _fft(args[0], args[1])


def _halved(torch_formula: Callable[..., int]) -> Formula:
    def macs(args: Sequence[Any], out: Any) -> int:
        return _real(args[0]) * torch_formula(*args, out_val=out) // FLOPS_A_MAC

    return macs


def _real(value: Tensor) -> int:
    return COMPLEX_MACS if value.is_complex() else 1


def _rows(features: Tensor) -> int:
    """Vectors in (..., F)."""
    return int(features.shape[:-1].numel())


def _self_attention(x: Tensor) -> int:
    """Scores and their mixture for (B, L, D)."""
    return 2 * int(x.numel()) * int(x.shape[1])


def _fft(signal: Tensor, axes: Sequence[int]) -> float:
    length = math.prod(signal.shape[axis] for axis in axes)
    return 5 * signal.numel() * math.log2(length) if length > 1 else 0.0


MACS: dict[str, Formula] = {
    **{
        packet._qualified_op_name: _halved(formula)
        for packet, formula in flop_registry.items()
        if isinstance(packet, torch._ops.OpOverloadPacket)
    },
    "aten::mv": matrix_vector,
    "aten::dot": matrix_vector,
    "aten::vdot": matrix_vector,
    "aten::addmv": added_matrix_vector,
    "aten::addbmm": added_batch,
    "aten::addr": outer,
    "aten::lstm": recurrent,
    "aten::gru": recurrent,
    "aten::rnn_tanh": recurrent,
    "aten::rnn_relu": recurrent,
    "aten::_cudnn_rnn": recurrent,
    "aten::miopen_rnn": recurrent,
    "aten::mkldnn_rnn_layer": recurrent_layer,
    "aten::_scaled_dot_product_flash_attention_for_cpu": attention,
    "aten::_native_multi_head_attention": fused_attention,
    "aten::_transformer_encoder_layer_fwd": fused_encoder,
    "aten::_trilinear": bilinear,
    "quantized::linear": quantized_linear,
    "quantized::linear_relu": quantized_linear,
    "quantized::linear_dynamic": quantized_linear,
    "quantized::linear_relu_dynamic": quantized_linear,
}
"""MACs of an operation by its name in torch; the name in place (``addmm_``) counts the same."""

FFT_FLOPS: dict[str, Formula] = {
    "aten::_fft_r2c": fft_to_complex,
    "aten::_fft_c2r": fft_to_real,
    "aten::_fft_c2c": fft_complex,
}
"""FLOPs of a Fourier transform; apart from MACs, as the field's counters leave them out."""

FREE_LIBRARIES = ("aten", "prim", "prims")
"""Whose operations without a formula do no MACs, but for those below."""
UNKNOWN = (
    "aten::linalg_",
    "aten::_linalg_",
    "aten::quantized_",
    "aten::_sparse_",
    "aten::to_mkldnn",
    "aten::_euclidean_dist",
)
"""Operations that multiply matrices, in ways that no shape tells: solvers, fused convolutions."""
CHECKS = ("aten::linalg_vector_norm", "aten::_linalg_check_errors")
"""What is named like a solver and is none."""


def is_unknown(name: str) -> bool:
    """An operation without a formula that may hide MACs, such as a custom or a fused one.

    >>> is_unknown("aten::relu"), is_unknown("quantized::conv1d")
    (False, True)
    """
    if name.split("::")[0] not in FREE_LIBRARIES:
        return True
    return name.startswith(UNKNOWN) and name not in CHECKS
