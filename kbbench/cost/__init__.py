"""What a triple costs: MACs, parameters, state, chunk time, link."""

from kbbench.cost.counter import Counter
from kbbench.cost.fair import fair_cost, matched
from kbbench.cost.profile import profile_triple
from kbbench.cost.result import Cost, CostFigure, Matched, ModelCost

__all__ = [
    "Cost",
    "CostFigure",
    "Counter",
    "Matched",
    "ModelCost",
    "fair_cost",
    "matched",
    "profile_triple",
]
