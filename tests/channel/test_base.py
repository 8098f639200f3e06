"""From latencies to one index vector: the newest hint that has arrived wins."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbbench.channel import (
    NO_HINT,
    Channel,
    fixed,
    gilbert_elliott,
    jitter,
    newest,
    off,
    parse_channel,
)
from kbbench.errors import InputError

LATENCIES = st.lists(
    st.one_of(st.floats(0, 200), st.sampled_from([0.0, 8.0, 16.0, 80.0, np.inf])), max_size=30
)
PROBABILITIES = st.floats(0.01, 1)
CHANNELS: st.SearchStrategy[Channel] = st.one_of(
    st.builds(fixed, st.integers(0, 12)),
    st.just(off()),
    st.builds(
        jitter,
        st.floats(1, 100),
        st.floats(0, 60),
        st.sampled_from(["gamma", "lognormal", "normal", "uniform"]),
    ),
    st.builds(gilbert_elliott, PROBABILITIES, PROBABILITIES, st.floats(0, 100)),
)


@given(LATENCIES)
def test_the_newest_that_has_arrived_is_seen(latencies: list[float]) -> None:
    """Against the arrival model said in milliseconds, hint by hint."""
    expected = [
        max((j for j in range(k + 1) if 8.0 * j + latencies[j] <= 8.0 * k), default=NO_HINT)
        for k in range(len(latencies))
    ]
    # Sums of times round: where one lies on the edge of a chunk to the last bit, both are right.
    edge = any(abs(x / 8 - round(x / 8)) < 1e-9 and x % 8 for x in latencies if np.isfinite(x))
    assert edge or newest(np.array(latencies)).tolist() == expected


def test_latencies_of_whole_chunks_are_delays_of_so_many() -> None:
    for delay in (0, 1, 6):
        seen = newest(np.full(20, 8.0 * delay))
        assert np.array_equal(seen, fixed(delay).seen_by("test/00000", 20))
    assert np.array_equal(newest(np.full(9, 8.001)), fixed(2).seen_by("test/00000", 9))


def test_an_overtaken_hint_is_never_used() -> None:
    assert newest(np.array([40.0, 0.0, 24.0, 0.0, 0.0])).tolist() == [-1, 1, 1, 3, 4]
    assert newest(np.array([16.0, 16.0, 0.0, 100.0, 100.0])).tolist() == [-1, -1, 2, 2, 2]


@given(CHANNELS, st.integers(0, 200), st.integers(0, 99))
def test_every_link_keeps_the_contract(channel: Channel, chunks: int, mixture: int) -> None:
    seen = channel.seen_by(f"test/{mixture:05d}", chunks)
    steps = np.arange(chunks)
    assert seen.dtype == np.int64 and seen.shape == (chunks,)
    assert ((seen >= NO_HINT) & (seen <= steps)).all()
    assert (np.diff(seen) >= 0).all()
    assert np.array_equal(seen, channel.seen_by(f"test/{mixture:05d}", chunks))
    # A longer mixture begins in the same way: nothing depends on what is still to come.
    assert np.array_equal(seen, channel.seen_by(f"test/{mixture:05d}", chunks + 50)[:chunks])


def test_mixtures_differ_and_settings_share_their_luck() -> None:
    channel = jitter(48, 16)
    one, other = (channel.seen_by(name, 625) for name in ("test/00000", "test/00001"))
    assert not np.array_equal(one, other)
    lossy = [gilbert_elliott(p, 0.5, delay_ms=0).seen_by("test/00000", 625) for p in (0.05, 0.1)]
    received = [set(np.unique(seen)) for seen in lossy]
    assert received[1] < received[0]


def test_the_typical_delay_is_the_rounded_median_age() -> None:
    assert jitter(24, 0).delay_chunks == 3
    assert jitter(25, 0).delay_chunks == 4
    assert gilbert_elliott(0.02, 0.3, delay_ms=40).delay_chunks == 5
    # Every other packet is lost at random: ages d, d + 1, .. with shares 1/2, 1/4, ..
    half = gilbert_elliott(0.6, 0.4, delay_ms=8)
    assert half.delay_chunks == 2
    channel = jitter(48, 16)
    ages = [np.arange(625) - channel.seen_by(f"test/{n}", 625) for n in range(50)]
    assert channel.delay_chunks == round(float(np.median(np.concatenate(ages))))


def test_a_link_that_delivers_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"jitter:mean_ms=20000,std_ms=0: no hint arrives"):
        jitter(20_000, 0)


def test_a_channel_is_the_same_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("time_ms,rtt_ms\n0,48\n5,44\n")
    texts = ["jitter:mean_ms=48,std_ms=16", "gilbert-elliott:to_bad=0.1,to_good=0.2"]
    for text in (*texts, f"trace:file={tmp_path / 't.csv'}"):
        channel = parse_channel(text)
        sent = pickle.loads(pickle.dumps(channel))
        assert sent == replace(channel, schedule=sent.schedule)
        assert (sent.seen_by("a", 300) == channel.seen_by("a", 300)).all()
    with pytest.raises(TypeError, match="by-hand cannot be sent"):
        pickle.dumps(Channel("by-hand", lambda chunks, stream: np.zeros(chunks, np.int64), 0))
