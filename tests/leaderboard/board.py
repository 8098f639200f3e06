"""Many synthetic submissions, made quickly: a few are drawn, the others are moved from them."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np

from kbbench.audit.result import Streams
from kbbench.cost import Cost
from kbbench.leaderboard.rank import Board, rank
from kbbench.leaderboard.scores import Scores
from kbbench.leaderboard.submission import Submission
from kbbench.results import Summary
from kbbench.results.breakdown import Group
from kbbench.results.figure import Figure
from kbbench.results.price import Price
from tests.leaderboard.fake import fake

RECIPES = ("mini-separation", "mini-target-speech", "mini-enhancement")
FADING = 0.9
"""Of a shift at delay 0, what is left of it with each chunk."""


def submissions(count: int, mixtures: int = 12) -> list[Submission]:
    """So many of all recipes, sizes and links; the same count gives the same ones."""
    return [one(number, mixtures) for number in range(count)]


@cache
def one(number: int, mixtures: int = 12) -> Submission:
    """The submission of a number: better ones are dearer, with luck; every eighth is opaque."""
    recipe, opaque = RECIPES[number % len(RECIPES)], number % 8 == 7
    luck = np.random.default_rng([7, number])
    log_macs = luck.uniform(5.5, 7.8)
    shift_db = 1.2 * (log_macs - 6.5) + luck.normal(0, 0.6)
    base = _base(recipe, mixtures, opaque)
    named = f"{NAMES[number % len(NAMES)]} {1 + number // len(NAMES)}"
    return moved(base, named, shift_db=shift_db, macs=10**log_macs, seed=number)


NAMES = ("TF-GridNet", "Conv-TasNet", "SpEx+", "Waveformer", "LookOnceToHear", "SkiM", "DCCRN")


@cache
def bound(recipe: str = "mini-separation", mixtures: int = 12) -> Submission:
    """An oracle."""
    return fake("Ideal masks", kind="bound", recipe=recipe, quality_db=15.0, mixtures=mixtures)


def board(count: int = 12, mixtures: int = 12) -> Board:
    """Ranked submissions, and an oracle."""
    return rank([*submissions(count, mixtures), bound(mixtures=mixtures)])


@cache
def _base(recipe: str, mixtures: int, opaque: bool) -> Submission:
    return fake("Base", recipe=recipe, mixtures=mixtures, opaque=opaque)


def moved(
    base: Submission, name: str, *, shift_db: float = 0.0, macs: float = 2.7e6, seed: int = 0
) -> Submission:
    """Another submission: other boosted scores, cost and hashes; figures follow the scores' means.

    Args:
        base: to begin with.
        name: of the row.
        shift_db: of the boosted model's SI-SDR at delay 0.
        macs: of the device.
        seed: of each mixture's own luck.
    """
    digest = hashlib.sha256(f"{name} {seed} {base.slug}".encode()).hexdigest()
    scores, shifts = _moved_scores(base.scores, shift_db, seed)
    cost = _moved_cost(base.cost, name, macs)
    summary = _moved_summary(base.summary, shifts)
    triple = summary.triple.model_copy(
        update={
            "name": name,
            "file_sha256": digest,
            "weights_sha256": digest,
            "hint_kbit_per_s": cost.hint_kbit_per_s.value,
        }
    )
    return base.model_copy(
        update={
            "name": name,
            "scores": scores,
            "cost": cost,
            "card": f"{name}.\n\nTrained on what the recipe says, for a week.",
            "paper": "https://example.org/paper" if seed % 2 else None,
            "code": "https://example.org/code" if seed % 3 else None,
            "audit": base.audit.model_copy(
                update={
                    "triple": name,
                    "file_sha256": digest,
                    "streaming": tuple(
                        Streams(part=part, streams=seed % 4 > 0)
                        for part in ("small", "large", "device")
                    ),
                }
            ),
            "summary": summary.model_copy(
                update={"triple": triple, "run_sha256": digest, "price": Price.of(cost)}
            ),
        }
    )


def _moved_scores(scores: Scores, shift_db: float, seed: int) -> tuple[Scores, dict[str, float]]:
    """Scores, and the mean shift under each condition."""
    luck = np.random.default_rng([8, seed])
    records = scores.frame()
    shifts = {}
    for place, condition in enumerate(scores.conditions):
        if not condition.removeprefix("boosted@").isdigit():
            continue
        rows = slice(place * scores.records, (place + 1) * scores.records)
        own = shift_db * FADING**place + luck.normal(0, 0.2, scores.records)
        records.iloc[rows, records.columns.get_loc("si_sdr")] += own
        shifts[condition] = float(own.mean())
    return Scores.of(records, scores.split, scores.conditions), shifts


def _moved_summary(summary: Summary, shifts: dict[str, float]) -> Summary:
    conditions = []
    for item in summary.conditions:
        figures = dict(item.figures)
        for name in ("si_sdr", "si_sdr_i"):
            if item.condition in shifts and name in figures:
                figures[name] = _shifted(figures[name], shifts[item.condition])
        conditions.append(item.model_copy(update={"figures": figures}))
    means = {item.condition: _mean(item.figures.get("si_sdr_i")) for item in conditions}
    span = means["large"] - means["small"]
    gaps = {
        name: _shifted(figure, shifts.get(name, 0.0) / span)
        for name, figure in summary.gap_closed.items()
    }
    shown = ("small", "large", "boosted@6")
    by_condition = {item.condition: item.figures["si_sdr_i"] for item in conditions[1:]}
    groups = tuple(
        Group(
            fact="rt60_s",
            group=group,
            mixtures=4,
            figures={name: by_condition[name] for name in shown},
        )
        for group in ("0.15 to 0.3", "0.3 to 0.45", "0.45 to 0.6")
    )
    return summary.model_copy(
        update={"conditions": conditions, "gap_closed": gaps, "breakdowns": groups}
    )


def _mean(figure: Figure | None) -> float:
    return 0.0 if figure is None or figure.value is None else figure.value


def _shifted(figure: Figure, by: float) -> Figure:
    names = ("value", "low", "high", "ranked")
    found: dict[str, Any] = {name: getattr(figure, name) for name in names}
    moved = {name: round(value + by, 6) for name, value in found.items() if value is not None}
    return figure.model_copy(update=moved)


def _moved_cost(cost: Cost, name: str, macs: float) -> Cost:
    models = dict(cost.models)
    for part in ("small", "device"):
        figures = dict(models[part].figures)
        for key, value in (
            ("macs_per_chunk", round(macs)),
            ("step_macs_per_chunk", round(macs)),
            ("parameters", round(macs / 90)),
            ("chunk_ms_p99", round(macs / 2e6, 3)),
        ):
            figures[key] = figures[key].model_copy(update={"value": float(value)})
        models[part] = models[part].model_copy(update={"figures": figures})
    kbit = cost.hint_kbit_per_s
    if kbit.value is not None:
        kbit = kbit.model_copy(update={"value": float(2 ** (5 + round(macs) % 8) * 10)})
    return cost.model_copy(update={"name": name, "models": models, "hint_kbit_per_s": kbit})
