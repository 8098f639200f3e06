"""Scores that no run has: values out of their range, counts that do not add up, copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kbbench.leaderboard.scores import CLIPPED, Scores
from kbbench.leaderboard.submission import Submission

RANGES = {
    "si_sdr": (-150.0, 100.0),
    "sdr": (-150.0, 100.0),
    "snr": (-150.0, 100.0),
    "pesq_wb": (0.99, 4.7),
    "stoi": (-1.0, 1.0),
    "estoi": (-1.0, 1.0),
    "ild_error_db": (0.0, 150.0),
    "itd_error_us": (0.0, 2000.0),
    "wrong_talker": (0.0, 1.0),
    "dnsmos": (0.9, 5.1),
    "wer": (0.0, 100.0),
    "speaker_similarity": (-1.001, 1.001),
    CLIPPED: (0.0, 1e8),
}
"""Of one score. 16 bits give 98 dB; PESQ-WB maps to 1.02 .. 4.65 (ITU-T P.862.2)."""
MOST_ALIKE = 0.05
"""Share of mixtures that may have, to the last step, the scores of another one at every source and
ear: in dB to 1/1000, none does by chance."""
DISTINCT_FROM = 20
"""Mixtures from which on that is asked."""


def oddities(submission: Submission, bounds: Sequence[Submission]) -> Iterator[str]:
    """What cannot be, a line each.

    Args:
        submission: to be looked at.
        bounds: oracles on the same data, which know the reference.
    """
    scores = submission.scores
    for name, (least, most) in RANGES.items():
        if name in scores.metrics:
            values = scores.table(name)
            outside = np.isfinite(values) & ((values < least) | (values > most))
            if outside.any():
                yield (
                    f"{name}: {int(outside.sum())} scores outside {least:g} to {most:g}, such as "
                    f"{values[outside][0]:g}"
                )
    yield from _copies(scores)
    if submission.kind == "entry":
        for bound in bounds:
            yield from _better_than(submission, bound)


def _copies(scores: Scores) -> Iterator[str]:
    """The same number again and again, or one condition's scores as another's."""
    filled = scores.table("si_sdr")
    if scores.mixtures >= DISTINCT_FROM:
        for name, values in zip(scores.conditions, filled, strict=True):
            rows = values.reshape(scores.mixtures, -1)
            rows = rows[np.isfinite(rows).all(axis=1)]
            alike = len(rows) - len(np.unique(rows, axis=0))
            if alike > MOST_ALIKE * scores.mixtures:
                yield f"{name}: {alike} of {scores.mixtures} mixtures have another one's SI-SDRs"
    if np.isnan(filled).all(axis=1).any():
        empty = scores.conditions[int(np.isnan(filled).all(axis=1).argmax())]
        yield f"{empty}: not one mixture has an SI-SDR"


def _better_than(submission: Submission, bound: Submission) -> Iterator[str]:
    """An estimate better than what the answer itself gives."""
    top = bound.summary.condition("large").figures["si_sdr"].value
    for item in submission.summary.conditions:
        value = item.figures["si_sdr"].value
        if value is not None and top is not None and value > top:
            yield (
                f"{item.condition}: SI-SDR {value:.2f} dB, better than the oracle "
                f"{bound.name!r} with {top:.2f} dB"
            )
