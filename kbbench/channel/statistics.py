"""What a link did: the age of hints as the device saw them, and how many reached it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kbbench.channel.index import NO_HINT, Seen

HIGH_PERCENT = 95
"""So many of the chunks have a hint that is at most as old as ``age_p95_chunks``."""


@dataclass(frozen=True)
class LinkStatistics:
    """Over all chunks of all mixtures.

    Args:
        age_mean_chunks: mean age of the hint that the device has, over chunks that have one; None
            where none has.
        age_p95_chunks: 95 % of these chunks have a hint of at most this age.
        delivered_share: hints that the device got to use, of all that were sent. Not among them
            are those lost, those overtaken by a newer one, and those still on their way at a
            mixture's end.
    """

    age_mean_chunks: float | None
    age_p95_chunks: int | None
    delivered_share: float


def link_statistics(schedules: Iterable[Seen]) -> LinkStatistics:
    """Statistics of the schedules (K,) of mixtures, taken one at a time.

    >>> link_statistics([np.array([-1, 0, 0, 2])])
    LinkStatistics(age_mean_chunks=1.3333333333333333, age_p95_chunks=2, delivered_share=0.5)
    """
    counts = np.zeros(0, dtype=np.int64)
    used = sent = 0
    for seen in schedules:
        steps = np.arange(len(seen))
        ages = np.bincount((steps - seen)[seen != NO_HINT], minlength=len(counts))
        counts = np.pad(counts, (0, len(ages) - len(counts))) + ages
        used += len(np.unique(seen[seen != NO_HINT]))
        sent += len(seen)
    share = used / sent if sent else 0.0
    if not counts.any():
        return LinkStatistics(None, None, share)
    cumulative = counts.cumsum()
    mean = float(np.arange(len(counts)) @ counts / cumulative[-1])
    high = int(np.searchsorted(100 * cumulative, HIGH_PERCENT * cumulative[-1]))
    return LinkStatistics(mean, high, share)
