"""Fair cost: matched within 5 %, else by what factor."""

from __future__ import annotations

import pytest

from kbbench.cost import CostFigure, matched


def macs(value: float | None, **more: str) -> CostFigure:
    return CostFigure(value=value, unit="MAC", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "small", "expected", "factor"),
    [
        (1000.0, 1000.0, True, 1.0),
        (1050.0, 1000.0, True, 1.05),
        (950.0, 1000.0, True, 0.95),
        (1051.0, 1000.0, False, 1.051),
        (949.0, 1000.0, False, 0.949),
        (3000.0, 1000.0, False, 3.0),
        (0.0, 0.0, True, None),
        (1.0, 0.0, False, None),
    ],
)
def test_matched(device: float, small: float, expected: bool, factor: float | None) -> None:
    verdict = matched(macs(device), macs(small))
    assert (verdict.matched, verdict.factor) == (expected, factor)
    assert verdict.text.startswith("matched" if expected else "not matched")


@pytest.mark.parametrize("doubtful", [macs(None, reason="lost"), macs(5.0, note="a lower bound")])
def test_what_is_not_known_is_not_matched(doubtful: CostFigure) -> None:
    for pair in ((doubtful, macs(5.0)), (macs(5.0), doubtful)):
        verdict = matched(*pair)
        assert verdict.matched is None
        assert (doubtful.reason or doubtful.note or "") in verdict.text


def test_a_figure_has_a_value_or_a_reason() -> None:
    for wrong in ({"value": None}, {"value": 1.0, "reason": "none"}, {"value": float("nan")}):
        with pytest.raises(ValueError, match=r"reason|finite"):
            CostFigure(unit="MAC", **wrong)  # type: ignore[arg-type]
