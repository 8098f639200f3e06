"""Fair cost: a boosted model that is simply bigger is told apart."""

from __future__ import annotations

from kbbench.cost.result import DIGITS, CostFigure, Matched, ModelCost

TOLERANCE = 0.05
"""The device part may cost 5 % more or less MACs than the small model (issue "Fair cost")."""
COMPARED = ("macs_per_chunk", "step_macs_per_chunk")
"""Figures that may be compared, the first one that is known for both models. A ``forward`` that
masks its attention has no steady cost; its ``step`` has."""


def compare(device: ModelCost, small: ModelCost) -> Matched:
    """Whether the boosted model's device part costs what the small model costs."""
    pairs = [(device.figures[name], small.figures[name]) for name in COMPARED]
    known = [pair for pair in pairs if all(f.value is not None and not f.note for f in pair)]
    return matched(*(known or pairs)[0])


def matched(device: CostFigure, small: CostFigure, tolerance: float = TOLERANCE) -> Matched:
    """Compare the device part's MACs a chunk with the small model's.

    Args:
        device: ``macs_per_chunk`` of the boosted model's device part.
        small: of the small model.
        tolerance: relative.

    >>> macs = [CostFigure(value=v, unit="MAC") for v in (104.0, 100.0, 250.0)]
    >>> matched(macs[0], macs[1]).matched, matched(macs[2], macs[1]).factor
    (True, 2.5)
    """

    def verdict(matched: bool | None, factor: float | None, text: str) -> Matched:
        return Matched(matched=matched, factor=factor, tolerance=tolerance, text=text)

    for name, figure in (("device", device), ("small", small)):
        if figure.value is None or figure.note:
            return verdict(None, None, f"unknown: MACs of {name}: {figure.reason or figure.note}")
    if device.value == small.value == 0:
        return verdict(True, None, "matched: neither the device part nor the small model does MACs")
    if not small.value or device.value is None:
        return verdict(
            False, None, "not matched: the small model does no MACs, the device part some"
        )
    factor = round(device.value / small.value, DIGITS)
    if round(abs(factor - 1), DIGITS) <= tolerance:
        return verdict(
            True, factor, f"matched: the device part costs {factor:.3f} x the small model"
        )
    return verdict(
        False, factor, f"not matched: the device part costs {factor:.3g} x the small model"
    )
