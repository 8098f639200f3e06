"""Triples that come with kbbench: their names, their files beside this one, and their cards."""

from kbbench.baselines.shipped.names import find_model, shipped

__all__ = ["find_model", "shipped"]
