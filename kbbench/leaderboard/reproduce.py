"""Run a sample of a submission again, and say how far its scores are from those submitted.

Which mixtures is drawn from the submission's own hash, so that nobody can choose them.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError

from kbbench import __version__, evaluation
from kbbench.cost.hardware import hardware
from kbbench.cost.result import Hardware
from kbbench.errors import InputError, one_line
from kbbench.files import write_asked
from kbbench.leaderboard.scores import KEYS
from kbbench.leaderboard.strict import read_json
from kbbench.leaderboard.submission import SUFFIX, Submission
from kbbench.leaderboard.tracks import SCORED_CONDITIONS
from kbbench.pool import Progress
from kbbench.results.figure import Part
from kbbench.results.ranking import UNPROCESSED
from kbbench.rng import Stream
from kbbench.scenes.recipe import canonical_json
from kbbench.units import OFFICIAL_DELAYS

MIXTURES = 12
"""That are run again unless told otherwise."""
TOLERANCES = {
    "si_sdr": 0.05,
    "sdr": 0.05,
    "snr": 0.05,
    "pesq_wb": 0.02,
    "stoi": 0.002,
    "estoi": 0.002,
    "ild_error_db": 0.05,
    "itd_error_us": 5.0,
    "wrong_talker": 0.0,
}
"""How far a score may be off on another machine, in the metric's unit: less than anybody hears,
and than what ranks two rows apart."""
CONDITIONS = (UNPROCESSED, "small", "large", *SCORED_CONDITIONS)


class Reproduction(Part):
    """What came of it: the file that the badge rests on.

    Args:
        submission_sha256: of the submission, as it was.
        mixtures: that were run again.
        scores: that were compared.
        differences: the largest, by metric.
        off: scores that are farther off than the tolerance allows.
        same_model: file, imports and weights have the hashes that were submitted.
        on: what it was run on.
    """

    format: Literal[1] = 1
    kbbench: str
    submission_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    date: datetime.date
    mixtures: tuple[str, ...] = Field(min_length=1)
    scores: int = Field(ge=1)
    differences: dict[str, float]
    tolerances: dict[str, float]
    off: int = Field(ge=0)
    same_model: bool
    on: Hardware

    @property
    def reproduced(self) -> bool:
        """The same model gave the same scores."""
        return self.same_model and self.off == 0


def reproduce(
    submission: Submission,
    model: Path,
    data: Path,
    *,
    mixtures: int = MIXTURES,
    workers: int = 1,
    batch_size: int = 8,
    progress: Progress = lambda done, total: None,
) -> Reproduction:
    """Run a sample again.

    Args:
        submission: whose scores are in question.
        model: the file that it was made with.
        data: the dataset folder, made from the same recipe.
        mixtures: so many of its mixtures.
        workers: processes.
        batch_size: mixtures at a time.
        progress: told after each batch.

    Raises:
        InputError: other data, or more mixtures than there are.
        ModelError: the model raised or broke the contract.
    """
    said = submission.summary
    run = evaluation.prepare(model, data, said.data.split, OFFICIAL_DELAYS)
    found = run.facts_of_data()
    if found.data_sha256 != said.data.data_sha256:
        raise InputError(
            f"{data}: its data is {str(found.data_sha256)[:16]}, the submission's is "
            f"{str(said.data.data_sha256)[:16]}; make {said.data.recipe} version "
            f"{said.data.recipe_version} with `kbbench make-data`"
        )
    chosen = _sample(submission, mixtures)
    ids = tuple(run.mixtures[index].id for index in chosen)
    now = evaluation.score_some(run, chosen, workers, batch_size, progress)
    differences, off, count = _compare(now[now["mixture"].isin(ids)], submission)
    triple = run.facts_of_triple(0)
    hashes = ("file_sha256", "files_sha256", "imports_sha256", "weights_sha256")
    return Reproduction(
        kbbench=__version__,
        submission_sha256=submission.sha256,
        date=datetime.datetime.now(datetime.UTC).date(),
        mixtures=ids,
        scores=count,
        differences=differences,
        tolerances={name: TOLERANCES[name] for name in differences},
        off=off,
        same_model=all(getattr(triple, name) == getattr(said.triple, name) for name in hashes),
        on=hardware(),
    )


def write_reproduction(found: Reproduction, submission: Submission, folder: Path) -> Path:
    """Write what came of it under the submission's name; the last one stands."""
    path = folder / (submission.slug + SUFFIX)
    write_asked(path, canonical_json(found.model_dump(mode="json")) + "\n")
    return path


def read_reproductions(folder: Path) -> dict[str, Reproduction]:
    """Those of a folder, by the hash of their submission; none where there is no folder.

    Raises:
        InputError: a file is no reproduction.
    """
    found: dict[str, Reproduction] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        try:
            one = Reproduction.model_validate_json(canonical_json(read_json(path)))
        except ValidationError as error:
            raise InputError(f"{path}: no reproduction ({one_line(error)[:120]})") from error
        found[one.submission_sha256] = one
    return found


def _sample(submission: Submission, mixtures: int) -> list[int]:
    """Indices of mixtures, drawn from the submission's hash."""
    count = submission.scores.mixtures
    if not 1 <= mixtures <= count:
        raise InputError(f"{mixtures} mixtures to run again, expected 1 to {count}")
    order = np.argsort(Stream("reproduce", submission.sha256).units(count))
    return sorted(int(index) for index in order[:mixtures])


def _compare(now: pd.DataFrame, submission: Submission) -> tuple[dict[str, float], int, int]:
    """Largest difference by metric, scores off by more than allowed, and scores compared.

    A score that only one of the two has a value for is off by more than any tolerance allows.
    """
    keys = ["condition", *KEYS]
    names = [name for name in TOLERANCES if name in submission.scores.metrics and name in now]
    said = submission.scores.frame(names, CONDITIONS).set_index(keys)
    mine = now[now["condition"].isin(CONDITIONS)].set_index(keys)[names].astype(float)
    theirs = said.loc[mine.index]
    largest: dict[str, float] = {}
    off = 0
    for name, tolerance in _widened(names, submission).items():
        first, second = mine[name].to_numpy(), theirs[name].to_numpy()
        alone = np.isnan(first) != np.isnan(second)
        gaps = np.abs(first - second)
        largest[name] = round(float(np.nanmax(gaps)) if np.isfinite(gaps).any() else 0.0, 6)
        off += int(alone.sum() + (gaps > tolerance).sum())
    return largest, off, len(mine) * len(names)


def _widened(names: list[str], submission: Submission) -> Mapping[str, float]:
    """Tolerances, and half a step of rounding."""
    steps = submission.scores.metrics
    return {name: TOLERANCES[name] + steps[name].step / 2 for name in names}
