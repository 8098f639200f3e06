"""Age and delivery, by hand and against a plain computation."""

from __future__ import annotations

import numpy as np
import pytest

from kbbench.channel import NO_HINT, fixed, jitter, link_statistics, off


@pytest.mark.parametrize("delay", [0, 3, 6])
def test_a_fixed_delay_is_its_own_age(delay: int) -> None:
    found = link_statistics([fixed(delay).seen_by(name, 100) for name in "ab"])
    assert (found.age_mean_chunks, found.age_p95_chunks) == (delay, delay)
    assert found.delivered_share == (100 - delay) / 100


def test_where_nothing_arrives_there_is_no_age() -> None:
    for schedules in ([off().seen_by("a", 50)], []):
        found = link_statistics(schedules)
        assert (found.age_mean_chunks, found.age_p95_chunks) == (None, None)
        assert found.delivered_share == 0.0


def test_ages_of_all_mixtures_are_taken_together() -> None:
    channel = jitter(60, 40)
    lengths = {"a": 100, "b": 625, "c": 33}
    schedules = [channel.seen_by(name, chunks) for name, chunks in lengths.items()]
    ages = np.concatenate([(np.arange(len(s)) - s)[s != NO_HINT] for s in schedules])
    used = sum(len(set(s.tolist()) - {NO_HINT}) for s in schedules)
    found = link_statistics(iter(schedules))
    assert found.age_mean_chunks == pytest.approx(ages.mean())
    assert found.age_p95_chunks == np.quantile(ages, 0.95, method="inverted_cdf")
    assert found.delivered_share == used / sum(lengths.values())
