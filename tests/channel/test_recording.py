"""Recordings of live runs: read with every check, replayed at the very steps."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbbench.channel import NO_HINT, Recording, fixed, newest, parse_channel, trace
from kbbench.channel.recording import NOT_HEARD, runs_of, seen_of
from kbbench.errors import InputError
from kbbench.rng import Stream

HASHES = dict.fromkeys(("file_sha256", "weights_sha256", "data_sha256"), "0" * 64)
MIXTURE: dict[str, Any] = {
    "chunks": 6,
    "arrival": [1, 3, 2, -1, -1, 5],
    "heard": [[0, 0, 2], [1, 4, 5]],
}


def recording(**changes: Any) -> dict[str, Any]:
    mixtures = {"test/00000": {**MIXTURE, **changes}}
    return {"delay_chunks": 4, "oldest_chunks": 125, **HASHES, "mixtures": mixtures}


def write(path: Path, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recording_is_a_channel_by_mixture(tmp_path: Path) -> None:
    path = write(tmp_path / "live-trace.json", recording())
    channel = parse_channel(f"trace:file={path}")
    assert channel.name == "trace:file=live-trace.json"
    assert channel.streamed and channel.delay_chunks == 4
    assert channel.seen_by("test/00000", 6).tolist() == [-1, 0, 2, 2, 2, 5]
    heard = channel.heard_by_remote("test/00000", 6)
    assert heard is not None and heard.tolist() == [0, 0, 0, NOT_HEARD, 1, 1]
    assert str(tmp_path) not in str(channel.definition)
    again = pickle.loads(pickle.dumps(channel))
    assert np.array_equal(again.seen_by("test/00000", 6), channel.seen_by("test/00000", 6))
    assert again.definition == channel.definition
    forward = trace(path, form="forward")
    assert not forward.streamed and forward.definition != channel.definition


def test_hints_are_off_once_they_are_old() -> None:
    arrival = np.array([0, 1, *[NO_HINT] * 5])
    assert seen_of(arrival, oldest_chunks=3).tolist() == [0, 1, 1, 1, 1, -1, -1]
    assert seen_of(arrival, oldest_chunks=0).tolist() == [0, 1, -1, -1, -1, -1, -1]


@given(st.lists(st.floats(0, 200) | st.just(float("inf")), min_size=1, max_size=60))
def test_arrival_steps_and_latencies_say_the_same(latencies_ms: list[float]) -> None:
    """An independent way to the vector: from the latency of each hint."""
    latency_ms = np.array(latencies_ms)
    sent = np.arange(len(latency_ms))
    steps = sent + np.ceil(latency_ms / 8.0)
    arrival = np.where(steps < len(sent), steps, NO_HINT).astype(np.int64)
    assert np.array_equal(seen_of(arrival, oldest_chunks=10**6), newest(latency_ms))


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=30))
def test_runs_hold_what_sessions_do(numbers: list[int]) -> None:
    sessions = np.maximum.accumulate(numbers)
    sessions = np.where(np.array(numbers) < 0, NOT_HEARD, sessions)
    again = np.full(len(sessions), NOT_HEARD)
    for session, first, last in runs_of(sessions):
        again[first : last + 1] = session
    assert np.array_equal(again, sessions)


def test_a_fixed_delay_recorded_is_that_delay() -> None:
    arrival = np.array([*range(3, 20), *[NO_HINT] * 3])
    assert np.array_equal(seen_of(arrival), fixed(3).seen(20, Stream("x")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"t.json: content: Invalid JSON"),
        ({**recording(), "colour": 1}, "colour: Extra inputs"),
        ({**recording(), "version": 2}, "version: Input should be 1"),
        ({**recording(), "weights_sha256": "x"}, "weights_sha256: String should match"),
        (recording(chunks=7), "6 arrivals for 7 chunks"),
        (recording(chunks=1 << 30), "less than or equal to 1048576"),
        (recording(arrival=[1, 0, 2, -1, -1, 5]), "arrives before its chunk"),
        (recording(arrival=[1, 6, 2, -1, -1, 5]), "or after the last one"),
        (recording(arrival=[1, 3, 2, 4, -1, 5]), "a frame that the remote did not hear"),
        (recording(heard=[[0, 0, 6]]), "no run of frames"),
        (recording(heard=[[1, 0, 2], [0, 4, 5]]), "no run of frames"),
        (recording(heard=[[0, 0, 4], [1, 4, 5]]), "no run of frames"),
        (recording(heard=[[-1, 0, 2]]), "no run of frames"),
        ({**recording(), "mixtures": {}}, "mixtures: Dictionary should have at least 1"),
    ],
)
def test_a_recording_that_is_none_is_one_line(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        trace(write(tmp_path / "t.json", content))
    assert "\n" not in str(caught.value)


def test_it_is_replayed_on_its_own_data_alone(tmp_path: Path) -> None:
    channel = trace(write(tmp_path / "t.json", recording()))
    with pytest.raises(InputError, match="holds no mixture test/00001"):
        channel.seen_by("test/00001", 6)
    with pytest.raises(InputError, match="has 7 chunks, the trace of it 6"):
        channel.seen_by("test/00000", 7)


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json", recording())
    with pytest.raises(InputError, match="holds what the remote took"):
        trace(path, remote_ms=2.0)
    with pytest.raises(InputError, match="form = 'backward', expected one of auto, step, forward"):
        trace(path, form="backward")
    times = write(tmp_path / "t.csv", "time_ms,rtt_ms\n0,24\n")
    assert trace(times, form="step").streamed
    assert not trace(times).streamed


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = Recording.model_validate(recording())
    path = write(tmp_path / "t.json", made.model_dump_json())
    channel = trace(path)
    assert channel.recording == made
