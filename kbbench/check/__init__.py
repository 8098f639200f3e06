"""The contract on two seconds of sound: everything that is wrong with a triple, in seconds."""

from kbbench.check.result import Found, Report
from kbbench.check.run import check_file

__all__ = ["Found", "Report", "check_file"]
