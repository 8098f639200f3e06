"""All scores of one estimate: a value each, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from torch import Tensor

from kbbench.metrics.perceptual import estoi, pesq_wb, stoi
from kbbench.metrics.ratios import si_sdr, snr


@dataclass(frozen=True)
class Metric:
    """One score: (estimate (T,), reference (T,)) -> value, and how to read it."""

    name: str
    label: str
    unit: str
    function: Callable[[Tensor, Tensor], float | Tensor]
    package: str | None = None


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("si_sdr", "SI-SDR", "dB", si_sdr),
        Metric("snr", "SNR", "dB", snr),
        Metric("pesq_wb", "PESQ-WB", "MOS", pesq_wb, "pesq"),
        Metric("stoi", "STOI", "", stoi, "pystoi"),
        Metric("estoi", "ESTOI", "", estoi, "pystoi"),
    )
}
"""Every metric; for all of them higher is better."""


@dataclass(frozen=True)
class Score:
    """A metric's value, or the reason why there is none; never both, never neither."""

    value: float | None
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a score has a value or a reason")


def score(metric: Metric, estimate: Tensor, reference: Tensor) -> Score:
    """One score of one channel; a failure is a score without value, and never an exception.

    Args:
        metric: one of ``METRICS``.
        estimate: (samples,).
        reference: (samples,).
    """
    try:
        value = float(metric.function(estimate, reference))
    except ValueError as error:
        return Score(None, str(error))
    if not math.isfinite(value):
        return Score(None, f"{metric.label} is {value}")
    return Score(value)


def versions() -> dict[str, str]:
    """The packages whose version can move a score."""
    return {
        metric.package: version(metric.package) for metric in METRICS.values() if metric.package
    }
