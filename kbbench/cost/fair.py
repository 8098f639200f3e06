"""Fair cost: a boosted model that is simply bigger is told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from kbbench.cost.calls import subjects
from kbbench.cost.macs import LENGTHS, count, slopes
from kbbench.cost.noise import noise
from kbbench.cost.result import DIGITS, CostFigure, Matched
from kbbench.cost.streaming import stream
from kbbench.errors import ModelError, one_line
from kbbench.models.loading import LoadedTriple
from kbbench.units import HEADLINE_DELAY

TOLERANCE = 0.05
"""The device part may cost 5 % more or less MACs than the small model (issue "Fair cost")."""
COMPARED = ("macs_per_chunk", "step_macs_per_chunk")
"""Figures that may be compared, the first one that is known for both models. A ``forward`` that
masks its attention has no steady cost; its ``step`` has."""


def fair_cost(loaded: LoadedTriple, delays: Sequence[int] = (HEADLINE_DELAY,)) -> Matched:
    """Whether the boosted models of these delays cost the device what the small model costs.

    By MACs alone, so it takes as long as a few seconds of sound do, and needs no quiet machine.
    Of several boosted models it is the verdict on the dearest. A model that breaks has no cost: the
    verdict is "unknown", and says why.
    """
    first, others = delays[0], other_delays(loaded, delays[0], delays)
    try:
        return dearest({delay: fair_at(loaded, delay) for delay in (first, *others)})
    except ModelError as error:
        return Matched(
            matched=None, factor=None, tolerance=TOLERANCE, text=f"unknown: {one_line(error)}"
        )


def other_delays(loaded: LoadedTriple, delay_chunks: int, also: Sequence[int]) -> tuple[int, ...]:
    """The first of ``also`` for each boosted model that is not the one of ``delay_chunks``."""
    models = {tuple(map(id, loaded.boosted_at(delay_chunks).models)): delay_chunks}
    for delay in also:
        models.setdefault(tuple(map(id, loaded.boosted_at(delay).models)), delay)
    return tuple(delay for delay in models.values() if delay != delay_chunks)


def fair_at(loaded: LoadedTriple, delay_chunks: int) -> Matched:
    """The verdict on the boosted model of one delay, without timing it.

    Raises:
        ModelError: a model raised, or its output breaks the contract.
    """
    parts = subjects(loaded, delay_chunks)
    if "remote" in parts:
        del parts["large"]
    figures = {}
    with torch.inference_mode():
        counted = count(parts, delay_chunks)
        for name in ("device", "small"):
            figures[name] = slopes(counted.counters[name], parts[name].uncounted)
        if not all(_known(found[COMPARED[0]]) for found in figures.values()):
            heard = noise(loaded.triple.task, LENGTHS[-1])
            for name, found in figures.items():
                found.update(stream(parts[name], heard, counted.link, chunks=1).figures)
    return compare(figures["device"], figures["small"])


def dearest(verdicts: Mapping[int, Matched]) -> Matched:
    """The worst verdict, which names its delay where there are several."""

    def badness(delay: int) -> tuple[float, float]:
        verdict = verdicts[delay]
        known = {False: 2.0, None: 1.0, True: 0.0}[verdict.matched]
        return known, verdict.factor or 0.0

    worst = max(verdicts, key=badness)
    if len(verdicts) == 1:
        return verdicts[worst]
    text = f"{verdicts[worst].text}, of {len(verdicts)} boosted models most at {worst} chunks"
    return verdicts[worst].model_copy(update={"text": text})


def compare(device: Mapping[str, CostFigure], small: Mapping[str, CostFigure]) -> Matched:
    """Whether the boosted model's device part costs what the small model costs."""
    pairs = [(device[name], small[name]) for name in COMPARED if name in device]
    known = [pair for pair in pairs if all(map(_known, pair))]
    return matched(*(known or pairs)[0])


def _known(figure: CostFigure) -> bool:
    return figure.value is not None and not figure.note


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
