"""Each hint has its own latency, drawn from a named distribution; later ones may overtake."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kbbench.channel.base import Channel, Option, from_latency, number
from kbbench.errors import InputError
from kbbench.rng import Stream

Quantiles = Callable[[NDArray[np.float64], float, float], NDArray[np.float64]]
"""(probabilities in (0, 1), mean, standard deviation > 0) -> values."""


def _normal(units: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    return mean + std * special.ndtri(units)


def _uniform(units: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    return mean + std * math.sqrt(12.0) * (units - 0.5)


def _lognormal(units: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    variance = math.log1p((std / mean) ** 2)
    return np.exp(math.log(mean) - variance / 2 + math.sqrt(variance) * special.ndtri(units))


def _gamma(units: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    shape = (mean / std) ** 2
    return np.asarray(mean / shape * special.gammaincinv(shape, units))


DISTRIBUTIONS: dict[str, Quantiles] = {
    "gamma": _gamma,
    "lognormal": _lognormal,
    "normal": _normal,
    "uniform": _uniform,
}
"""Quantile functions by name."""
NO_SPREAD_MS = 1e-3
"""A standard deviation below a microsecond is none; a gamma of hardly any has no finite shape."""
LEAST_UNIT = 2.0**-54
"""Half the step of :meth:`kbbench.rng.Stream.units`: a 0 becomes this, which has a quantile."""


def jitter(
    mean_ms: float, std_ms: float, distribution: str = "gamma", least_ms: float = 0.0
) -> Channel:
    """Independent latencies; reordering included, and the newest hint that has arrived wins.

    Args:
        mean_ms: mean latency.
        std_ms: its standard deviation; 0 is a fixed delay.
        distribution: ``gamma``, ``lognormal``, ``normal`` or ``uniform``. The default is the
            shifted gamma of measured packet delays.
        least_ms: what no latency falls below: gamma and lognormal start there; normal and uniform
            are cut off there, which moves their mean a little where they reach so far.

    Raises:
        InputError: an unknown distribution, a number out of range, or nothing arrives.

    Source: Mukherjee, "On the dynamics and significance of low frequency components of Internet
    load", Internetworking: Research and Experience 5(4), 1994 (the shifted gamma distribution).
    """
    if distribution not in DISTRIBUTIONS:
        close = difflib.get_close_matches(distribution, DISTRIBUTIONS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InputError(
            f"distribution {distribution!r}, expected one of {', '.join(DISTRIBUTIONS)}{hint}"
        )
    options: dict[str, Option] = {
        "mean_ms": number("mean_ms", mean_ms),
        "std_ms": number("std_ms", std_ms),
        "distribution": distribution,
        "least_ms": number("least_ms", least_ms),
    }
    above_ms = mean_ms - least_ms
    if above_ms < 0 or (std_ms > 0 and above_ms == 0):
        raise InputError(f"mean_ms = {mean_ms:g}, expected more than least_ms = {least_ms:g}")

    def latency_ms(chunks: int, stream: Stream) -> NDArray[np.float64]:
        if std_ms < NO_SPREAD_MS:
            return np.full(chunks, float(mean_ms))
        units = np.maximum(stream.units(chunks), LEAST_UNIT)
        above = DISTRIBUTIONS[distribution](units, above_ms, std_ms)
        return least_ms + np.maximum(above, 0.0)

    return from_latency(jitter, options, latency_ms)
