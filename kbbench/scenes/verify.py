"""Proof that a dataset folder is what its plan says: hashes, sums, levels, rooms, disjointness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kbbench.audio import Pcm, pcm_sha256, read_pcm
from kbbench.errors import InputError
from kbbench.pool import Progress, process_map
from kbbench.scenes.dataset import Dataset, manifest_hashes
from kbbench.scenes.field import reverberation_time_s
from kbbench.scenes.plan import MixturePlan, check_disjoint, plan_hash
from kbbench.scenes.render import measure
from kbbench.scenes.room import energy_decay

LEVEL_TOLERANCE_DB = 0.1
"""Between planned and measured SNR, SIR, loudness; 16-bit rounding moves them by less."""
MEASURED_DIGITS_DB = 0.0015
"""Between the manifest's three decimals and a measurement of the same samples."""
RT60_TOLERANCE = 0.10
"""Between planned and computed T30 at one place, as a share. Over a room's places T30 is as
planned; at one of them it is within 5 % mostly, and was within 8 % at all of 700."""
NO_PART = ("mixture", "enrollment")
"""Stems that are not added up to the mixture."""


@dataclass(frozen=True)
class Verdict:
    """What was looked at, and everything that is wrong, a line each.

    Args:
        mixtures: looked at.
        files: read and hashed.
        findings: empty where all is as planned.
        rt60_error: the largest share by which a room's reverberation time is off its plan.
    """

    mixtures: int
    files: int
    findings: tuple[str, ...]
    rt60_error: float


@dataclass(frozen=True)
class _Checked:
    files: int
    findings: tuple[str, ...]
    rt60_error: float


def verify_dataset(
    folder: Path, workers: int, progress: Progress = lambda done, total: None
) -> Verdict:
    """Check a complete dataset folder; nothing is changed.

    Args:
        folder: made by :func:`kbbench.scenes.make.make_dataset`.
        workers: processes.
        progress: told after each mixture.

    Raises:
        InputError: it is no dataset, or incomplete, or its plan or manifest cannot be read.
    """
    dataset = Dataset.open(folder)
    plan = dataset.plan
    findings = []
    if plan_hash(plan) != dataset.header.plan_sha256:
        findings.append("plan.parquet: does not match dataset.json")
    if dataset.header.recipe.sha256 != dataset.header.recipe_sha256:
        findings.append("dataset.json: the recipe does not match its hash")
    if [row.id for row in plan] != [row["id"] for row in dataset.rows]:
        findings.append("manifest.parquet: its mixtures are not those of plan.parquet")
    try:
        check_disjoint(plan)
    except InputError as error:
        findings.append(str(error))
    rows = {row["id"]: row for row in dataset.rows}
    jobs = [(folder, row, rows[row.id]) for row in plan if row.id in rows]
    checked: list[_Checked] = []
    for result in process_map(_check_mixture, jobs, workers):
        checked.append(result)
        progress(len(checked), len(jobs))
    findings += sorted(finding for item in checked for finding in item.findings)
    return Verdict(
        mixtures=len(checked),
        files=sum(item.files for item in checked),
        findings=tuple(findings),
        rt60_error=max((item.rt60_error for item in checked), default=0.0),
    )


def _check_mixture(job: tuple[Path, MixturePlan, dict[str, Any]]) -> _Checked:
    folder, plan, row = job
    stems, findings = _read(folder / plan.id, plan, manifest_hashes(row))
    if not findings:
        findings += _check_sum(plan, stems)
        findings += _check_levels(plan, stems, row)
    rt60_error = _rt60_error(plan)
    if rt60_error > RT60_TOLERANCE:
        findings.append(
            f"{plan.id}: the room's reverberation time is off its plan by {rt60_error:.0%}"
        )
    return _Checked(len(stems), tuple(findings), rt60_error)


def _read(
    folder: Path, plan: MixturePlan, hashes: dict[str, str]
) -> tuple[dict[str, Pcm], list[str]]:
    stems, findings = {}, []
    for name, sha256 in hashes.items():
        path = folder / f"{name}.flac"
        if not path.is_file():
            findings.append(f"{plan.id}: {name}.flac is missing")
            continue
        try:
            stems[name] = read_pcm(path)
        except InputError:
            findings.append(f"{plan.id}: {name}.flac is damaged")
            continue
        if pcm_sha256(stems[name]) != sha256:
            findings.append(f"{plan.id}: {name}.flac does not match its hash in the manifest")
    return stems, findings


def _check_sum(plan: MixturePlan, stems: dict[str, Pcm]) -> list[str]:
    parts = [stem.astype(np.int64) for name, stem in stems.items() if name not in NO_PART]
    if np.array_equal(np.sum(parts, axis=0), stems["mixture"]):
        return []
    return [f"{plan.id}: mixture.flac is not the sum of its parts"]


def _check_levels(plan: MixturePlan, stems: dict[str, Pcm], row: dict[str, Any]) -> list[str]:
    measured = measure(stems)
    findings = [
        f"{plan.id}: {name} is {value}, the manifest says {row.get(name)}"
        for name, value in measured.items()
        if not abs(value - (row.get(name) or 0.0)) <= MEASURED_DIGITS_DB
    ]
    planned = {}
    if plan.snr_db is not None:
        planned["snr_db"] = plan.snr_db
    if len(plan.sir_db) == 1:
        planned["sir_db"] = plan.sir_db[0]
    # Where the peak limit bites, a mixture is quieter than planned, and never louder.
    if measured["level_lufs"] > plan.level_lufs:
        planned["level_lufs"] = plan.level_lufs
    findings += [
        f"{plan.id}: {name} is {measured[name]}, planned {value}"
        for name, value in planned.items()
        if abs(measured[name] - value) > LEVEL_TOLERANCE_DB
    ]
    if measured["peak_dbfs"] > plan.peak_dbfs + LEVEL_TOLERANCE_DB:
        findings.append(f"{plan.id}: peak {measured['peak_dbfs']} dBFS, limit {plan.peak_dbfs}")
    return findings


def _rt60_error(plan: MixturePlan) -> float:
    """By how much T30 at the head's centre is off the plan, for the first talker."""
    if not plan.rt60_s:
        return 0.0
    decay = energy_decay(plan.room_m, plan.rt60_s, plan.listener_m, plan.talkers[0].position_m)
    return abs(reverberation_time_s(*decay) / plan.rt60_s - 1)
