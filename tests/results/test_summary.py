"""Figures of a run: means, counts, improvements and the gap closed, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kbbench.results import MIXTURE, ScoringJob, score_mixture
from kbbench.results.summary import Summary, summarize, with_improvements
from tests.results.facts import DATA, TRIPLE

CONDITIONS = [(MIXTURE, None), ("small", None), ("large", None), ("boosted@6", 6)]
SCORES = {MIXTURE: 0.0, "small": 2.0, "large": 6.0, "boosted@6": 5.0}


def records(count: int = 4, **changed: float) -> pd.DataFrame:
    """Two channels a mixture; SI-SDR as in SCORES plus the mixture's number."""
    rows: list[dict[str, Any]] = [
        {
            "mixture": f"test/{index:05d}",
            "condition": name,
            "source": 0,
            "channel": channel,
            "clipped_samples": 3 if name == "small" and index == 0 else 0,
            **dict.fromkeys(("snr", "pesq_wb", "stoi", "estoi"), 0.5),
            "si_sdr": {**SCORES, **changed}[name] + index + channel,
        }
        for index in range(count)
        for name, _ in CONDITIONS
        for channel in range(2)
    ]
    return with_improvements(pd.DataFrame(rows))


def summary(frame: pd.DataFrame) -> Summary:
    return Summary(
        format=1,
        kbbench="0",
        triple=TRIPLE,
        data=DATA,
        run_sha256="",
        headline_condition="boosted@6",
        versions={},
        **summarize(frame, CONDITIONS),
    )


def test_means_improvements_and_gap_by_hand() -> None:
    result = summary(records())
    figure = result.condition("boosted@6").figures["si_sdr"]
    # 5 + mean of 0..3 + mean of 0..1.
    assert figure.value == pytest.approx(7.0)
    assert (figure.planned, figure.scored, figure.unit) == (8, 8, "dB")
    improvement = result.condition("boosted@6").figures["si_sdr_i"]
    assert (improvement.value, improvement.low, improvement.high) == (5.0, 5.0, 5.0)
    assert result.gap_closed["boosted@6"].value == pytest.approx((5 - 2) / (6 - 2))
    assert "si_sdr_i" not in result.condition(MIXTURE).figures
    assert [item.clipped for item in result.conditions] == [0, 2, 0, 0]


def test_what_is_scored_at_both_ears_together_counts_once() -> None:
    frame = records()
    frame["itd_error_us"] = np.where(frame["condition"] == "small", 40.0, 10.0)
    lost = (frame["mixture"] == "test/00001") & (frame["condition"] == "small")
    frame.loc[lost, "itd_error_us"] = np.nan
    figures = summary(with_improvements(frame)).condition("small").figures
    figure = figures["itd_error_us"]
    assert (figure.value, figure.unit, figure.planned, figure.scored) == (40.0, "µs", 4, 3)
    assert figure.ranked == 40.0
    assert "itd_error_us_i" not in figures and "wrong_talker" not in figures


def test_a_missing_score_is_counted_and_leaves_the_others() -> None:
    frame = records()
    lost = (frame["mixture"] == "test/00001") & (frame["condition"] == "small")
    frame.loc[lost, ["si_sdr", "si_sdr_i"]] = np.nan
    result = summary(frame)
    figure = result.condition("small").figures["si_sdr_i"]
    assert (figure.value, figure.planned, figure.scored) == (2.0, 8, 6)
    # The worst unprocessed mixture has 0 dB, mixture 1 has 1 and 2: it counts as -1 and -2.
    assert figure.ranked == pytest.approx((2.0 + 2.0 + 2.0 - 1.5) / 4)
    assert result.condition("small").figures["stoi"].scored == 8
    gap = result.gap_closed["boosted@6"]
    assert (gap.value, gap.planned, gap.scored) == (0.75, 4, 3)
    assert gap.ranked == pytest.approx((5 - 1.125) / (6 - 1.125))


