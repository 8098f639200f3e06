"""MACs against hand counts, torch's own counter, and another package."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from kbbench.cost import Counter
from kbbench.cost.counter import counting

B, T, F, H = 2, 7, 10, 6
SEQUENCE = torch.randn(B, T, F)
IMAGE = torch.randn(B, 6, 9, 11)


def count(function: Callable[[], Any]) -> Counter:
    with counting() as counter:
        function()
    return counter


def run(module: nn.Module, *inputs: Tensor) -> Callable[[], Any]:
    module.eval()
    return lambda: module(*inputs)


LAYERS = [
    ("linear", nn.Linear(F, H), SEQUENCE, B * T * F * H),
    ("linear without bias", nn.Linear(F, H, bias=False), SEQUENCE[0], T * F * H),
    ("conv1d", nn.Conv1d(F, 5, 3), SEQUENCE.mT, B * (T - 2) * F * 5 * 3),
    (
        "conv1d, stride, dilation, groups, padding",
        nn.Conv1d(F, 4, 3, stride=2, dilation=2, groups=2, padding=2),
        SEQUENCE.mT,
        # (7 + 2 * 2 - 2 * 2 - 1) // 2 + 1 positions, each channel from 5 others.
        B * 4 * 4 * 5 * 3,
    ),
    ("depthwise", nn.Conv1d(F, F, 5, groups=F), SEQUENCE.mT, B * (T - 4) * F * 5),
    ("unbatched conv1d", nn.Conv1d(F, 5, 3), SEQUENCE[0].T, (T - 2) * F * 5 * 3),
    ("conv2d", nn.Conv2d(6, 4, (3, 2), stride=(2, 1)), IMAGE, B * 4 * 10 * 4 * 6 * 6),
    ("conv2d, same", nn.Conv2d(6, 4, 3, padding="same"), IMAGE, B * 9 * 11 * 4 * 6 * 9),
    ("conv3d", nn.Conv3d(1, 2, 3), IMAGE[:, None], B * 2 * 4 * 7 * 9 * 27),
    ("transposed", nn.ConvTranspose1d(F, 4, 3, stride=2), SEQUENCE.mT, B * T * F * 4 * 3),
    (
        "transposed, groups",
        nn.ConvTranspose2d(6, 4, (3, 2), stride=2, groups=2),
        IMAGE,
        B * 9 * 11 * 6 * 2 * 6,
    ),
    ("gru", nn.GRU(F, H, batch_first=True), SEQUENCE, B * T * 3 * H * (F + H)),
    ("gru, time first", nn.GRU(F, H), SEQUENCE, B * T * 3 * H * (F + H)),
    ("unbatched gru", nn.GRU(F, H), SEQUENCE[0], T * 3 * H * (F + H)),
    ("rnn", nn.RNN(F, H, bias=False), SEQUENCE, B * T * H * (F + H)),
    ("rnn, relu", nn.RNN(F, H, nonlinearity="relu"), SEQUENCE, B * T * H * (F + H)),
    ("lstm", nn.LSTM(F, H, batch_first=True), SEQUENCE, B * T * 4 * H * (F + H)),
    (
        "lstm, two layers, both directions",
        nn.LSTM(F, H, num_layers=2, bidirectional=True, batch_first=True),
        SEQUENCE,
        B * T * 2 * 4 * H * ((F + H) + (2 * H + H)),
    ),
    (
        "gru, two layers, both directions",
        nn.GRU(F, H, num_layers=2, bidirectional=True),
        SEQUENCE,
        B * T * 2 * 3 * H * ((F + H) + (2 * H + H)),
    ),
    (
        "lstm, projection",
        nn.LSTM(F, H, num_layers=2, proj_size=3),
        SEQUENCE,
        B * T * (4 * H * (F + 3) + H * 3 + 4 * H * (3 + 3) + H * 3),
    ),
    ("lstm cell", nn.LSTMCell(F, H), SEQUENCE[0], T * 4 * H * (F + H)),
    ("gru cell", nn.GRUCell(F, H), SEQUENCE[0], T * 3 * H * (F + H)),
    ("rnn cell", nn.RNNCell(F, H), SEQUENCE[0], T * H * (F + H)),
    ("bilinear", nn.Bilinear(F, F, H), (SEQUENCE, SEQUENCE), B * T * (H * F * F + H * F)),
    (
        "transformer encoder layer",
        nn.TransformerEncoderLayer(F, 2, 16, batch_first=True),
        SEQUENCE,
        B * T * (4 * F * F + 2 * F * 16) + 2 * B * T * T * F,
    ),
    (
        "a small stack",
        nn.Sequential(
            nn.Conv1d(F, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm1d(8), nn.Conv1d(8, 2, 1)
        ),
        SEQUENCE.mT,
        B * T * (F * 8 * 3 + 8 * 2),
    ),
    ("no layer", nn.Sequential(nn.ReLU(), nn.LayerNorm(F), nn.Softmax(-1)), SEQUENCE, 0),
]


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
@pytest.mark.parametrize(
    ("layer", "given", "macs"), [row[1:] for row in LAYERS], ids=[row[0] for row in LAYERS]
)
def test_a_layer_counts_as_by_hand(layer: nn.Module, given: Any, macs: int) -> None:
    counter = count(run(layer, *(given if isinstance(given, tuple) else (given,))))
    assert counter.macs == macs
    assert not counter.unknown


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(need_weights: bool, batch_first: bool) -> None:
    layer = nn.MultiheadAttention(F, 2, batch_first=batch_first).eval()
    counter = count(lambda: layer(SEQUENCE, SEQUENCE, SEQUENCE, need_weights=need_weights))
    batch, length = (B, T) if batch_first else (T, B)
    assert counter.macs == B * T * 4 * F * F + 2 * batch * length * length * F


def test_cross_attention_with_other_sizes() -> None:
    layer = nn.MultiheadAttention(F, 2, kdim=4, vdim=8, batch_first=True).eval()
    query, key, value = torch.randn(B, T, F), torch.randn(B, 5, 4), torch.randn(B, 5, 8)
    projections = B * T * 2 * F * F + B * 5 * (4 + 8) * F
    assert count(lambda: layer(query, key, value)).macs == projections + 2 * B * T * 5 * F


@pytest.mark.parametrize("causal", [True, False])
def test_scaled_dot_product_attention_counts_what_a_mask_hides(causal: bool) -> None:
    q, k, v = torch.randn(B, 2, T, 8), torch.randn(B, 2, T, 8), torch.randn(B, 2, T, 8)
    macs = count(lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=causal)).macs
    assert macs == B * 2 * T * T * (8 + 8)


MATRIX, VECTOR = torch.randn(4, 5), torch.randn(5)
SQUARE = torch.randn(4, 4)


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda: MATRIX @ MATRIX.T, 4 * 5 * 4),
        (lambda: MATRIX @ VECTOR, 4 * 5),
        (lambda: VECTOR @ VECTOR, 5),
        (lambda: torch.einsum("btf,bsf->bts", SEQUENCE, SEQUENCE), B * T * T * F),
        (lambda: torch.einsum("btf,gf->btg", SEQUENCE, torch.ones(3, F)), B * T * F * 3),
        (lambda: torch.tensordot(MATRIX, MATRIX, ([1], [1])), 4 * 5 * 4),
        (lambda: torch.addmv(torch.ones(4), MATRIX, VECTOR), 4 * 5),
        (lambda: torch.addmm(SQUARE, MATRIX, MATRIX.T), 4 * 5 * 4),
        (lambda: torch.zeros(4, 4).addmm_(MATRIX, MATRIX.T), 4 * 5 * 4),
        (lambda: torch.mm(MATRIX, MATRIX.T, out=torch.empty(4, 4)), 4 * 5 * 4),
        (lambda: torch.addbmm(torch.ones(T, T), SEQUENCE, SEQUENCE.mT), B * T * F * T),
        (lambda: torch.baddbmm(torch.ones(B, T, T), SEQUENCE, SEQUENCE.mT), B * T * F * T),
        (lambda: torch.addr(torch.ones(5, 5), VECTOR, VECTOR), 5 * 5),
        (lambda: torch.linalg.multi_dot([MATRIX, MATRIX.T, MATRIX]), 4 * 5 * 4 + 4 * 4 * 5),
    ],
)
def test_products(function: Callable[[], Any], macs: int) -> None:
    assert count(function).macs == macs


def test_complex_products_are_four_and_complex_convolutions_three() -> None:
    layer = nn.Linear(F, H, dtype=torch.complex64)
    assert count(run(layer, SEQUENCE.cfloat())).macs == 4 * B * T * F * H
    vector = VECTOR.cfloat()
    assert count(lambda: MATRIX.cfloat() @ vector).macs == 4 * 4 * 5
    conv = nn.Conv1d(F, 5, 3, dtype=torch.complex64)
    assert count(run(conv, SEQUENCE.mT.cfloat())).macs == 3 * B * (T - 2) * F * 5 * 3


def test_packed_sequences_count_their_rows() -> None:
    layer = nn.GRU(F, H, batch_first=True).eval()
    packed = nn.utils.rnn.pack_padded_sequence(SEQUENCE, [7, 3], batch_first=True)
    assert count(lambda: layer(packed)).macs == (7 + 3) * 3 * H * (F + H)


@pytest.mark.filterwarnings("ignore:LSTM with projections", "ignore:TF32 acceleration")
@pytest.mark.parametrize(
    "layer",
    [
        nn.LSTM(F, H, num_layers=3, bidirectional=True, batch_first=True),
        nn.LSTM(F, H, proj_size=4, bidirectional=True),
        nn.GRU(F, H, num_layers=2, bidirectional=True, bias=False),
        nn.RNN(F, H, num_layers=2),
    ],
)
@pytest.mark.parametrize("fused", [True, False])
def test_recurrence_agrees_with_the_products_that_torch_makes_of_it(
    layer: nn.Module, fused: bool
) -> None:
    """Torch's own counter, with the fused kernel off: the steps' products one by one."""
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as flops:
        layer(SEQUENCE)
    # With gradients on, torch runs parts of the layer, among them the fused kernel.
    with torch.enable_grad(), torch.backends.mkldnn.flags(enabled=fused), Counter() as counter:
        layer(SEQUENCE)
    assert counter.macs == count(run(layer, SEQUENCE)).macs == flops.get_total_flops() // 2


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(F, 4, 3, stride=2, dilation=2, groups=2, bias=False),
        nn.Sequential(nn.Conv1d(F, 8, 3, bias=False), nn.Conv1d(8, 8, 3, groups=8, bias=False)),
        nn.ConvTranspose1d(F, 4, 3, stride=2, bias=False),
        nn.Sequential(nn.Flatten(), nn.Linear(F * T, 3, bias=False)),
    ],
)
def test_another_package_counts_the_same(layer: nn.Module) -> None:
    """ptflops counts biases as MACs, so these layers have none."""
    ptflops = pytest.importorskip("ptflops")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        macs, _ = ptflops.get_model_complexity_info(
            layer, (F, T), as_strings=False, print_per_layer_stat=False, backend="pytorch"
        )
    assert count(run(layer, torch.randn(1, F, T))).macs == macs


class Head(nn.Module):
    """A recurrent layer whose output alone is given: torch.jit.script cannot take tuples well."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lstm = nn.Conv1d(F, F, 3, padding=1), nn.LSTM(F, H, batch_first=True)
        self.attention = nn.TransformerEncoderLayer(H, 2, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.lstm(self.conv(x.mT).mT)
        result: Tensor = self.attention(out) @ out.mT
        return result


@pytest.mark.parametrize("form", ["scripted", "traced", "frozen", "exported", "compiled"])
def test_other_forms_of_a_model_count_the_same(form: str) -> None:
    model = Head().eval()
    forms: dict[str, Callable[[], Any]] = {
        "scripted": lambda: torch.jit.script(model),
        "traced": lambda: torch.jit.trace(model, SEQUENCE, check_trace=False),
        "frozen": lambda: torch.jit.freeze(torch.jit.script(model)),
        "exported": lambda: torch.export.export(model, (SEQUENCE,)).module(),
        "compiled": lambda: torch.compile(model),
    }
    by_hand = B * T * (F * F * 3 + 4 * H * (F + H) + 4 * H * H + 2 * H * 8 + T * H)
    by_hand += 2 * B * T * T * H
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = forms[form]()
    for _ in range(3):  # TorchScript specializes in its second run
        counter = count(lambda: other(SEQUENCE))
        assert counter.macs == by_hand
        assert not counter.unknown


def test_quantized_layers_count_and_quantized_lstms_are_named() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        linear = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(F, H)), {nn.Linear})
        lstm = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(F, H)), {nn.LSTM})
        assert count(run(linear, SEQUENCE)).macs == B * T * F * H
        assert count(run(lstm, SEQUENCE)).unknown == {"aten::quantized_lstm"}


