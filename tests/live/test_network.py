"""Networks: what each does to a message, against closed forms."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import numpy as np
import pytest

from kbbench.errors import InputError
from kbbench.live.network import PRESETS, parse_network
from kbbench.live.shaper import BUFFER_S, MOST_ON_THE_WAY, Delayed, make_line

Direction = Literal["up", "down"]


def arrivals(text: str, count: int, ordered: bool, every_s: float = 0.008, size: int = 1000) -> Any:
    line = make_line(parse_network(text), "up", ordered)
    fates = [line.send(size, n * every_s).arrives_s for n in range(count)]
    return np.array([np.nan if fate is None else fate for fate in fates])


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("way", ["up", "down"])
def test_presets_have_the_figures_that_they_name(name: str, way: Direction) -> None:
    network = parse_network(name)
    line, figures = make_line(network, way, ordered=False), getattr(network, way)
    found = [line.send(100, float(n)).arrives_s for n in range(20_000)]
    late_ms = 1000 * np.array([t - n for n, t in enumerate(found) if t is not None])
    wire_ms = 0 if figures.rate_kbit_s is None else 800 / figures.rate_kbit_s
    assert late_ms.mean() == pytest.approx(figures.mean_ms + wire_ms, rel=0.02)
    assert late_ms.std() == pytest.approx(figures.std_ms, rel=0.05)
    assert late_ms.min() >= figures.least_ms
    assert 1 - len(late_ms) / len(found) == pytest.approx(figures.loss, abs=1e-3)
    assert len(network.source) > 40


def test_presets_keep_the_bounds_that_were_measured() -> None:
    for name, percent, most_ms in (("wifi-6", 99, 10.1), ("4g", 98, 52), ("5g-edge", 99, 18)):
        late_ms = 1000 * (arrivals(name, 20_000, False, 1.0) % 1)
        assert np.nanpercentile(late_ms, percent) < most_ms


def test_the_same_seed_draws_the_same_and_another_other() -> None:
    text = "custom:mean_ms=20,std_ms=5,loss=0.2"
    one, two = (arrivals(text, 300, False) for _ in range(2))
    assert np.array_equal(one, two, equal_nan=True)
    assert not np.array_equal(one, arrivals(f"{text},seed=1", 300, False), equal_nan=True)


def test_a_rate_lets_one_message_in_after_the_other() -> None:
    found = arrivals("custom:rate_kbit_s=80", 5, True, every_s=0.0, size=100)
    assert np.allclose(found, [0.01, 0.02, 0.03, 0.04, 0.05], atol=1e-6)


def test_datagrams_are_lost_and_overtake_and_a_connection_does_neither() -> None:
    text = "custom:mean_ms=30,std_ms=20,loss=0.1"
    loose = arrivals(text, 4000, ordered=False)
    assert np.isnan(loose).mean() == pytest.approx(0.1, abs=0.02)
    assert (np.diff(loose[~np.isnan(loose)]) < 0).mean() > 0.1
    strict = arrivals(text, 4000, ordered=True)
    assert not np.isnan(strict).any()
    assert (np.diff(strict) > 0).all()


def test_a_loss_on_a_connection_costs_a_round_trip() -> None:
    """With a loss of one half, one round trip on average: 1 / (1 - loss) - 1."""
    found = arrivals("custom:mean_ms=10,loss=0.5", 4000, ordered=True, every_s=1.0)
    late_ms = 1000 * (found - np.arange(4000))
    assert late_ms.mean() == pytest.approx(10 + 20, rel=0.05)
    assert set(np.round(late_ms).astype(int)) <= set(range(10, 2000, 20))


def test_options_change_both_ways_and_name_the_network() -> None:
    network = parse_network("4g:loss=0.05,seed=3")
    assert network.up.loss == network.down.loss == 0.05
    assert network.up.mean_ms == 35 and network.seed == 3
    assert network.definition["name"] == "4g:loss=0.05,seed=3"
    assert "source" not in network.definition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wifi", "network 'wifi': expected lan, .* or custom:...; did you mean wifi-6?"),
        ("4g:speed=3", "'speed=3', expected options mean_ms, std_ms"),
        ("4g:loss=1", "'loss=1': loss = 1, expected a number from 0 to 0.99"),
        ("4g:loss=0.1,loss=0.1", "each once"),
        ("4g:loss=x", "'loss=x': expected a number"),
        ("custom:mean_ms=-1", "mean_ms = -1, expected a number 0 or more"),
        ("custom:mean_ms=nan", "mean_ms = nan, expected a number"),
        ("custom:rate_kbit_s=0", "rate_kbit_s = 0, nothing would ever arrive"),
        ("custom:mean_ms=5,least_ms=9", "mean_ms = 5, expected more than least_ms = 9"),
        ("custom:std_ms=9", "mean_ms = 0, expected more than least_ms = 0"),
    ],
)
def test_a_network_that_is_none_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_network(text)
    assert "\n" not in str(caught.value)


def test_messages_arrive_in_time_and_order() -> None:
    async def run() -> list[int]:
        found: list[int] = []
        line = make_line(parse_network("custom:mean_ms=5,std_ms=3,loss=0.2"), "up", True)
        delayed = Delayed(line, found.append)
        for n in range(50):
            await delayed.put(n, 100)
        while len(found) < 50:
            await asyncio.sleep(0.005)
        return found

    assert asyncio.run(run()) == list(range(50))


def test_a_slow_link_holds_a_connection_back_and_drops_datagrams() -> None:
    async def run() -> None:
        found: list[int] = []
        line = make_line(parse_network("custom:rate_kbit_s=800"), "up", True)
        delayed = Delayed(line, found.append)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for n in range(20):
            await delayed.put(n, 1000)  # 10 ms each
        assert loop.time() - began >= 0.2 - BUFFER_S - 0.02
        for n in range(100):
            delayed.offer(n, 1000)
        assert delayed.refused >= 90
        assert delayed._on_the_way <= MOST_ON_THE_WAY

    asyncio.run(run())


def test_without_a_network_everything_is_handed_on_at_once() -> None:
    async def run() -> list[int]:
        found: list[int] = []
        delayed = Delayed(None, found.append)
        await delayed.put(1, 10)
        delayed.offer(2, 10)
        return found

    assert asyncio.run(run()) == [1, 2]
