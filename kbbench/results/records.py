"""One record a mixture x source x channel x condition: every score, or the reason for none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kbbench.metrics import (
    METRICS,
    WRONG_TALKER,
    Extras,
    Metric,
    Score,
    best_permutation,
    clipped_samples,
    score_source,
)


@dataclass(frozen=True)
class ScoringJob:
    """One mixture's estimates under all conditions, ready for another process.

    Args:
        id: the mixture.
        delays_chunks: of each condition's link, where it has one; by name, in order.
        estimates: under each condition, (S, C, T), float32.
        references: (S, C, T), float32.
        ordered: sources have an order; else the best permutation is taken, once a mixture.
        talkers: of a mixture with one wanted talker: that one, then the others, all whole as they
            are heard, (talkers, C, T), float32.
        extras: what is scored beside the suite.
    """

    id: str
    delays_chunks: Mapping[str, int | None]
    estimates: Mapping[str, NDArray[np.float32]]
    references: NDArray[np.float32]
    ordered: bool
    talkers: NDArray[np.float32] | None = None
    extras: Extras = field(default_factory=Extras)


def score_mixture(job: ScoringJob) -> list[dict[str, Any]]:
    """The records of one job, condition by condition.

    A metric's failure never removes another metric's value.
    """
    references = torch.from_numpy(job.references)
    talkers = None if job.talkers is None else torch.from_numpy(job.talkers)
    estimates = [torch.from_numpy(values) for values in job.estimates.values()]
    orders = [
        tuple(range(len(references))) if job.ordered else best_permutation(one, references)
        for one in estimates
    ]
    scored = [
        score_source(
            [one[order[source]] for one, order in zip(estimates, orders, strict=True)],
            reference,
            talkers,
            _metrics(job),
        )
        for source, reference in enumerate(references)
    ]
    return [
        {
            "mixture": job.id,
            "condition": condition,
            "delay_chunks": job.delays_chunks[condition],
            "source": source,
            "channel": channel,
            "estimate": order[source],
            "clipped_samples": clipped_samples(estimates[number][order[source], channel]),
            **_columns(scores),
        }
        for number, (condition, order) in enumerate(zip(job.estimates, orders, strict=True))
        for source in range(len(references))
        for channel, scores in enumerate(scored[source][number])
    ]


def _metrics(job: ScoringJob) -> dict[str, Metric]:
    one_of_several = {} if job.talkers is None else {WRONG_TALKER.name: WRONG_TALKER}
    return {**METRICS, **one_of_several, **job.extras.metrics}


def _columns(scores: Mapping[str, Score]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name, score in scores.items():
        columns[name] = score.value
        columns[f"{name}_reason"] = score.reason
    return columns
