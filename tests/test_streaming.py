"""The streaming form under the same index vector: equal to offline, framed right, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kbbench.channel import Channel, deliver, fixed, gilbert_elliott, jitter, off
from kbbench.errors import ModelError
from kbbench.models import Boosted
from kbbench.models.frames import frames
from kbbench.models.loading import load_triple
from kbbench.resources import recipes_folder
from kbbench.runner import Batch, Condition, Runner
from kbbench.streaming import Streamed, stream_alone, stream_boosted
from kbbench.units import CHUNK, chunk_count

SAMPLES = 30 * CHUNK + 37
CHUNKS = chunk_count(SAMPLES)
IDS = ("test/00000", "test/00001", "test/00002")
LINKS = [fixed(0), fixed(3), off(), jitter(24, 16), gilbert_elliott(0.2, 0.3, delay_ms=20)]


class Echo:
    """A remote whose hint is the sum of what it has heard, and a device that writes its hint."""

    def start(self, batch: int, enrollment: Tensor | None = None) -> Tensor:
        offset = 0.0 if enrollment is None else enrollment[:, 0, 0]
        return torch.zeros(batch) + offset

    def step(
        self, frame: Tensor, state: Tensor, hint: Tensor | None = None, age: Tensor | None = None
    ) -> tuple[Any, ...]:
        if hint is None or age is None:
            state = state + frame.sum((1, 2))
            return frame[:, None, :, :CHUNK], torch.stack([state, -state], 1), state
        estimate = torch.ones(len(frame), 1, 2, CHUNK) * hint[:, 0, None, None, None]
        estimate[..., 1] = age[:, None, None].float()
        return estimate, state


def stream(channel: Channel, mixture: Tensor, **options: Any) -> Streamed:
    seen = np.stack([channel.seen_by(name, CHUNKS) for name in IDS])
    given = {"lookahead": 64, "hint_dtype": torch.float32, **options}
    return stream_boosted(Boosted(Echo(), Echo()), mixture, seen, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("channel", LINKS, ids=lambda channel: channel.name)
def test_hints_come_as_they_do_offline(channel: Channel, signal: Any) -> None:
    mixture = signal(3, 2, SAMPLES)
    sums = torch.stack([frame.sum((1, 2)) for frame in frames(mixture, 64)], 1).cumsum(1)
    seen = np.stack([channel.seen_by(name, CHUNKS) for name in IDS])
    delivered = deliver(sums[..., None], seen)
    result = stream(channel, mixture)
    assert result.estimates.shape == (3, 1, 2, SAMPLES)
    torch.testing.assert_close(
        result.estimates[:, 0, 0, ::CHUNK], delivered.hints[..., 0], rtol=1e-4, atol=1e-4
    )
    assert torch.equal(result.estimates[:, 0, 1, 1::CHUNK].long(), delivered.age)
    assert result.device_s.shape == result.remote_s.shape == (CHUNKS,)
    assert (result.device_s > 0).all() and (result.remote_s > 0).all()


@pytest.mark.parametrize("channel", LINKS, ids=lambda channel: channel.name)
def test_a_real_triple_streams_what_the_runner_gets(channel: Channel, signal: Any) -> None:
    loaded = load_triple(recipes_folder() / "models" / "wiener.py", "enhancement")
    mixture = 0.1 * signal(3, 2, SAMPLES)
    batch = Batch(tuple(IDS), mixture, mixture[:, None].clone(), None)
    condition = Condition("boosted", "boosted", channel)
    ((_, offline),) = Runner(loaded).run(batch, [condition])
    seen = np.stack([channel.seen_by(name, CHUNKS) for name in IDS])
    result = stream_boosted(
        loaded.triple.boosted_at(6),
        mixture,
        seen,
        loaded.triple.lookahead,
        loaded.triple.hint_dtype,
    )
    torch.testing.assert_close(result.estimates, torch.from_numpy(offline), rtol=0, atol=1e-6)
    alone = stream_alone(loaded.triple.small, mixture, 64)
    ((_, small),) = Runner(loaded).run(batch, [Condition("small", "small")])
    torch.testing.assert_close(alone.estimates, torch.from_numpy(small), rtol=0, atol=1e-6)
    assert alone.device_s.shape == (CHUNKS,)
    assert not len(alone.remote_s)


@pytest.mark.parametrize("lookahead", [0, 1, 64])
@pytest.mark.parametrize("samples", [1, CHUNK, 3 * CHUNK - 1, 3 * CHUNK + 20])
def test_frames_hold_a_chunk_and_what_follows(lookahead: int, samples: int) -> None:
    mixture = torch.arange(1.0, samples + 1).expand(1, 2, -1)
    found = list(frames(mixture, lookahead))
    assert len(found) == chunk_count(samples)
    for k, frame in enumerate(found):
        expected = torch.arange(1.0, CHUNK + lookahead + 1) + k * CHUNK
        assert torch.equal(frame[0, 1], torch.where(expected <= samples, expected, 0.0))
        frame.zero_()  # a copy: the mixture stays
    assert mixture[0, 0, -1] == samples


def test_hints_pass_through_their_type(signal: Any) -> None:
    mixture = signal(3, 2, SAMPLES)
    fine, coarse = (
        stream(fixed(1), mixture, hint_dtype=dtype).estimates[:, 0, 0, ::CHUNK]
        for dtype in (torch.float32, torch.float16)
    )
    assert torch.equal(coarse, fine.half().float())
    assert not torch.equal(coarse, fine)


def test_an_enrollment_reaches_both(signal: Any) -> None:
    result = stream(fixed(0), torch.zeros(3, 2, SAMPLES), enrollment=torch.full((3, 1, 9), 7.0))
    assert (result.estimates[:, 0, 0, ::CHUNK] == 7.0).all()


class Broken(Echo):
    def __init__(self, output: Any) -> None:
        self.output = output

    def step(self, frame: Tensor, state: Any, hint: Any = None, age: Any = None) -> Any:
        if isinstance(self.output, Exception):
            raise self.output
        return self.output


CHUNK_OUT = torch.zeros(3, 1, 2, CHUNK)


@pytest.mark.parametrize(
    ("device", "remote", "message"),
    [
        (torch.nn.Identity(), Echo(), "device: Identity has no streaming form; define start"),
        (Echo(), lambda mixture: mixture, "remote: function has no streaming form"),
        (Broken(RuntimeError("a\nb")), Echo(), "device: step raised RuntimeError: a b"),
        (Broken(CHUNK_OUT), Echo(), "device: step returned Tensor at chunk 0, expected"),
        (
            Broken((torch.zeros(3, 1, 2, 64), None)),
            Echo(),
            r"estimate \(3, 1, 2, 64\) at chunk 0, expected \(3, sources, 2, 128\)",
        ),
        (Broken((None, None)), Echo(), r"device: step returned an estimate None"),
        (Echo(), Broken((CHUNK_OUT, None)), "remote: step returned no hint"),
    ],
)
def test_a_broken_stream_is_one_line(device: Any, remote: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        seen = fixed(1).seen_by("a", CHUNKS)
        stream_boosted(Boosted(device, remote), torch.zeros(3, 2, SAMPLES), seen, 64, torch.float16)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (np.zeros(CHUNKS - 1, np.int64), r"seen \(30,\), expected \(31,\) or \(3, 31\)"),
        (np.full(CHUNKS, 30), "a hint from the future"),
        (np.full(CHUNKS, -2), "below -1"),
    ],
)
def test_a_schedule_that_is_none_is_refused(seen: Any, message: str) -> None:
    boosted = Boosted(Echo(), Echo())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        stream_boosted(boosted, torch.zeros(3, 2, SAMPLES), seen, 64, torch.float16)


class Counting(Echo):
    """A remote whose hint says how many frames its session has heard, and which was the last."""

    def start(self, batch: int, enrollment: Tensor | None = None) -> Tensor:
        return torch.zeros(batch)

    def step(
        self, frame: Tensor, state: Tensor, hint: Tensor | None = None, age: Tensor | None = None
    ) -> tuple[Any, ...]:
        state = state + 1
        return frame[:, None, :, :CHUNK], torch.stack([state, frame[:, 0, 0]], 1), state


class Telling(Echo):
    """A device that writes its hint: its first number, and in the next sample the second one."""

    def step(
        self, frame: Tensor, state: Any, hint: Tensor | None = None, age: Tensor | None = None
    ) -> tuple[Any, ...]:
        assert hint is not None
        estimate = torch.zeros(len(frame), 1, 2, CHUNK)
        estimate[..., 0], estimate[..., 1] = hint[:, 0, None, None], hint[:, 1, None, None]
        return estimate, state


def test_a_remote_that_hears_parts_begins_anew_with_each_session() -> None:
    chunks = 10
    mixture = torch.arange(1.0, chunks + 1).repeat_interleave(CHUNK).expand(1, 2, -1)
    heard = np.array([-1, 0, 0, -1, 0, -1, 1, 1, -1, 3])
    seen = np.array([-1, 1, 2, 2, 4, 2, 6, 7, 7, 9])
    boosted = Boosted(Telling(), Counting())  # type: ignore[arg-type]
    result = stream_boosted(boosted, mixture, seen, 64, torch.float32, heard=heard)
    told = result.estimates[0, 0, 0].reshape(chunks, CHUNK)[:, :2].tolist()
    counts = {1: 1, 2: 2, 4: 3, 6: 1, 7: 2, 9: 1}
    assert told == [[0, 0] if j < 0 else [counts[j], j + 1] for j in seen.tolist()]
    assert len(result.remote_s) == 6


@pytest.mark.parametrize(
    ("heard", "message"),
    [
        (np.zeros(CHUNKS - 1, np.int64), r"heard \(30,\) for 1 mixtures, expected \(31,\)"),
        (np.full(CHUNKS, -1), "a frame that the remote did not hear"),
    ],
)
def test_sessions_that_do_not_fit_are_refused(heard: Any, message: str) -> None:
    boosted = Boosted(Echo(), Echo())  # type: ignore[arg-type]
    seen = fixed(1).seen_by("a", CHUNKS)
    with pytest.raises(ValueError, match=message):
        stream_boosted(boosted, torch.zeros(1, 2, SAMPLES), seen, 64, torch.float16, heard=heard)
    with pytest.raises(ValueError, match="for 3 mixtures"):
        heard = np.zeros(CHUNKS, np.int64)
        stream_boosted(boosted, torch.zeros(3, 2, SAMPLES), seen, 64, torch.float16, heard=heard)
