"""All scores of a source: each alone, whatever happens to the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from kbbench import metrics
from kbbench.metrics import KNOWN, METRICS, WRONG_TALKER, Metric, Score, metric_of, score_source

Make = Callable[..., torch.Tensor]
FUNCTIONS = ("si_sdr", "sdr", "snr", "pesq_wb", "stoi", "estoi")


@pytest.fixture
def both(speech: torch.Tensor) -> torch.Tensor:
    """Speech at two ears."""
    return torch.stack([speech, 0.7 * speech.roll(4)]).float()


def test_values_are_those_of_each_function_alone(both: torch.Tensor, signal: Make) -> None:
    estimates = [both + gain * signal(*both.shape) for gain in (0.003, 0.01, 0.03)]
    found = score_source(estimates, both)
    for estimate, ears in zip(estimates, found, strict=True):
        assert [list(scores) for scores in ears] == [list(METRICS)] * 2
        for channel, scores in enumerate(ears):
            for name in FUNCTIONS:
                alone = getattr(metrics, name)(estimate[channel], both[channel])
                assert scores[name].value == pytest.approx(float(alone), abs=1e-9), name
            for name in ("ild_error_db", "itd_error_us"):
                assert scores[name].value == getattr(metrics, name)(estimate, both)


def test_a_silent_estimate_has_reasons_and_takes_no_other_with_it(
    both: torch.Tensor, signal: Make
) -> None:
    good = both + 0.01 * signal(*both.shape)
    silent, first = torch.zeros_like(both), both * torch.tensor([[0.0], [1.0]])
    found = score_source([silent, good, first], both)
    for name, result in found[0][0].items():
        if name == "snr":
            assert result.value == pytest.approx(0.0)
        else:
            assert result.value is None and "silent" in (result.reason or "nan"), name
    assert found[1] == score_source([good], both)[0]
    assert found[2][0]["pesq_wb"].reason == "estimate is silent"
    assert found[2][1]["pesq_wb"].value is not None
    assert found[2][1]["ild_error_db"].reason == "estimate is silent at an ear"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_has_reasons(bad: float, both: torch.Tensor, signal: Make) -> None:
    good = both + 0.01 * signal(*both.shape)
    broken = good.clone()
    broken[0, 500] = bad
    found = score_source([broken, good], both)
    for name, metric in METRICS.items():
        assert found[0][0][name].reason == "estimate holds NaN or infinity"
        assert (found[0][1][name].value is None) == (metric.ears is not None)
    assert found[1] == score_source([good], both)[0]


def test_a_silent_reference_has_reasons(both: torch.Tensor) -> None:
    for scores in score_source([both], torch.zeros_like(both))[0]:
        for name, result in scores.items():
            assert result.value is None and "reference is silent" in (result.reason or ""), name


def test_a_very_short_signal_has_a_reason_or_a_value(signal: Make) -> None:
    (ears,) = score_source([0.1 * signal(2, 300)], 0.1 * signal(2, 300, seed=1))
    valued = {name for name, result in ears[0].items() if result.value is not None}
    assert valued == {"si_sdr", "snr", "ild_error_db", "itd_error_us"}
    assert ears[0]["sdr"].reason == "300 samples, SDR needs 512 or more"


def test_beyond_full_scale_pesq_alone_has_a_reason(both: torch.Tensor, signal: Make) -> None:
    (ears,) = score_source([100 * (both + 0.01 * signal(*both.shape))], both)
    for scores in ears:
        missing = {name for name, result in scores.items() if result.value is None}
        assert missing == {"pesq_wb"}
        assert "beyond full scale" in (scores["pesq_wb"].reason or "")


def test_whatever_a_metric_raises_is_its_own_reason(both: torch.Tensor, signal: Make) -> None:
    def explode(ear: object) -> float:
        raise ZeroDivisionError("a package's\nown")

    mine = {**METRICS, "odd": Metric("odd", "Odd", "", ear=explode)}
    (ears,) = score_source([both + 0.01 * signal(*both.shape)], both, metrics=mine)
    assert ears[0]["odd"].reason == "Odd raised ZeroDivisionError: a package's own"
    assert all(result.value is not None for name, result in ears[0].items() if name != "odd")


def test_one_channel_has_no_difference_between_ears(both: torch.Tensor, signal: Make) -> None:
    (ears,) = score_source([both[:1] + 0.01 * signal(1, both.shape[1])], both[:1])
    assert ears[0]["ild_error_db"].reason == "1 channels, expected two ears"
    assert ears[0]["pesq_wb"].value is not None


def test_the_wrong_talker_is_told_by_all_ears(both: torch.Tensor, signal: Make) -> None:
    other = signal(*both.shape)
    talkers = torch.stack([both, other])
    mine = {**METRICS, WRONG_TALKER.name: WRONG_TALKER}
    found = score_source([both, other], both, talkers, mine)
    assert [[s["wrong_talker"].value for s in ears] for ears in found] == [[0.0, 0.0], [1.0, 1.0]]
    (ears,) = score_source([both], both, None, mine)
    assert ears[0]["wrong_talker"].reason == "the mixture has no other talker"


def test_every_metric_says_how_to_read_it() -> None:
    for name, metric in KNOWN.items():
        assert metric.name == name
        assert (metric.ear is None) != (metric.ears is None)
        assert metric_of(name) is metric_of(f"{name}_i") is metric
    lower = {name for name, metric in KNOWN.items() if metric.better == "lower"}
    assert lower == {"ild_error_db", "itd_error_us", "wrong_talker", "wer"}


def test_a_score_is_a_value_or_a_reason() -> None:
    for value, reason in ((None, None), (1.0, "why")):
        with pytest.raises(ValueError, match="a value or a reason"):
            Score(value, reason)
