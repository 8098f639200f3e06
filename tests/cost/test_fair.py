"""Fair cost: matched within 5 %, else by what factor."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from kbbench.cost import CostFigure, fair_cost, matched
from kbbench.models import Boosted
from tests.cost.separator import macs_by_hand, separator_triple
from tests.cost.test_profile import Attention, Masked
from tests.cost.triples import load, profile, remote, triple


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


class Layers(nn.Module):
    """So many layers that go nowhere."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(2, 2, 1) for _ in range(count))

    def forward(self, mixture: Tensor, **kwargs: object) -> Tensor:
        for layer in self.layers:
            layer(mixture)
        return mixture[:, None]


@pytest.mark.parametrize(("count", "factor"), [(10, 1.0), (11, 1.1), (40, 4.0)])
def test_it_is_told_without_timing(count: int, factor: float) -> None:
    verdict = fair_cost(load(triple(small=Layers(10), device=Layers(count))))
    assert (verdict.matched, verdict.factor) == (factor <= 1.05, factor)


def test_it_is_what_a_profile_says() -> None:
    verdict = fair_cost(load(separator_triple()))
    assert verdict == profile(separator_triple()).matched
    assert verdict.factor == pytest.approx(macs_by_hand(16, 96) / macs_by_hand(16), 1e-5)


def test_models_whose_steps_alone_are_steady_are_compared_by_them() -> None:
    verdict = fair_cost(load(triple(small=Masked(4), device=Masked(10))))
    assert (verdict.matched, verdict.factor) == (False, 2.5)


def test_no_steady_cost_is_unknown() -> None:
    verdict = fair_cost(load(triple(small=Attention(None))))
    assert verdict.matched is None
    assert "not steady" in verdict.text


def test_a_model_that_is_bigger_at_another_delay_is_told_apart() -> None:
    """A profile is made for 48 ms; a run goes over all delays."""
    counts = {0: 10, 3: 25, 6: 10}
    devices = {delay: Layers(count) for delay, count in counts.items()}

    def boosted(delay: int) -> Boosted:
        return Boosted(devices[delay], remote)

    subject = triple(small=Layers(10), boosted=boosted)
    assert fair_cost(load(subject)).matched
    for verdict in (
        fair_cost(load(subject), (0, 3, 6)),
        profile(subject, also=(0, 3, 6)).matched,
    ):
        assert (verdict.matched, verdict.factor) == (False, 2.5)
        assert verdict.text.endswith("of 3 boosted models most at 3 chunks")


def test_the_same_model_at_all_delays_is_counted_once() -> None:
    heard = []

    def device(mixture: Tensor, **kwargs: object) -> Tensor:
        heard.append(mixture.shape[-1])
        return mixture[:, None]

    verdict = fair_cost(load(triple(device=device)), range(7))
    assert len(heard) == 3
    assert "boosted models" not in verdict.text


def test_a_model_that_breaks_has_no_cost() -> None:
    def breaks(mixture: Tensor, **kwargs: object) -> Tensor:
        raise RuntimeError("no such weight")

    verdict = fair_cost(load(triple(device=breaks)))
    assert verdict.matched is None
    assert verdict.text.startswith("unknown: model.py: device forward raised RuntimeError")
