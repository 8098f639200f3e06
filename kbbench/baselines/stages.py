"""What is trained, in which order, and the names of its files."""

from __future__ import annotations

from typing import Literal, get_args

from kbbench.baselines.config import Boosting, GridNetConfig, baseline, boosted, large, small
from kbbench.models.contract import Task

Stage = Literal["small", "small2", "baseline", "distilled", "large", "boosted", "film", "output"]
STAGES: tuple[Stage, ...] = get_args(Stage)
BOOSTINGS: dict[str, Boosting] = {"boosted": "attention", "film": "film", "output": "output"}
"""Stages that take hints, and how."""
ENSEMBLE: tuple[Stage, Stage] = ("small", "small2")
"""Stages of one shape, trained from different seeds, whose mean is an ensemble."""
TAUGHT = ("distilled", *BOOSTINGS)
"""Stages that need a trained large network."""


def stage_config(stage: Stage, task: Task, remote: GridNetConfig | None = None) -> GridNetConfig:
    """The network of a stage; ``remote`` is the large one's, for a stage that takes its hints.

    Raises:
        ValueError: a stage that takes hints, without a remote.
    """
    if stage in BOOSTINGS:
        if remote is None:
            raise ValueError(f"stage {stage!r} takes hints; give the large network's configuration")
        return boosted(task, BOOSTINGS[stage], remote)
    if stage == "large":
        return large(task) if remote is None else remote
    return baseline(task) if stage == "baseline" else small(task)


def grown_from(stage: Stage) -> tuple[Stage, ...]:
    """Other stages without hints, as which a stage may begin.

    A second small one that begins as the first makes a snapshot ensemble (Huang et al., "Snapshot
    ensembles: train 1, get M for free", ICLR 2017). The boosted one is larger than the small one,
    and begins as the baseline, with the recurrent units of it that there is room for.

    >>> grown_from("boosted"), grown_from("film"), grown_from("distilled"), grown_from("large")
    (('baseline',), ('small', 'small2', 'distilled'), ('small', 'small2'), ())
    """
    if stage == "boosted":
        return ("baseline",)
    if stage in BOOSTINGS:
        return (*ENSEMBLE, "distilled")
    return {"distilled": ENSEMBLE, "small2": ENSEMBLE[:1]}.get(stage, ())


def weights_name(stage: str, delay_chunks: int | None = None, remote: bool = False) -> str:
    """A stage's weights: for every delay, or trained for one, such as ``boosted@6``.

    >>> weights_name("boosted", 6, remote=True)
    'boosted@6.remote.safetensors'
    """
    delay = "" if delay_chunks is None else f"@{delay_chunks}"
    return f"{stage}{delay}{'.remote' if remote else ''}.safetensors"
