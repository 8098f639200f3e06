"""Breakdowns: every mixture once in each fact, means by hand, facts from the manifest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from kbbench.results.breakdown import MOST_NAMES, REST, break_down, facts_of
from kbbench.scenes.dataset import Dataset

COUNT = 30


def scores() -> pd.DataFrame:
    """Small gains the mixture's number in dB, boosted twice as much; two channels."""
    return pd.DataFrame(
        [
            {"mixture": f"test/{n:05d}", "condition": name, "channel": c, "si_sdr_i": gain * n}
            for n in range(COUNT)
            for name, gain in (("small", 1.0), ("boosted@6", 2.0))
            for c in range(2)
        ]
    )


def facts(**of_number: Callable[[int], object]) -> list[dict[str, object]]:
    empty = dict.fromkeys(("snr_db", "sir_db", "rt60_s", "angle_deg", "noise_kind", "talkers"))
    return [
        {"mixture": f"test/{n:05d}", **empty, **{k: f(n) for k, f in of_number.items()}}
        for n in range(COUNT)
    ]


def test_a_number_is_cut_into_thirds_with_their_means() -> None:
    groups = break_down(scores(), facts(snr_db=lambda n: n - 5.0), ["small", "boosted@6"])
    assert [group.group for group in groups] == ["-5 to 4", "5 to 14", "15 to 24"]
    assert [group.mixtures for group in groups] == [10, 10, 10]
    for group, mean in zip(groups, (4.5, 14.5, 24.5), strict=True):
        assert group.figures["small"].value == pytest.approx(mean)
        assert group.figures["boosted@6"].value == pytest.approx(2 * mean)
        assert (group.figures["small"].planned, group.figures["small"].scored) == (20, 20)


def test_names_are_groups_and_rare_ones_are_together_at_the_end() -> None:
    def name(n: int) -> str:
        return f"talker {n}" if n >= 2 * MOST_NAMES else f"talker {n // 2}"

    groups = break_down(scores(), facts(talkers=name), ["small"])
    assert len(groups) == MOST_NAMES + 1
    assert groups[-1].group == REST
    assert groups[-1].mixtures == COUNT - 2 * MOST_NAMES
    assert sum(group.mixtures for group in groups) == COUNT


def test_what_all_mixtures_share_tells_nothing() -> None:
    assert break_down(scores(), facts(rt60_s=lambda n: 0.3, noise_kind=lambda n: None), []) == []


def test_a_group_without_a_value_says_so() -> None:
    table = scores()
    table.loc[table["mixture"] < "test/00010", "si_sdr_i"] = np.nan
    first = break_down(table, facts(snr_db=float), ["small"])[0]
    figure = first.figures["small"]
    assert (figure.value, figure.reason) == (None, "no mixture has a value")
    assert (figure.planned, figure.scored) == (20, 0)


def test_facts_come_from_a_manifest(tiny_dataset: Callable[[str], Dataset]) -> None:
    for mixture in tiny_dataset("separation").mixtures("test"):
        found = facts_of(mixture.row)
        first, second = mixture.row["azimuths_deg"]
        angle = abs((first - second + 180) % 360 - 180)
        assert found["angle_deg"] == pytest.approx(angle)
        assert 20 <= found["angle_deg"] <= 180
        assert found["sir_db"] == mixture.row["sir_db"]
        assert found["snr_db"] is None
        assert sorted(found["talkers"].split(" + ")) == sorted(mixture.row["talkers"])
    only = next(iter(tiny_dataset("enhancement").mixtures("test"))).row
    assert facts_of(only)["angle_deg"] is None
