"""The leaderboard: submissions, what must hold of them, their ranks, and the site."""

from kbbench.leaderboard.publish import Built, build
from kbbench.leaderboard.rank import Board, Row, rank
from kbbench.leaderboard.reproduce import Reproduction, read_reproductions, reproduce
from kbbench.leaderboard.site import build_site
from kbbench.leaderboard.submission import Submission, read_submission
from kbbench.leaderboard.submit import make_submission, write_submission
from kbbench.leaderboard.validate import Problem, problems_of, validate_folder

__all__ = [
    "Board",
    "Built",
    "Problem",
    "Reproduction",
    "Row",
    "Submission",
    "build",
    "build_site",
    "make_submission",
    "problems_of",
    "rank",
    "read_reproductions",
    "read_submission",
    "reproduce",
    "validate_folder",
    "write_submission",
]
