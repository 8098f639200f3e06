"""Mixtures rendered once more, on this machine, beside what is on disk.

Floating point may differ in its last bit from one platform to another, and with it, now and then,
a rounded sample. Such a mixture is equivalent, within so many dB, and is never called identical.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kbbench.audio import Pcm, decibels, pcm_sha256, power, to_float
from kbbench.corpora import Corpus, load_corpora
from kbbench.errors import InputError
from kbbench.pool import Progress, process_map
from kbbench.scenes.dataset import MANIFEST, Dataset
from kbbench.scenes.plan import MixturePlan, recording_ids
from kbbench.scenes.render import render
from kbbench.scenes.store import Store
from kbbench.scenes.tables import row_count

EQUIVALENT_DB = -50.0
"""Difference to a stem, in its own level, up to which another platform may be the reason: every
sample of a talker at -40 dB of full scale rounded the other way. A gain that is 0.03 dB off, or one
wrong reflection, is as large."""


@dataclass(frozen=True)
class Rendered:
    """What came of rendering again.

    Args:
        identical: mixtures that are the same to the bit.
        equivalent: those that differ by no more than ``EQUIVALENT_DB``.
        different: all others.
        difference_db: the largest one of an equivalent mixture, relative to the stem's level.
        findings: what is wrong, a line each.
    """

    identical: int
    equivalent: int
    different: int
    difference_db: float
    findings: tuple[str, ...]


def render_again(
    folder: Path,
    count: int,
    workers: int,
    progress: Progress = lambda done, total: None,
    folders: Mapping[str, Path] | None = None,
) -> Rendered:
    """Render mixtures from plan and corpus, and compare them with a dataset's; nothing is changed.

    Args:
        folder: a complete dataset.
        count: how many, spread evenly; all where there are no more.
        workers: processes.
        progress: told after each mixture.
        folders: of each corpus that does not come with kbbench, by name.

    Raises:
        InputError: no complete dataset, or a corpus of it cannot be used.
    """
    dataset = Dataset.open(folder)
    corpus = load_corpora(dataset.header.recipe.corpora, folders)
    findings = []
    if corpus.sha256 != dataset.header.corpus_sha256:
        findings.append(
            f"corpus {corpus.name}: its hash is {corpus.sha256[:16]}, dataset.json says "
            f"{dataset.header.corpus_sha256[:16]}; the dataset was made from another one"
        )
    total = row_count(folder / MANIFEST)
    count = min(count, total)
    chosen = {place * total // count for place in range(count)}
    identical = equivalent = different = 0
    worst_db = -math.inf
    for result in process_map(_compare, _jobs(dataset, corpus, chosen), workers):
        if result.finding:
            different += 1
            findings.append(result.finding)
        elif result.difference_db == -math.inf:
            identical += 1
        else:
            equivalent += 1
            worst_db = max(worst_db, result.difference_db)
        progress(identical + equivalent + different, count)
    return Rendered(identical, equivalent, different, worst_db, tuple(sorted(findings)))


_Job = tuple[Store, MixturePlan, Corpus | None]


@dataclass(frozen=True)
class _Result:
    """Of one mixture: what is wrong, or else the largest difference."""

    finding: str
    difference_db: float = -math.inf


def _jobs(dataset: Dataset, corpus: Corpus, chosen: set[int]) -> Iterator[_Job]:
    store = dataset.store
    known = corpus.utterance_by_id.keys() | corpus.noise_by_id.keys()
    for place, plan in enumerate(dataset.iter_plan()):
        if place in chosen:
            ids = recording_ids(plan)
            there = ids <= known and plan.head in corpus.head_by_id
            yield store, plan, corpus.only(ids, plan.head) if there else None


def _compare(job: _Job) -> _Result:
    store, plan, corpus = job
    if corpus is None:
        return _Result(f"{plan.id}: a recording or head of it is not in the corpus")
    worst, where = -math.inf, ""
    for stem, again in render(plan, corpus).stems.items():
        label = f"{plan.id}: {store.label(plan.id, stem)}"
        try:
            stored = store.read(plan.id, stem)
        except InputError:
            return _Result(f"{label} is missing or damaged, so not compared")
        difference = difference_db(stored, again)
        if difference > worst:
            worst, where = difference, label
    if worst > EQUIVALENT_DB:
        return _Result(
            f"{where} differs from what is rendered here by {worst:.1f} dB of its level, "
            f"expected at most {EQUIVALENT_DB:g} dB"
        )
    return _Result("", worst)


def difference_db(stored: Pcm, again: Pcm) -> float:
    """Power of the difference of two stems (channels, samples) over that of the second, in dB.

    -inf where they are the same; inf where their shapes differ, or the second alone is silent.
    """
    if stored.shape != again.shape:
        return math.inf
    if pcm_sha256(stored) == pcm_sha256(again):
        return -math.inf
    level = power(to_float(again))
    return decibels(power(to_float(stored) - to_float(again)) / level) if level else math.inf
