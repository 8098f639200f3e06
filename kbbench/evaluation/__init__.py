"""One run: a triple on a dataset, from files to files; killed at any moment, it carries on."""

from kbbench.evaluation.execute import evaluate
from kbbench.evaluation.run import Run, prepare

__all__ = ["Run", "evaluate", "prepare"]