def test_no_value_at_all_has_a_reason() -> None:
    frame = records()
    frame[["si_sdr", "si_sdr_i"]] = np.nan
    figure = summary(frame).condition("small").figures["si_sdr"]
    assert (figure.value, figure.scored, figure.reason) == (None, 0, "no mixture has a value")


def test_where_there_is_no_gap_none_is_closed() -> None:
    gap = summary(records(large=2.05)).gap_closed["boosted@6"]
    assert gap.value is None
    assert gap.reason is not None and "no gap to close" in gap.reason


def job(estimates: torch.Tensor, references: torch.Tensor, ordered: bool) -> ScoringJob:
    one = {"small": estimates.numpy()}
    return ScoringJob("test/00000", {"small": None}, one, references.numpy(), ordered)


def test_records_follow_the_best_permutation_only_where_sources_have_no_order(signal: Any) -> None:
    references = signal(2, 2, 16_000)
    swapped = references.flip(0) + 0.1 * signal(2, 2, 16_000, seed=1)
    free = score_mixture(job(swapped, references, ordered=False))
    fixed = score_mixture(job(swapped, references, ordered=True))
    assert [(r["source"], r["channel"], r["estimate"]) for r in free] == [
        (0, 0, 1),
        (0, 1, 1),
        (1, 0, 0),
        (1, 1, 0),
    ]
    assert min(r["si_sdr"] for r in free) > 15
    assert max(r["si_sdr"] for r in fixed) < -15


def test_all_conditions_of_a_mixture_are_scored_as_each_alone(signal: Any) -> None:
    references = 0.1 * signal(2, 2, 16_000)
    noise = 0.02 * signal(2, 2, 16_000, seed=1)
    sounds = {"small": references + noise, "boosted@6": references.flip(0) - noise}
    delays = {"small": None, "boosted@6": 6}
    arrays = {name: value.numpy() for name, value in sounds.items()}
    together = score_mixture(
        ScoringJob("test/00000", delays, arrays, references.numpy(), ordered=False)
    )
    alone = [
        record
        for name, values in arrays.items()
        for record in score_mixture(
            ScoringJob("test/00000", delays, {name: values}, references.numpy(), ordered=False)
        )
    ]
    assert together == alone
    assert [r["delay_chunks"] for r in together] == [None] * 4 + [6] * 4
    assert [r["estimate"] for r in together] == [0, 0, 1, 1, 1, 1, 0, 0]


def test_samples_beyond_full_scale_are_counted(signal: Any) -> None:
    references = 0.1 * signal(1, 2, 16_000)
    estimates = references.clone()
    estimates[0, 1, :5] = 1.5
    first, second = score_mixture(job(estimates, references, ordered=True))
    assert (first["clipped_samples"], second["clipped_samples"]) == (0, 5)
    assert second["pesq_wb_reason"].startswith("estimate clips: 5 samples")
    assert second["stoi"] is not None


def test_one_wanted_talker_among_others_is_told_apart(signal: Any) -> None:
    references, other = signal(1, 2, 16_000), signal(1, 2, 16_000, seed=1)
    talkers = torch.cat([references, other]).numpy()
    sounds = {"small": other.numpy(), "large": references.numpy()}
    delays = dict.fromkeys(sounds)
    found = score_mixture(
        ScoringJob("test/00000", delays, sounds, references.numpy(), True, talkers)
    )
    assert [record["wrong_talker"] for record in found] == [1.0, 1.0, 0.0, 0.0]


def test_a_failed_metric_takes_no_other_with_it(signal: Any) -> None:
    references = signal(1, 1, 16_000)
    (record,) = score_mixture(job(torch.zeros(1, 1, 16_000), references, ordered=True))
    assert record["si_sdr"] is None and record["si_sdr_reason"]
    assert record["pesq_wb"] is None and record["pesq_wb_reason"] == "estimate is silent"
    assert record["snr"] == pytest.approx(0.0) and record["snr_reason"] is None
