"""What is said of a row in a word or two: badges, and what each of them means."""

from __future__ import annotations

from kbbench.leaderboard.rank import Row

BADGES = {
    "audited": ("audited", "the audit found nothing that says that it could not run live"),
    "streams": (
        "streams",
        "chunk by chunk, every part that runs gives what the whole signal gives, by the audit",
    ),
    "reproduced": (
        "reproduced",
        "somebody ran a sample of the mixtures again: the same model, the same scores",
    ),
    "matched": (
        "cost matched",
        "the device part of the boosted model costs what the small model costs, within 5 %",
    ),
    "unmatched": (
        "cost not matched",
        "the device part of the boosted model costs more or less than the small model",
    ),
    "unknown-cost": (
        "cost unknown",
        "it cannot be told whether the device part costs what the small model costs",
    ),
    "opaque": (
        "opaque link",
        "the boosted model delays its hints itself, so that nothing proves them late",
    ),
    "oracle": ("oracle", "it is given the answer, and was not audited"),
    "bound": ("bound", "there to compare with, such as an oracle or the mixture as it is; no rank"),
}
"""Texts and meanings by key, in the order in which they stand."""
MATCHED = {True: "matched", False: "unmatched", None: "unknown-cost"}


def badges_of(row: Row) -> tuple[str, ...]:
    """Keys of the badges of a row."""
    submission = row.submission
    streaming = submission.audit.streaming
    price = submission.summary.price
    found = {
        "audited": submission.audit.verdict == "honest",
        "streams": bool(streaming) and all(part.streams for part in streaming),
        "reproduced": row.reproduced,
        "opaque": submission.summary.triple.opaque_link,
        "oracle": submission.summary.triple.oracle,
        "bound": submission.kind == "bound",
        MATCHED[price.matched.matched if price else None]: True,
    }
    return tuple(key for key in BADGES if found.get(key))
