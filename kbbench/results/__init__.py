"""Records, summary and confidence."""

from kbbench.results.records import ScoringJob, score_mixture
from kbbench.results.summary import MIXTURE, Summary, summarize

__all__ = ["MIXTURE", "ScoringJob", "Summary", "score_mixture", "summarize"]
