"""Records, summary, confidence, and runs beside each other."""

from kbbench.results.compare import Difference, FinishedRun, compare, compare_with
from kbbench.results.records import ScoringJob, score_mixture
from kbbench.results.summary import MIXTURE, Summary, summarize

__all__ = [
    "MIXTURE",
    "Difference",
    "FinishedRun",
    "ScoringJob",
    "Summary",
    "compare",
    "compare_with",
    "score_mixture",
    "summarize",
]
