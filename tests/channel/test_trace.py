"""Measured times: read with every check, and replayed from a keyed start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbbench.channel import NO_HINT, fixed, trace
from kbbench.channel.trace_file import read_times
from kbbench.errors import InputError
from kbbench.rng import Stream

CHUNKS = 200


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows(column: str, values: list[float], step_ms: float) -> str:
    lines = [
        f"{n * step_ms},{value if np.isfinite(value) else ''}" for n, value in enumerate(values)
    ]
    return "\n".join([f"time_ms,{column}", *lines]) + "\n"


@pytest.mark.parametrize(("column", "value"), [("rtt_ms", 24), ("one_way_ms", 12)])
@pytest.mark.parametrize("count", [1, 7])
def test_constant_times_are_a_fixed_delay(
    column: str, value: float, count: int, tmp_path: Path
) -> None:
    channel = trace(write(tmp_path / "t.csv", rows(column, [value] * count, 20)))
    expected = fixed(3).seen_by("test/00000", CHUNKS)
    assert np.array_equal(channel.seen_by("test/00000", CHUNKS), expected)
    assert channel.delay_chunks == 3
    slower = trace(tmp_path / "t.csv", remote_ms=9.0)
    assert np.array_equal(slower.seen_by("x", CHUNKS), fixed(5).seen_by("x", CHUNKS))


@pytest.mark.parametrize("column", ["rtt_ms", "one_way_ms"])
def test_a_trace_is_replayed_from_some_moment_of_it(column: str, tmp_path: Path) -> None:
    """Against a plain replay, packet by packet."""
    values = np.random.default_rng(0).uniform(0, 60, 90).round(1)
    values[::7] = np.inf
    channel = trace(write(tmp_path / "t.csv", rows(column, values.tolist(), 5.0)))
    period = 90 * 5.0

    def at(time_ms: float) -> float:
        return float(values[int(time_ms % period // 5.0)])

    def replay(start_ms: float) -> list[int]:
        arrivals = []
        for k in range(CHUNKS):
            sent = start_ms + 8.0 * k
            there = at(sent)
            back = 0.0 if column == "rtt_ms" else at(sent + there) if np.isfinite(there) else 0.0
            arrivals.append(8.0 * k + there + back)
        return [
            max((j for j in range(k + 1) if arrivals[j] <= 8.0 * k), default=NO_HINT)
            for k in range(CHUNKS)
        ]

    starts = set()
    for mixture in ("test/00000", "test/00001", "test/00002"):
        start_ms = Stream("channel", "trace", mixture).uniform(0.0, period)
        assert channel.seen_by(mixture, CHUNKS).tolist() == replay(start_ms)
        starts.add(start_ms)
    assert len(starts) == 3


def test_times_hold_until_the_next_packet_and_begin_anew(tmp_path: Path) -> None:
    times = read_times(write(tmp_path / "t.csv", "time_ms,rtt_ms\n100,1\n110,2\n130,3\n"))
    # Intervals of 10 and 20: the last one lasts their median, 15.
    assert times.period_ms == 45.0
    asked = np.array([0.0, 9.9, 10.0, 29.0, 30.0, 44.9, 45.0, 99.0, 105.0])
    assert times.at(asked).tolist() == [1, 1, 2, 2, 3, 3, 1, 1, 2]


def test_remarks_other_columns_and_losses(tmp_path: Path) -> None:
    text = '\ufeff# LTE\n\nhop, time_ms ,rtt_ms\n# a remark\na,0,8\nb,10,\n\n"c,d",20, 16 \n'
    times = read_times(write(tmp_path / "t.csv", text))
    assert times.time_ms.tolist() == [0, 10, 20]
    assert times.value_ms.tolist() == [8, np.inf, 16]
    assert times.round_trip


def test_the_name_has_no_folder_and_the_hash_tells_files_apart(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one = trace(write(tmp_path / "t.csv", rows("rtt_ms", [24.0], 8)))
    two = trace(write(tmp_path / "a/t.csv", rows("rtt_ms", [25.0], 8)))
    assert one.name == two.name == "trace:file=t.csv"
    assert one.definition["sha256"] != two.definition["sha256"]
    assert str(tmp_path) not in str(one.definition)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"t.csv: columns nothing, expected time_ms and one of rtt_ms and one_way_ms"),
        ("time,rtt_ms\n0,1\n", r"t.csv: columns time, rtt_ms, expected time_ms and one"),
        ("time_ms,rtt_ms,one_way_ms\n0,1,2\n", r"columns .* one of rtt_ms and one_way_ms"),
        ("time_ms,rtt_ms\n", r"t.csv: no packet"),
        ("time_ms,rtt_ms\n0,1\n10\n", r"t.csv:3: 1 values, expected 2"),
        ("# x\n\ntime_ms,rtt_ms\n0,1\n5,fast\n", r"t.csv:5: rtt_ms 'fast', expected milliseconds"),
        ("time_ms,rtt_ms\n0,-1\n", r"t.csv:2: rtt_ms '-1', expected milliseconds, 0 or more"),
        ("time_ms,rtt_ms\nnan,1\n", r"t.csv:2: time_ms 'nan', expected milliseconds"),
        ("time_ms,rtt_ms\n,1\n", r"t.csv:2: time_ms '', expected milliseconds"),
        ("time_ms,rtt_ms\n0,inf\n", r"t.csv:2: rtt_ms 'inf'"),
        ("time_ms,rtt_ms\n0,1\n0,1\n", r"t.csv:3: time_ms 0 after 0, expected ascending times"),
        ('time_ms,rtt_ms\n0,"1\n', r"t.csv:2: no line of a CSV file"),
        ("time_ms,rtt_ms\n0,\n10,\n", r"trace:file=t.csv: no hint arrives"),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        trace(write(tmp_path / "t.csv", text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.csv: .*No such file.*; expected a CSV file"):
        trace(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"b.csv: .*; expected a CSV file"):
        trace(tmp_path / "b.csv")
