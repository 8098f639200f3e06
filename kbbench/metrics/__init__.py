"""Scores on signals: pure functions, their sources named."""

from kbbench.metrics.perceptual import estoi, pesq_wb, stoi
from kbbench.metrics.ratios import best_permutation, si_sdr, snr
from kbbench.metrics.scores import METRICS, Metric, Score, score, versions

__all__ = [
    "METRICS",
    "Metric",
    "Score",
    "best_permutation",
    "estoi",
    "pesq_wb",
    "score",
    "si_sdr",
    "snr",
    "stoi",
    "versions",
]
