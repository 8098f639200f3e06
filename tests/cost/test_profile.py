"""A whole triple's cost against hand counts, and every way that its models can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from kbbench.cost import Cost, profile_triple
from kbbench.cost.macs import LENGTHS
from kbbench.models import Boosted
from kbbench.units import CHUNK, LOOKAHEAD, chunk_count
from tests.cost.separator import (
    Separator,
    macs_by_hand,
    parameters_by_hand,
    separator_triple,
    state_bytes_by_hand,
)
from tests.cost.triples import constant, load, profile, remote, triple


@pytest.fixture(scope="module")
def separator() -> Cost:
    return profile(separator_triple())


class Travelling(nn.Module):
    """Notes where it was last sent."""

    place = "elsewhere"

    def to(self, *args: Any, **kwargs: Any) -> Travelling:
        self.place = str(args[0])
        return self

    def forward(self, mixture: Tensor, **kwargs: Any) -> Tensor:
        assert self.place == "cpu", self.place
        return mixture[:, None]


def test_cost_is_measured_on_the_cpu_wherever_a_model_ran_before() -> None:
    small, device = Travelling(), Travelling()
    profile(triple(small=small, device=device))
    assert small.place == device.place == "cpu"


def test_the_separator_streams_what_it_gives_offline(signal: Callable[..., Tensor]) -> None:
    """Else its figures would be those of two different models."""
    model, mixture = Separator(16, hint_size=3), signal(1, 2, 20 * CHUNK)
    hints = signal(1, 20, 3, seed=1)
    padded = functional.pad(mixture, (0, LOOKAHEAD))
    state, chunks = model.start(1), []
    with torch.inference_mode():
        for k in range(20):
            frame = padded[..., k * CHUNK : (k + 1) * CHUNK + LOOKAHEAD]
            estimate, state = model.step(frame, state, hints[:, k])
            chunks.append(estimate)
        offline = model(mixture, hints=hints)
    torch.testing.assert_close(torch.cat(chunks, -1), offline, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "hidden", "hint_size"),
    [("small", 16, 0), ("device", 16, 96), ("large", 96, 0), ("remote", 96, 0)],
)
def test_figures_are_those_by_hand(name: str, hidden: int, hint_size: int, separator: Cost) -> None:
    model = separator.models[name]
    macs = macs_by_hand(hidden, hint_size)
    assert model.value("macs_per_chunk") == macs
    assert model.value("step_macs_per_chunk") == macs
    assert model.value("fft_flops_per_chunk") == 0
    assert model.value("state_bytes") == state_bytes_by_hand(hidden)
    assert model.value("parameters") == parameters_by_hand(hidden, hint_size)
    assert all(figure.note is None for figure in model.figures.values())


def test_the_link_and_the_whole(separator: Cost) -> None:
    # 96 numbers of 16 bits, 125 times a second.
    assert separator.hint_kbit_per_s.value == 192.0
    assert separator.remote_is_large
    together = parameters_by_hand(16, 96) + parameters_by_hand(96)
    assert separator.deployed_parameters.value == together
    assert separator.matched.factor == pytest.approx(macs_by_hand(16, 96) / macs_by_hand(16), 1e-5)
    assert separator.matched.matched == (separator.matched.factor < 1.05)


def test_times_are_in_order_and_counted(separator: Cost) -> None:
    for model in separator.models.values():
        p50, p95, p99 = (model.value(f"chunk_ms_p{p}") for p in (50, 95, 99))
        assert 0 < p50 <= p95 <= p99  # type: ignore[operator]
        assert 0 <= model.value("missed_deadlines") <= 1  # type: ignore[operator]
        assert model.chunks_timed == 25
    assert separator.hardware.cpu
    assert separator.method.threads == 1


def test_it_survives_json(separator: Cost) -> None:
    assert Cost.model_validate_json(separator.model_dump_json()) == separator
    assert "missed_deadlines" in separator.model_dump_json()


class Attention(nn.Module):
    """One feature vector a chunk attends to the last ``window`` ones, or to all before it."""

    def __init__(self, window: int | None) -> None:
        super().__init__()
        self.window = window

    def forward(self, mixture: Tensor, **kwargs: Any) -> Tensor:
        length = mixture.shape[-1]
        x = functional.pad(mixture[:, 0], (0, -length % CHUNK)).unflatten(-1, (-1, CHUNK))
        if self.window is None:
            out = functional.scaled_dot_product_attention(x, x, x, is_causal=True)
        else:
            past = functional.pad(x, (0, 0, self.window - 1, 0)).unfold(1, self.window, 1)
            weights = torch.einsum("bkf,bkfw->bkw", x, past).softmax(-1)
            out = torch.einsum("bkw,bkfw->bkf", weights, past)
        result: Tensor = out.flatten(1)[:, None, None, :length].expand(-1, -1, 2, -1)
        return result


@pytest.mark.parametrize("window", [2, 30, 250])
def test_attention_with_a_window_is_in_its_steady_state(window: int) -> None:
    figure = profile(triple(small=Attention(window))).models["small"].figures["macs_per_chunk"]
    assert figure.value == 2 * window * CHUNK
    assert figure.note is None


def test_attention_to_everything_has_no_steady_state() -> None:
    cost = profile(triple(small=Attention(None)))
    figure = cost.models["small"].figures["macs_per_chunk"]
    assert figure.value == 2 * CHUNK * (LENGTHS[1] + LENGTHS[2])
    assert "not steady" in str(figure.note)
    assert cost.matched.matched is None


class Masked(Attention):
    """Attends to all of it in ``forward``, with a mask; to a window, by a layer, in ``step``."""

    def __init__(self, features: int) -> None:
        super().__init__(None)
        self.layer = nn.Linear(CHUNK, features)

    def start(self, batch: int, enrollment: Tensor | None = None) -> None:
        return None

    def step(self, frame: Tensor, state: None, *told: Tensor) -> tuple[Tensor, None]:
        self.layer(frame[:, 0, :CHUNK])
        return frame[:, None, :, :CHUNK], None


class Blocks(nn.Module):
    """Works on blocks of chunks, the last one padded; knows its talker from the enrollment."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block
        self.layer, self.voice = nn.Linear(block * CHUNK, 3), nn.Linear(80_000, 100)

    def forward(self, mixture: Tensor, *, enrollment: Tensor, **kwargs: Any) -> Tensor:
        self.voice(enrollment)
        size = self.block * CHUNK
        padded = functional.pad(mixture, (0, -mixture.shape[-1] % size + size))
        self.layer(padded.unflatten(-1, (-1, size)))
        return mixture[:, None]


