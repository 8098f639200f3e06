"""One run: a triple on a dataset, from files to files; killed at any moment, it carries on."""

from kbbench.evaluation.execute import audited, evaluate
from kbbench.evaluation.folder import read
from kbbench.evaluation.run import Run, prepare

__all__ = ["Run", "audited", "evaluate", "prepare", "read"]
