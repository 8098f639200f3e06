"""From a plan to files: what a worker does with one unit of a dataset, a folder or a tar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kbbench.audio import flac_bytes
from kbbench.corpora import Corpus
from kbbench.scenes.plan import MixturePlan, plan_hash
from kbbench.scenes.render import render, stem_hashes
from kbbench.scenes.store import Packed, Store

Job = tuple[Store, Sequence[tuple[MixturePlan, Corpus]]]
"""The mixtures of one unit, in order, each with the part of the corpus that it needs."""


def make_unit(job: Job) -> int:
    """Render what is not already there and whole; returns the number of mixtures."""
    store, mixtures = job
    ids = [plan.id for plan, _ in mixtures]
    store = store.with_leftovers(ids[0])
    whole = {plan.id for plan, _ in mixtures if store.holds(plan.id, plan_hash([plan]))}
    if len(whole) < len(ids) or not store.settled(ids):

        def every() -> Iterator[tuple[str, Packed | None]]:
            for plan, corpus in mixtures:
                yield plan.id, None if plan.id in whole else pack(plan, corpus)

        store.write(every())
    return len(ids)


def pack(plan: MixturePlan, corpus: Corpus) -> Packed:
    """A mixture, rendered, with its row of the manifest."""
    scene = render(plan, corpus)
    row = {
        "id": plan.id,
        "plan_sha256": plan_hash([plan]),
        **_facts(plan),
        **scene.measured,
        "sha256": stem_hashes(scene.stems),
    }
    return Packed(row, {name: flac_bytes(pcm) for name, pcm in scene.stems.items()})


def _facts(plan: MixturePlan) -> dict[str, Any]:
    """What of the plan a reader of the manifest wants at hand."""
    length, width, height = plan.room_m
    return {
        "split": plan.split,
        "index": plan.index,
        "samples": plan.samples,
        "head": plan.head,
        "rt60_s": plan.rt60_s,
        "room_length_m": length,
        "room_width_m": width,
        "room_height_m": height,
        "talkers": [source.name for source in plan.talkers],
        "azimuths_deg": [source.azimuth_deg for source in plan.talkers],
        "distances_m": [source.distance_m for source in plan.talkers],
        "noise_kind": plan.noises[0].kind if plan.noises else None,
        "noise_sources": len(plan.noises),
    }