@pytest.mark.parametrize("block", [1, 2, 4, 5, 8, 12, 16])
def test_what_is_paid_once_is_no_cost_of_a_chunk(block: int) -> None:
    cost = profile(triple(small=Blocks(block), task="target_speech"))
    figure = cost.models["small"].figures["macs_per_chunk"]
    assert figure.value == 2 * CHUNK * 3
    assert figure.note is None


def test_shared_parameters_count_once() -> None:
    shared = nn.Linear(10, 10, bias=False)

    class Part(nn.Module):
        def __init__(self, writes_hints: bool) -> None:
            super().__init__()
            self.shared, self.own = shared, nn.Linear(3, 3, bias=False)
            self.forward = remote if writes_hints else constant  # type: ignore[assignment]

    device, far = Part(False), Part(True)
    cost = profile(triple(device=device, remote=far))
    assert not cost.remote_is_large
    assert cost.models["device"].value("parameters") == 109
    assert cost.models["remote"].value("parameters") == 109
    assert cost.deployed_parameters.value == 118


def test_the_boosted_model_of_the_delay_is_taken() -> None:
    asked = []

    def boosted(delay: int) -> Boosted:
        asked.append(delay)
        return Boosted(constant, remote)

    assert profile(triple(boosted=boosted), delay_chunks=4).method.delay_chunks == 4
    assert asked == [4]


def test_progress_reaches_its_end() -> None:
    told: list[tuple[int, int]] = []
    profile(triple(), progress=lambda done, total: told.append((done, total)))
    assert told == [(k, 12) for k in range(1, 13)]


def test_nothing_to_time_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one chunk"):
        profile_triple(load(triple()), seconds=0.0)


def test_an_oracle_is_given_the_reference_and_named() -> None:
    def peek(mixture: Tensor, *, reference: Tensor, **kwargs: Any) -> Tensor:
        assert chunk_count(reference.shape[-1]) in LENGTHS
        return reference[:, :1]

    cost = profile(replace(triple(small=peek, task="separation"), oracle=True))
    assert cost.oracle
    assert "oracle" in str(cost.models["small"].figures["chunk_ms_p50"].reason)
