"""Channels from text: a round trip, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kbbench.channel import CHANNELS, gilbert_elliott, jitter, parse_channel
from kbbench.errors import InputError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("jitter:std_ms=8,mean_ms=24", "jitter:mean_ms=24,std_ms=8"),
        (
            "jitter:mean_ms=24.50,std_ms=8,distribution=gamma,least_ms=0",
            "jitter:mean_ms=24.5,std_ms=8",
        ),
        ("gilbert-elliott:to_bad=0.02,to_good=.3", "gilbert-elliott:to_bad=0.02,to_good=0.3"),
        (
            "gilbert-elliott:to_bad=0.02,to_good=0.3,delay_ms=20,loss_bad=0.5",
            "gilbert-elliott:to_bad=0.02,to_good=0.3,delay_ms=20,loss_bad=0.5",
        ),
        ("fixed:delay_chunks=3", "delay-3"),
        ("off", "hints-off"),
    ],
)
def test_texts_that_mean_the_same_have_one_name(text: str, name: str) -> None:
    channel = parse_channel(text)
    assert channel.name == name
    assert channel.kind == text.partition(":")[0]


def test_a_channel_s_name_makes_it_again(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("time_ms,rtt_ms\n0,24\n")
    for channel in (
        jitter(24, 8, "lognormal", 4),
        gilbert_elliott(0.1, 0.25, 30, 0.01, 0.9),
        parse_channel(f"trace:file={tmp_path / 't.csv'},remote_ms=2.5"),
    ):
        text = channel.name.replace("file=", f"file={tmp_path}/")
        again = parse_channel(text)
        assert again.definition == channel.definition
        seen = [c.seen_by("test/00000", 99) for c in (channel, again)]
        assert np.array_equal(*seen)


def test_every_option_is_part_of_the_definition() -> None:
    assert parse_channel("jitter:mean_ms=24,std_ms=8").definition == {
        "channel": "jitter",
        "mean_ms": 24.0,
        "std_ms": 8.0,
        "distribution": "gamma",
        "least_ms": 0.0,
    }
    assert set(CHANNELS) == {"fixed", "gilbert-elliott", "jitter", "off", "trace"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jiter", "'jiter': unknown, expected one of fixed, .*; did you mean jitter"),
        ("", "channel '': unknown, expected one of"),
        ("jitter", r"mean_ms and std_ms missing, expected jitter:mean_ms=..,std_ms=..$"),
        ("jitter:mean_ms=24", "std_ms missing"),
        ("jitter:mean=24", "no option 'mean', expected mean_ms, .*; did you mean mean_ms"),
        ("jitter:24", "'24', expected option=value"),
        ("jitter:mean_ms=fast,std_ms=1", "mean_ms = 'fast', expected a number"),
        ("jitter:mean_ms=,std_ms=1", "mean_ms = '', expected a number"),
        ("jitter:mean_ms=1,mean_ms=2", "mean_ms given twice"),
        ("jitter:mean_ms=24,std_ms=8,distribution=gama", "did you mean gamma"),
        ("jitter:mean_ms=24,std_ms=-8", r"std_ms=-8': std_ms = -8, expected a number 0 or more"),
        ("fixed:delay_chunks=1.5", "delay_chunks = '1.5', expected a whole number"),
        ("fixed:delay_chunks=-1", "0 chunks or more, got -1"),
        ("trace", "file missing, expected trace:file=.."),
        ("trace:file=", "file = '', expected a file"),
    ],
)
def test_a_text_that_is_none_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_channel(text)
    assert "\n" not in str(caught.value)
    assert repr(text) in str(caught.value)
