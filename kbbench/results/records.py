"""One record a mixture x source x channel x condition: every score, or the reason for none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kbbench.metrics import METRICS, best_permutation, score


@dataclass(frozen=True)
class ScoringJob:
    """One mixture's estimates under one condition, ready for another process.

    Args:
        id: the mixture.
        condition: the condition's name.
        delay_chunks: of the link, where it has one.
        estimates: (S, C, T), float32.
        references: (S, C, T), float32.
        ordered: sources have an order; else the best permutation is taken, once a mixture.
    """

    id: str
    condition: str
    delay_chunks: int | None
    estimates: NDArray[np.float32]
    references: NDArray[np.float32]
    ordered: bool


def score_mixture(job: ScoringJob) -> list[dict[str, Any]]:
    """The records of one job; a metric's failure never removes another metric's value."""
    estimates, references = torch.from_numpy(job.estimates), torch.from_numpy(job.references)
    order = tuple(range(len(references)))
    if not job.ordered:
        order = best_permutation(estimates, references)
    records = []
    for source, estimate in enumerate(order):
        for channel in range(references.shape[1]):
            record: dict[str, Any] = {
                "mixture": job.id,
                "condition": job.condition,
                "delay_chunks": job.delay_chunks,
                "source": source,
                "channel": channel,
                "estimate": estimate,
            }
            for name, metric in METRICS.items():
                result = score(metric, estimates[estimate, channel], references[source, channel])
                record[name] = result.value
                record[f"{name}_reason"] = result.reason
            records.append(record)
    return records
