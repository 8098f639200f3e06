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


def test_a_missing_score_is_counted_and_leaves_the_others() -> None:
    frame = records()
    lost = (frame["mixture"] == "test/00001") & (frame["condition"] == "small")
    frame.loc[lost, ["si_sdr", "si_sdr_i"]] = np.nan
    result = summary(frame)
    figure = result.condition("small").figures["si_sdr_i"]
    assert (figure.value, figure.planned, figure.scored) == (2.0, 8, 6)
    assert result.condition("small").figures["stoi"].scored == 8
    gap = result.gap_closed["boosted@6"]
    assert (gap.value, gap.planned, gap.scored) == (0.75, 4, 3)


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
    return ScoringJob("test/00000", "small", None, estimates.numpy(), references.numpy(), ordered)


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


def test_a_failed_metric_takes_no_other_with_it(signal: Any) -> None:
    references = signal(1, 1, 16_000)
    (record,) = score_mixture(job(torch.zeros(1, 1, 16_000), references, ordered=True))
    assert record["si_sdr"] is None and record["si_sdr_reason"]
    assert record["pesq_wb"] is None and record["pesq_wb_reason"] == "estimate is silent"
    assert record["snr"] == pytest.approx(0.0) and record["snr_reason"] is None
