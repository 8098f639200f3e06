"""Proof that a dataset folder is what its plan says: hashes, sums, levels, rooms, disjointness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from kbbench.audio import Pcm, pcm_sha256
from kbbench.errors import InputError
from kbbench.pool import Progress, process_map
from kbbench.scenes.dataset import MANIFEST, Dataset, manifest_hashes
from kbbench.scenes.field import reverberation_time_s
from kbbench.scenes.plan import Disjoint, MixturePlan, PlanHash
from kbbench.scenes.render import measure
from kbbench.scenes.room import energy_decay
from kbbench.scenes.store import Store
from kbbench.scenes.tables import row_count

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


_Job = tuple[Store, MixturePlan, dict[str, Any]]


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
    tables = _Tables(dataset)
    total = row_count(folder / MANIFEST)
    mixtures, files, rt60_error = 0, 0, 0.0
    findings: list[str] = []
    for checked in process_map(_check_mixture, tables.jobs(), workers):
        mixtures, files = mixtures + 1, files + checked.files
        findings += checked.findings
        rt60_error = max(rt60_error, checked.rt60_error)
        progress(mixtures, total)
    return Verdict(mixtures, files, (*tables.findings, *sorted(findings)), rt60_error)


class _Tables:
    """Plan and manifest, side by side and a row at a time; ``findings`` are there at the end."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._disjoint = Disjoint()
        self.findings: tuple[str, ...] = ()

    def jobs(self) -> Iterator[_Job]:
        """Every mixture that is in both, in the same place."""
        header, store = self._dataset.header, self._dataset.store
        digest, alike, shared = PlanHash(), True, ""
        for plan, row in zip_longest(self._dataset.iter_plan(), self._dataset.iter_rows()):
            if plan is not None:
                digest.add(plan)
                shared = shared or self._shared(plan)
            if plan is None or row is None or plan.id != row["id"]:
                alike = False
                continue
            yield store, plan, row
        said = {
            "plan.parquet: does not match dataset.json": digest.sha256 == header.plan_sha256,
            "dataset.json: the recipe does not match its hash": (
                header.recipe.sha256 == header.recipe_sha256
            ),
            "manifest.parquet: its mixtures are not those of plan.parquet": alike,
            shared: not shared,
        }
        self.findings = tuple(finding for finding, well in said.items() if not well)

    def _shared(self, plan: MixturePlan) -> str:
        try:
            self._disjoint.add(plan)
        except InputError as error:
            return str(error)
        return ""


def _check_mixture(job: _Job) -> _Checked:
    store, plan, row = job
    stems, findings = _read(store, plan, manifest_hashes(row))
    if not findings:
        findings += _check_sum(store, plan, stems)
        findings += _check_levels(plan, stems, row)
    rt60_error = _rt60_error(plan)
    if rt60_error > RT60_TOLERANCE:
        findings.append(
            f"{plan.id}: the room's reverberation time is off its plan by {rt60_error:.0%}"
        )
    return _Checked(len(stems), tuple(findings), rt60_error)


def _read(
    store: Store, plan: MixturePlan, hashes: dict[str, str]
) -> tuple[dict[str, Pcm], list[str]]:
    stems, findings = {}, []
    for name, sha256 in hashes.items():
        label = f"{plan.id}: {store.label(plan.id, name)}"
        if not store.has(plan.id, name):
            findings.append(f"{label} is missing")
            continue
        try:
            stems[name] = store.read(plan.id, name)
        except InputError:
            findings.append(f"{label} is damaged")
            continue
        if pcm_sha256(stems[name]) != sha256:
            findings.append(f"{label} does not match its hash in the manifest")
    scene = store.scene(plan.id)
    if scene is None:
        findings.append(f"{plan.id}: {store.scene_label(plan.id)} is missing or damaged")
    elif scene["sha256"] != hashes:
        findings.append(f"{plan.id}: {store.scene_label(plan.id)} does not match the manifest")
    return stems, findings


def _check_sum(store: Store, plan: MixturePlan, stems: dict[str, Pcm]) -> list[str]:
    parts = [stem.astype(np.int64) for name, stem in stems.items() if name not in NO_PART]
    if np.array_equal(np.sum(parts, axis=0), stems["mixture"]):
        return []
    return [f"{plan.id}: {store.label(plan.id, 'mixture')} is not the sum of its parts"]


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
