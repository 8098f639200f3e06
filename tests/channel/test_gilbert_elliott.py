"""Loss in bursts, against the closed forms of the two-state chain."""

from __future__ import annotations

import numpy as np
import pytest

from kbbench.channel import fixed, gilbert_elliott
from kbbench.errors import InputError
from kbbench.rng import Stream

PACKETS = 200_000


def lost(**options: float) -> np.ndarray:
    """Which of many packets were lost; with no delay, a packet is seen at once or never."""
    seen = gilbert_elliott(delay_ms=0.0, **options).seen(PACKETS, Stream("test"))
    return seen != np.arange(PACKETS)


@pytest.mark.parametrize(
    ("to_bad", "to_good", "loss_good", "loss_bad"),
    [(0.02, 0.3, 0.0, 1.0), (0.02, 0.3, 0.01, 0.5), (0.5, 0.25, 0.0, 1.0), (0.9, 0.8, 0.1, 0.9)],
)
def test_the_loss_rate_is_that_of_the_closed_form(
    to_bad: float, to_good: float, loss_good: float, loss_bad: float
) -> None:
    bad = to_bad / (to_bad + to_good)
    rate = bad * loss_bad + (1 - bad) * loss_good
    memory = 1 - to_bad - to_good
    # The variance of a mean of correlated packets, bounded by that of the state itself.
    deviation = np.sqrt(0.25 * (1 + abs(memory)) / (1 - abs(memory)) / PACKETS)
    got = lost(to_bad=to_bad, to_good=to_good, loss_good=loss_good, loss_bad=loss_bad).mean()
    assert got == pytest.approx(rate, abs=4 * deviation)


@pytest.mark.parametrize(("to_bad", "to_good"), [(0.02, 0.3), (0.1, 0.5), (0.5, 0.25)])
def test_bursts_and_memory_are_those_of_the_closed_form(to_bad: float, to_good: float) -> None:
    losses = lost(to_bad=to_bad, to_good=to_good)
    edges = np.flatnonzero(np.diff(losses.astype(int)))
    runs = np.diff(edges)
    bursts = runs[losses[edges[:-1] + 1]]
    # Geometric: mean 1 / r, variance (1 - r) / r^2.
    deviation = np.sqrt((1 - to_good) / len(bursts)) / to_good
    assert bursts.mean() == pytest.approx(1 / to_good, abs=4 * deviation)
    gaps = runs[~losses[edges[:-1] + 1]]
    assert gaps.mean() == pytest.approx(1 / to_bad, rel=0.1)
    correlation = np.corrcoef(losses[:-1], losses[1:])[0, 1]
    assert correlation == pytest.approx(1 - to_bad - to_good, abs=0.02)


def test_the_chain_starts_as_it_goes_on() -> None:
    channel = gilbert_elliott(0.02, 0.02, delay_ms=0)
    first = [channel.seen_by(f"test/{n:05d}", 1)[0] < 0 for n in range(2000)]
    assert np.mean(first) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2000))


def test_without_loss_it_is_a_fixed_delay() -> None:
    seen = gilbert_elliott(0.0, 0.5, delay_ms=48.0).seen_by("test/00000", 100)
    assert np.array_equal(seen, fixed(6).seen_by("test/00000", 100))


def test_during_a_burst_the_last_hint_grows_old() -> None:
    seen = gilbert_elliott(0.1, 0.2, delay_ms=16).seen_by("test/00003", 400)
    usable = set(np.unique(seen))
    for k in range(3, 400):
        assert seen[k] == (k - 2 if k - 2 in usable else seen[k - 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to_bad": 1.5, "to_good": 0.1}, r"to_bad = 1.5, expected a number from 0 to 1"),
        ({"to_bad": 0.1, "to_good": 0.0}, r"to_good = 0, expected a number from 0 to 1"),
        ({"to_bad": 0.1, "to_good": 0.1, "delay_ms": -1.0}, r"delay_ms = -1, expected .* 0 or"),
        ({"to_bad": 0.1, "to_good": 0.1, "loss_bad": np.nan}, r"loss_bad = nan, expected"),
        ({"to_bad": 0.1, "to_good": 0.1, "loss_bad": 1.0, "loss_good": 1.0}, r"no hint arrives"),
    ],
)
def test_what_is_no_probability_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        gilbert_elliott(**options)
