"""The site of the leaderboard: static pages that open from a file, with no network."""

from kbbench.leaderboard.site.build import build_site

__all__ = ["build_site"]
