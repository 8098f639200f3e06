"""Latencies of their own: distributions against SciPy, ages against the closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kbbench.channel import fixed, jitter
from kbbench.channel.jitter import DISTRIBUTIONS
from kbbench.errors import InputError
from kbbench.rng import Stream

MEAN, STD = 24.0, 10.0
SIGMA = math.sqrt(math.log(1 + (STD / MEAN) ** 2))
TWINS = {
    "gamma": stats.gamma(a=(MEAN / STD) ** 2, scale=STD**2 / MEAN),
    "lognormal": stats.lognorm(s=SIGMA, scale=MEAN * math.exp(-(SIGMA**2) / 2)),
    "normal": stats.norm(MEAN, STD),
    "uniform": stats.uniform(MEAN - math.sqrt(3) * STD, 2 * math.sqrt(3) * STD),
}


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
def test_quantiles_are_those_of_scipy(name: str) -> None:
    units = np.linspace(1e-6, 1 - 1e-6, 101)
    np.testing.assert_allclose(DISTRIBUTIONS[name](units, MEAN, STD), TWINS[name].ppf(units))
    assert TWINS[name].mean() == pytest.approx(MEAN)
    assert TWINS[name].std() == pytest.approx(STD)
    least = DISTRIBUTIONS[name](np.array([2.0**-54]), MEAN, STD)
    assert np.isfinite(least).all()


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
@pytest.mark.parametrize("least_ms", [0.0, 12.0])
def test_ages_are_those_of_independent_latencies(name: str, least_ms: float) -> None:
    """The hint is at most d chunks old where any of the last d + 1 has arrived: a product."""
    chunks = 100_000
    seen = jitter(MEAN + least_ms, STD, name, least_ms).seen(chunks, Stream("test"))
    ages = (np.arange(chunks) - seen)[50:]
    for d in range(12):
        late = [1.0 if 8.0 * j < least_ms else TWINS[name].sf(8.0 * j - least_ms) for j in range(d)]
        late.append(1.0 if 8.0 * d < least_ms else TWINS[name].sf(8.0 * d - least_ms))
        # Ages of neighbours are correlated over less than ten chunks.
        tolerance = 4 * math.sqrt(0.25 * 10 / chunks)
        assert (ages <= d).mean() == pytest.approx(1 - math.prod(late), abs=tolerance)


@pytest.mark.parametrize("name", sorted(DISTRIBUTIONS))
@pytest.mark.parametrize("delay", [0, 3, 6])
def test_without_spread_it_is_a_fixed_delay(name: str, delay: int) -> None:
    seen = jitter(8.0 * delay, 0.0, name).seen_by("test/00000", 100)
    assert np.array_equal(seen, fixed(delay).seen_by("test/00000", 100))


def test_hints_are_overtaken() -> None:
    """With so much spread some hint never becomes the newest, and none comes back."""
    seen = jitter(48, 24).seen_by("test/00000", 625)
    assert 0.2 < len(np.unique(seen)) / 625 < 0.8
    assert (np.diff(seen) >= 0).all()
    assert (np.diff(seen) > 1).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean_ms": -1.0, "std_ms": 0.0}, r"mean_ms = -1, expected a number 0 or more"),
        ({"mean_ms": 8.0, "std_ms": np.inf}, r"std_ms = inf"),
        ({"mean_ms": 8.0, "std_ms": 1.0, "least_ms": 9.0}, r"mean_ms = 8, .* least_ms = 9"),
        ({"mean_ms": 0.0, "std_ms": 1.0}, r"mean_ms = 0, expected more than least_ms = 0"),
        (
            {"mean_ms": 8.0, "std_ms": 1.0, "distribution": "gauss"},
            r"distribution 'gauss', expected one of gamma, lognormal, normal, uniform",
        ),
    ],
)
def test_what_is_no_distribution_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        jitter(**options)  # type: ignore[arg-type]
