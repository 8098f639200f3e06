"""Submissions whose scores are drawn, and whose figures follow from them as a run's do."""

from __future__ import annotations

import base64
import datetime
import hashlib
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from kbbench import __version__
from kbbench.audit import Audit
from kbbench.audit.result import LookAhead
from kbbench.cost import Cost, CostFigure, Matched, ModelCost
from kbbench.cost.fair import matched
from kbbench.cost.result import UNITS, Hardware, Method
from kbbench.leaderboard.scores import CLIPPED, Scores
from kbbench.leaderboard.sound import Sample, mp3
from kbbench.leaderboard.submission import Submission
from kbbench.leaderboard.tracks import NEEDED_CONDITIONS, OFFICIAL_DATA
from kbbench.results import Summary, summarize
from kbbench.results.facts import DataFacts, TripleFacts
from kbbench.results.price import Price
from kbbench.results.summary import FORMAT, Honesty, with_improvements
from kbbench.scenes.plan import mixture_id
from kbbench.scenes.recipe import load_recipe

CONDITIONS = (*NEEDED_CONDITIONS, "boosted@off", "boosted@other-hints")
HARDWARE = Hardware(cpu="a processor", system="Linux", python="3.12", torch="2.9")
SOURCES = {"separation": 2, "target_speech": 1, "enhancement": 1}
HINTS = {"boosted@off": 0.0, "boosted@other-hints": -0.3}


def fake(name: str = "Fake net", seed: int = 0, **more: Any) -> Submission:
    """A submission that nothing is wrong with.

    Args:
        name: of the row.
        seed: of its scores.
        more: recipe, quality_db (of the large model), macs (of the device), mixtures, opaque, kind;
            the rest are fields of the submission.
    """
    recipe = load_recipe(more.pop("recipe", "mini-separation"))
    mixtures = more.pop("mixtures", recipe.splits.test)
    quality_db, macs = more.pop("quality_db", 6.0), more.pop("macs", 2.7e6)
    opaque, kind = more.pop("opaque", False), more.get("kind", "entry")
    digest = hashlib.sha256(f"{name} {seed} {recipe.name} {macs}".encode()).hexdigest()
    records = _records(recipe.task, mixtures, quality_db, seed)
    scores = Scores.of(records, "test", CONDITIONS)
    records = with_improvements(scores.frame())
    delays = [(item, _delay(item)) for item in CONDITIONS]
    cost = _cost(name, recipe.task, macs, opaque, kind == "bound")
    audit = _audit(name, recipe.task, digest, kind == "bound")
    summary = Summary(
        format=FORMAT,
        kbbench=__version__,
        triple=TripleFacts(
            name=name,
            task=recipe.task,
            oracle=kind == "bound",
            lookahead_samples_declared=64,
            hint_dtype="float16",
            opaque_link=opaque,
            hint_kbit_per_s=None if opaque else cost.hint_kbit_per_s.value,
            file="model.py",
            file_sha256=digest,
            imports_sha256={},
            weights_sha256=digest,
        ),
        data=DataFacts(
            recipe=recipe.name,
            recipe_version=recipe.version,
            recipe_sha256=recipe.sha256,
            corpus_sha256="c" * 64,
            plan_sha256="d" * 64,
            data_sha256=OFFICIAL_DATA.get((recipe.name, recipe.version), "e" * 64),
            split="test",
            mixtures=mixtures,
        ),
        run_sha256=digest,
        honesty=Honesty.of(audit, kind == "bound", opaque),
        price=Price.of(cost),
        headline_condition="boosted@6",
        versions={"kbbench": __version__},
        hardware=HARDWARE,
        **summarize(records, delays),
    )
    fields = {
        "name": name,
        "contact": "somebody@example.org",
        "submitted": datetime.date(2026, 11, 27),
        "summary": summary,
        "audit": audit,
        "cost": cost,
        "scores": scores,
        "samples": (_sample(),),
    }
    return Submission.model_validate({**fields, **more})


def _delay(condition: str) -> int | None:
    if condition == "boosted@other-hints":
        return 6
    tail = condition.partition("@")[2]
    return int(tail) if tail.isdigit() else None


