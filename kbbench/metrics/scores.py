"""All scores of a source: for each estimate and ear a value, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

from torch import Tensor

from kbbench.errors import one_line
from kbbench.metrics.binaural import BinauralReference, ild_error_of, itd_error_of
from kbbench.metrics.extras import DNSMOS, WER
from kbbench.metrics.intelligibility import estoi_of, stoi_of
from kbbench.metrics.metric import Metric
from kbbench.metrics.perceptual import pesq_wb
from kbbench.metrics.prepared import Ear, Ears, Reference
from kbbench.metrics.ratios import si_sdr, snr
from kbbench.metrics.signals import not_finite
from kbbench.metrics.talkers import wrong_talker

Input = TypeVar("Input")


def _si_sdr(ear: Ear) -> Tensor:
    if not ear.estimate.any():
        raise ValueError("estimate is silent")
    return si_sdr(ear.estimate, ear.reference.signal)


def _wrong_talker(ears: Ears) -> float:
    if ears.talkers is None:
        raise ValueError("the mixture has no other talker")
    return wrong_talker(ears.estimate, ears.talkers[0], ears.talkers[1:])


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("si_sdr", "SI-SDR", "dB", _si_sdr),
        Metric("sdr", "SDR", "dB", lambda ear: ear.sdr_db, package="fast-bss-eval"),
        Metric("snr", "SNR", "dB", lambda ear: snr(ear.estimate, ear.reference.signal)),
        Metric(
            "pesq_wb",
            "PESQ-WB",
            "MOS",
            lambda ear: pesq_wb(ear.estimate, ear.reference.signal),
            package="pesq",
        ),
        Metric(
            "stoi",
            "STOI",
            "",
            lambda ear: stoi_of(ear.segments, ear.reference.stoi),
            package="pystoi",
        ),
        Metric(
            "estoi",
            "ESTOI",
            "",
            lambda ear: estoi_of(ear.segments, ear.reference.stoi),
            package="pystoi",
        ),
        Metric(
            "ild_error_db",
            "ILD error",
            "dB",
            ears=lambda ears: ild_error_of(ears.estimate, ears.reference),
            better="lower",
        ),
        Metric(
            "itd_error_us",
            "ITD error",
            "µs",
            ears=lambda ears: itd_error_of(ears.estimate, ears.reference),
            better="lower",
        ),
    )
}
"""What every run scores."""
WRONG_TALKER = Metric("wrong_talker", "wrong-talker rate", "", ears=_wrong_talker, better="lower")
"""What runs with one wanted talker among others score too."""

KNOWN: dict[str, Metric] = {
    **METRICS,
    **{metric.name: metric for metric in (WRONG_TALKER, DNSMOS, WER)},
}
"""Every metric that a column of scores can be of."""


def metric_of(column: str) -> Metric:
    """The metric that a column of scores is of, be it a value or an improvement.

    >>> metric_of("pesq_wb_i").label
    'PESQ-WB'
    """
    return KNOWN[column] if column in KNOWN else KNOWN[column.removesuffix("_i")]


@dataclass(frozen=True)
class Score:
    """A metric's value, or the reason why there is none; never both, never neither."""

    value: float | None
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a score has a value or a reason")


def score_source(
    estimates: Sequence[Tensor],
    reference: Tensor,
    talkers: Tensor | None = None,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[list[dict[str, Score]]]:
    """All scores of all estimates of one source; the reference is prepared once.

    A failure is a score without value, and never an exception; it takes no other score with it.

    Args:
        estimates: (channels, samples) each.
        reference: (channels, samples).
        talkers: as :class:`kbbench.metrics.prepared.Ears` takes them.
        metrics: by name.

    Returns:
        for each estimate and channel, scores by name; what is scored at all ears together stands
        in each channel.
    """
    sides = [
        Reference(reference[channel], [estimate[channel] for estimate in estimates])
        for channel in range(len(reference))
    ]
    both = BinauralReference(reference)
    found = []
    for number, estimate in enumerate(estimates):
        ears = Ears(estimate, both, talkers)
        reasons = [not_finite(side, "estimate") for side in estimate]
        anywhere = next((reason for reason in reasons if reason is not None), None)
        every = {
            name: _attempt(metric, metric.ears, ears, anywhere)
            for name, metric in metrics.items()
            if metric.ears is not None
        }
        sounds = [Ear(number, side) for side in sides]
        found.append(
            [
                {
                    name: every[name]
                    if metric.ear is None
                    else _attempt(metric, metric.ear, ear, reason)
                    for name, metric in metrics.items()
                }
                for ear, reason in zip(sounds, reasons, strict=True)
            ]
        )
    return found


def _attempt(
    metric: Metric, function: Callable[[Input], float | Tensor], of: Input, reason: str | None
) -> Score:
    """A metric's value, or why it has none; ``reason``: why no metric has one."""
    if reason is not None:
        return Score(None, reason)
    try:
        value = float(function(of))
    except (AssertionError, ImportError):
        raise  # an invariant of our own, or a package that is not there
    except ValueError as error:
        return Score(None, one_line(error))
    except Exception as error:  # a package's own trouble must not cost the other metrics
        return Score(None, f"{metric.label} raised {type(error).__name__}: {one_line(error)}")
    if not math.isfinite(value):
        return Score(None, f"{metric.label} is {value}")
    return Score(value)


def versions() -> dict[str, str]:
    """The packages whose version can move a score."""
    return {
        metric.package: version(metric.package) for metric in METRICS.values() if metric.package
    }
