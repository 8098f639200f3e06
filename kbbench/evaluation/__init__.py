"""One run: a triple on a dataset, from files to files; killed at any moment, it carries on."""

from kbbench.evaluation.execute import audited, evaluate, priced, score_some
from kbbench.evaluation.folder import Beforehand, read
from kbbench.evaluation.live import go_live, met
from kbbench.evaluation.run import Run, prepare

__all__ = [
    "Beforehand",
    "Run",
    "audited",
    "evaluate",
    "go_live",
    "met",
    "prepare",
    "priced",
    "read",
    "score_some",
]