def _records(task: str, mixtures: int, quality_db: float, seed: int) -> pd.DataFrame:
    """Harder mixtures are harder for everybody; each model has its own luck."""
    shared, own = np.random.default_rng(1), np.random.default_rng([2, seed])
    sources, rows = SOURCES[task], []
    for number in range(mixtures):
        hard, unprocessed = shared.normal(0, 1.5), shared.normal(0, 3)
        for source in range(sources):
            for channel in range(2):
                ear = shared.normal(0, 0.5)
                for condition in CONDITIONS:
                    gain = _gain(condition, quality_db) + hard * (condition != "mixture")
                    noise = 0 if condition == "mixture" else own.normal(0, 0.3)
                    value = unprocessed + ear + gain + noise
                    rows.append(
                        {
                            "mixture": mixture_id("test", number),
                            "condition": condition,
                            "source": source,
                            "channel": channel,
                            "si_sdr": value,
                            "sdr": value + 0.5,
                            "snr": value + 0.2,
                            "pesq_wb": float(np.clip(1.5 + 0.1 * value, 1.02, 4.6)),
                            "stoi": float(np.clip(0.7 + 0.02 * value, 0, 1)),
                            "estoi": float(np.clip(0.6 + 0.02 * value, 0, 1)),
                            "ild_error_db": abs(2 - 0.1 * value),
                            "itd_error_us": abs(50 - value),
                            CLIPPED: 0,
                        }
                    )
    return pd.DataFrame(rows)


def _gain(condition: str, quality_db: float) -> float:
    if condition == "mixture":
        return 0.0
    small = 0.5 * quality_db
    if condition in ("small", *HINTS):
        return small + HINTS.get(condition, 0.0)
    if condition == "large":
        return quality_db
    return small + (quality_db - small) * 0.85 ** float(_delay(condition) or 0)


def _cost(name: str, task: Any, macs: float, opaque: bool, oracle: bool) -> Cost:
    def model(macs: float) -> ModelCost:
        numbers = {key: 0.5 for key in UNITS} | {"macs_per_chunk": macs, "parameters": macs / 90}
        numbers |= {"step_macs_per_chunk": macs, "chunk_ms_p99": macs / 2e6}
        figures = {key: CostFigure(value=numbers[key], unit=unit) for key, unit in UNITS.items()}
        return ModelCost(figures=figures, chunks_timed=1250)

    models = {"small": model(macs), "device": model(macs), "large": model(39e6)}
    if not opaque:
        models["remote"] = models["large"]
    kbit = CostFigure(
        value=None if opaque else 3104.0,
        unit="kbit/s",
        reason="opaque link" if opaque else None,
    )
    fair: Matched = matched(*(CostFigure(value=macs, unit="MAC") for _ in range(2)))
    return Cost(
        kbbench=__version__,
        name=name,
        task=task,
        oracle=oracle,
        opaque_link=opaque,
        models=models,
        remote_is_large=not opaque,
        deployed_parameters=CostFigure(value=5e5, unit="parameter"),
        hint_kbit_per_s=kbit,
        hint_dtype="float16",
        matched=fair,
        method=Method(
            delay_chunks=6,
            chunks_counted=(240, 480, 720),
            warm_up_chunks=125,
            threads=1,
            noise_rms=0.05,
            channels=2,
            seed=0,
        ),
        hardware=HARDWARE,
    )


def _audit(name: str, task: Any, digest: str, oracle: bool) -> Audit:
    parts = (("small", "estimates"), ("large", "estimates"), ("large", "hints"))
    return Audit(
        triple=name,
        task=task,
        file_sha256=digest,
        delays=(6,),
        lookahead=tuple(
            LookAhead(part=part, output=output, samples=64, declared=64) for part, output in parts
        ),
        oracle=oracle,
    )


@cache
def _sample() -> Sample:
    tone = np.sin(np.arange(16000) * 0.2) * 3000
    sound = base64.b64encode(mp3(np.stack([tone, tone / 2]).astype(np.int16))).decode("ascii")
    names = ("mixture", "small", "boosted", "large", "reference")
    return Sample(mixture="test/00000", source=0, signals=dict.fromkeys(names, sound))