@torch.library.custom_op("kbbench_test::hidden", mutates_args=())
def hidden(x: Tensor) -> Tensor:
    """An operation that nobody can look into."""
    return x.clone()


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda: hidden(MATRIX), "kbbench_test::hidden"),
        (lambda: torch.linalg.solve(SQUARE, MATRIX), "aten::_linalg_solve_ex"),
        (lambda: torch.linalg.eigh(SQUARE), "aten::_linalg_eigh"),
        (lambda: torch.sparse.mm(torch.eye(4).to_sparse(), MATRIX), "aten::_sparse_addmm"),
        (
            lambda: torch.cond(torch.tensor(True), lambda x: x @ x.T, lambda x: x @ x.T, (MATRIX,)),
            "cond",
        ),
    ],
)
def test_what_cannot_be_counted_is_named(function: Callable[[], Any], name: str) -> None:
    assert count(function).unknown == {name}


def test_norms_and_copies_are_no_unknowns() -> None:
    def free() -> None:
        torch.linalg.vector_norm(functional.layer_norm(SEQUENCE, (F,)), dim=-1)
        functional.interpolate(SEQUENCE, 14, mode="linear").double().clone()
        functional.embedding(torch.tensor([1]), MATRIX).tolist()

    counter = count(free)
    assert (counter.macs, counter.unknown) == (0, set())


def test_fourier_transforms_are_apart() -> None:
    signal = torch.randn(3, 256)
    real = 3 * 2.5 * 256 * math.log2(256)
    assert count(lambda: torch.fft.rfft(signal)).fft_flops == real
    spectrum = torch.fft.rfft(signal)
    assert count(lambda: torch.fft.irfft(spectrum)).fft_flops == real
    assert count(lambda: torch.fft.fft(spectrum, 128)).fft_flops == 3 * 5 * 128 * math.log2(128)
    image = signal.reshape(3, 16, 16)
    assert count(lambda: torch.fft.rfft2(image)).fft_flops == pytest.approx(real)
    assert count(lambda: torch.fft.rfft(signal)).macs == 0


def test_a_product_spelled_out_element_by_element_shows_as_such() -> None:
    counter = count(lambda: (MATRIX[:, None] * MATRIX[None]).sum(-1))
    assert counter.macs == 0
    assert counter.elementwise == 4 * 4 * 5


def test_counting_changes_no_output() -> None:
    model = Head().eval()
    with torch.inference_mode():
        expected = model(SEQUENCE)
    with counting():
        got = model(SEQUENCE)
    torch.testing.assert_close(got, expected)
