"""What a dataset will cost before it is made: a sample of its mixtures, made and thrown away."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kbbench.corpora import Corpus, load_corpora
from kbbench.files import write_bytes
from kbbench.pool import Progress, process_map
from kbbench.scenes.pack import pack
from kbbench.scenes.plan import MixturePlan, recording_ids
from kbbench.scenes.recipe import SPLITS, Recipe
from kbbench.scenes.sampling import plan_mixture
from kbbench.scenes.store import Storage
from kbbench.scenes.tar import stored_bytes
from kbbench.units import SAMPLE_RATE

SAMPLED = 128
"""Mixtures that are rendered for the estimate: their second half gives the pace, the first half
reads heads and rooms that later ones find read."""
ROW_BYTES = 3500
"""Of plan, manifest and ``scene.json``, a mixture; measured on the mini sets."""


@dataclass(frozen=True)
class Estimate:
    """What the whole dataset will be.

    Args:
        mixtures: in all splits.
        audio_h: hours of mixture.
        size_bytes: on disk.
        time_s: to make it with so many workers on this machine, as busy as it is now.
    """

    mixtures: int
    audio_h: float
    size_bytes: int
    time_s: float


def estimate_dataset(
    recipe: Recipe,
    workers: int,
    progress: Progress = lambda done, total: None,
    folders: Mapping[str, Path] | None = None,
    storage: Storage = "flac",
) -> Estimate:
    """Make a sample spread evenly over all splits, in the system's folder for temporary files.

    Args:
        recipe: what would be made.
        workers: processes.
        progress: told after each sampled mixture.
        folders: of each corpus that does not come with kbbench, by name.
        storage: how its files would be kept.

    Raises:
        InputError: as making it would raise.
    """
    corpus = load_corpora(recipe.corpora, folders)
    every = [(split, index) for split in SPLITS for index in range(getattr(recipe.splits, split))]
    count = min(SAMPLED, len(every))
    spread = [every[place * len(every) // count] for place in range(count)]
    chosen = spread[0::2] + spread[1::2]  # each half meets all splits
    planned = time.perf_counter()
    rows = [plan_mixture(recipe, corpus, split, index) for split, index in chosen]
    plan_s = time.perf_counter() - planned
    jobs = [(row, storage, corpus.only(recording_ids(row), row.head)) for row in rows]
    started = time.perf_counter()
    ends, sizes = [], []
    for size in process_map(_size, jobs, workers):
        sizes.append(size)
        ends.append(time.perf_counter() - started)
        progress(len(sizes), count)
    # What comes before the second half is paid once: processes start, heads and rooms are read.
    first = (count + 1) // 2
    pace_s = (ends[-1] - ends[first - 1]) / (count - first) if count > 1 else sum(ends)
    start_s = max(ends[first - 1] - first * pace_s, 0.0) if count > 1 else 0.0
    samples = sum(row.samples for row in rows)
    share = len(every) / count if count else 0.0
    return Estimate(
        mixtures=len(every),
        audio_h=share * samples / SAMPLE_RATE / 3600,
        size_bytes=round(share * sum(sizes)) + len(every) * ROW_BYTES,
        time_s=start_s + share * plan_s + len(every) * pace_s,
    )


def _size(job: tuple[MixturePlan, Storage, Corpus]) -> int:
    plan, storage, corpus = job
    files = pack(plan, corpus).stems
    with TemporaryDirectory() as folder:
        for name, data in files.items():
            write_bytes(Path(folder) / name, data)
    sizes = [len(data) for data in files.values()]
    return stored_bytes(sizes) if storage == "tar" else sum(sizes)
