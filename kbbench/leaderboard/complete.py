"""Does a submission hold all that its row and page show? Quick, unlike a validation."""

from __future__ import annotations

from collections.abc import Iterator

from kbbench.leaderboard.submission import Submission
from kbbench.leaderboard.validate import why_unranked
from kbbench.results.breakdown import FACTS
from kbbench.results.price import SAME_IN_EVERY_RUN


def lacks(submission: Submission) -> Iterator[str]:
    """What keeps a submission that could be read from being shown, a line each.

    Tables and site take what this finds nothing in. Whether the figures are true is
    :func:`kbbench.leaderboard.validate.problems_of`'s to say.
    """
    yield from why_unranked(submission)
    yield from _conditions(submission)
    yield from _costs(submission)


def _conditions(submission: Submission) -> Iterator[str]:
    summary = submission.summary
    names = [item.condition for item in summary.conditions]
    if len(set(names)) < len(names):
        yield "a condition stands twice in the summary"
    if names != list(submission.scores.conditions):
        yield "the scores are of other conditions than the summary, or in another order"
    shown = [tuple(group.figures) for group in summary.breakdowns]
    if len(set(shown)) > 1 or any(group.fact not in FACTS for group in summary.breakdowns):
        yield "breakdowns by unknown facts, or of different conditions"


def _costs(submission: Submission) -> Iterator[str]:
    cost, price = submission.cost, submission.summary.price
    alone = cost.opaque_link and not cost.remote_is_large
    remote = [] if alone else ["remote"]
    if missing := [name for name in remote if name not in cost.models]:
        yield f"no cost of {missing[0]}"
    models = price.models if price else {}
    for name in ("small", "device", "large", *remote):
        figures = models.get(name, {})
        if missing := [figure for figure in SAME_IN_EVERY_RUN if figure not in figures]:
            yield f"price of {name}: no {missing[0]}"
