"""The streaming form: what a step is given, its time, its state; and every way to be wrong."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kbbench.cost.calls import Link
from kbbench.cost.hardware import cpu
from kbbench.cost.macs import LENGTHS
from kbbench.cost.noise import noise
from kbbench.cost.streaming import WARM_UP_CHUNKS, pinned
from kbbench.errors import ModelError
from kbbench.units import CHUNK
from tests.cost.triples import Streamer, profile, triple


class Sleeper(Streamer):
    def step(self, frame: Tensor, state: Any, *told: Tensor) -> Any:
        time.sleep(0.010)
        return super().step(frame, state)


def test_a_step_of_10_ms_misses_every_deadline() -> None:
    small = profile(triple(small=Sleeper())).models["small"]
    assert small.value("missed_deadlines") == 1.0
    assert small.value("chunk_ms_p50") >= 10.0  # type: ignore[operator]
    assert small.value("real_time_factor") >= 1.25  # type: ignore[operator]
    assert small.value("state_bytes") == 20


def test_without_a_streaming_form_there_is_no_time_but_a_reason() -> None:
    model = profile(triple()).models["device"]
    for name in ("state_bytes", "chunk_ms_p99", "missed_deadlines", "step_macs_per_chunk"):
        assert model.figures[name].reason == "no streaming form"
    assert model.value("macs_per_chunk") == 0
    assert model.figures["parameters"].reason == "not a torch.nn.Module"
    assert model.chunks_timed == 0


def test_frames_and_hints_are_those_of_the_contract() -> None:
    seen: list[tuple[Any, ...]] = []

    class Listener(Streamer):
        def step(self, frame: Tensor, state: Any, *told: Tensor) -> Any:
            seen.append((frame.shape, state, *(value.clone() for value in told)))
            frame.zero_()  # what a model does to its frame is its own affair
            return frame[:, None, :, :CHUNK], state + 1

        def start(self, batch: int, enrollment: Tensor | None = None) -> Any:
            return 0

    profile(triple(device=Listener(), lookahead=32), delay_chunks=3)
    heard = noise("enhancement", LENGTHS[-1]).mixture[0, 0, ::CHUNK].half().tolist()
    frames, states, hints, ages = zip(*seen, strict=True)
    assert set(frames) == {(1, 2, CHUNK + 32)}
    assert list(states) == list(range(len(seen)))
    assert [int(age) for age in ages[:5]] == [-1, -1, -1, 3, 3]
    assert not any(hint.any() for hint in hints[:3])
    assert hints[3].shape == (1, 1)
    # The hints are the remote's own, in 16 bits: the first sample of each chunk.
    assert all(torch.equal(hint, hint.half().float()) for hint in hints)
    assert [float(hint) for hint in hints[3:9]] == heard[:6]


def test_hints_come_again_when_they_end() -> None:
    sent = torch.arange(4.0)[None, :, None]
    link = Link(sent, 16, delay_chunks=1)
    assert [float(link.at(k)[0]) for k in range(7)] == [0, 0, 1, 2, 3, 0, 1]
    assert [int(link.at(k)[1]) for k in range(3)] == [-1, 1, 1]


class Growing(Streamer):
    def step(self, frame: Tensor, state: Any, *told: Tensor) -> Any:
        return frame[:, None, :, :CHUNK], torch.cat([state, state[:, :1]], dim=-1)


def test_a_state_that_grows_is_said() -> None:
    figure = profile(triple(small=Growing())).models["small"].figures["state_bytes"]
    assert figure.value == 4 * (5 + WARM_UP_CHUNKS + 25)
    assert "not steady" in str(figure.note)


def test_threads_and_collector_are_as_before() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError), pinned():
            assert torch.get_num_threads() == 1
            assert not gc.isenabled()
            raise KeyError
        assert torch.get_num_threads() == 2
        assert gc.isenabled()
    finally:
        torch.set_num_threads(threads)


def raising(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("out of\nluck")


def streamer(start: Any = None, step: Any = None) -> Streamer:
    model = Streamer()
    if start is not None:
        model.start = start  # type: ignore[method-assign]
    if step is not None:
        model.step = step  # type: ignore[method-assign]
    return model


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"small": raising}, r"small forward raised RuntimeError: out of luck; --verbose"),
        ({"large": raising}, "large forward raised"),
        ({"device": raising}, "device forward raised"),
        ({"remote": lambda m, **k: m[:, None]}, "remote returned estimates alone, expected"),
        ({"remote": lambda m, **k: (m[:, None], m[:, 0])}, r"returned hints \(1, \d+\), expected"),
        ({"remote": lambda m, **k: (m[:, None], None)}, "remote returned estimates alone"),
        ({"small": lambda m, **k: m}, r"returned \(1, 2, \d+\), expected estimates \(batch"),
        ({"small": lambda m, **k: m[:, None, :, 1:]}, "small forward returned"),
        ({"small": lambda m, **k: (m[:, None], m)}, "small forward returned a tuple of Tensor"),
        ({"small": streamer(start=raising)}, "small start raised RuntimeError"),
        ({"device": streamer(step=raising)}, "device step raised RuntimeError: out of luck"),
        (
            {"small": streamer(step=lambda frame, state: frame)},
            r"small step returned \(1, 2, 192\), expected \(estimate, state\)",
        ),
        (
            {"small": streamer(step=lambda frame, state: (frame[:, None], state))},
            r"small step returned \(1, 1, 2, 192\), expected .* = \(1, sources, 2, 128\)",
        ),
        (
            {"small": streamer(step=lambda frame, state: (frame, state, 3))},
            "small step returned a tuple of Tensor, Tensor, int, expected",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        profile(triple(**parts))
    assert str(caught.value).startswith("model.py: ")
    assert "\n" not in str(caught.value)


def test_the_processor_s_name_is_found(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Fast  CPU @ 3 GHz\nflags\t: a b\n")
    assert cpu(info) == "Fast CPU @ 3 GHz"
    assert cpu(tmp_path / "nowhere")
