"""Scores on signals: pure functions, their sources named."""

from kbbench.metrics.binaural import ild_error_db, itd_error_us
from kbbench.metrics.bss import sdr
from kbbench.metrics.extras import OPTIONAL, Extras
from kbbench.metrics.intelligibility import estoi, stoi
from kbbench.metrics.metric import Better, Metric
from kbbench.metrics.perceptual import pesq_wb
from kbbench.metrics.ratios import best_permutation, si_sdr, snr
from kbbench.metrics.scores import (
    KNOWN,
    METRICS,
    WRONG_TALKER,
    Score,
    metric_of,
    score_source,
    versions,
)
from kbbench.metrics.signals import clipped_samples
from kbbench.metrics.talkers import wrong_talker

__all__ = [
    "KNOWN",
    "METRICS",
    "OPTIONAL",
    "WRONG_TALKER",
    "Better",
    "Extras",
    "Metric",
    "Score",
    "best_permutation",
    "clipped_samples",
    "estoi",
    "ild_error_db",
    "itd_error_us",
    "metric_of",
    "pesq_wb",
    "score_source",
    "sdr",
    "si_sdr",
    "snr",
    "stoi",
    "versions",
    "wrong_talker",
]
