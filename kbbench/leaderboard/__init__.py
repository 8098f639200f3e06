"""The leaderboard: submissions, what must hold of them, their ranks, and the site."""

from kbbench.leaderboard.rank import Board, Row, rank
from kbbench.leaderboard.reproduce import Reproduction, read_reproductions, reproduce
from kbbench.leaderboard.submission import Submission, read_submission
from kbbench.leaderboard.submit import make_submission, write_submission
from kbbench.leaderboard.validate import Problem, problems_of, validate_folder

__all__ = [
    "Board",
    "Problem",
    "Reproduction",
    "Row",
    "Submission",
    "make_submission",
    "problems_of",
    "rank",
    "read_reproductions",
    "read_submission",
    "reproduce",
    "validate_folder",
    "write_submission",
]
