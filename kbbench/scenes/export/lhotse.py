"""Lhotse manifests, one set of files a split, written without Lhotse.

``NAME_recordings_SPLIT.jsonl.gz``, ``NAME_supervisions_SPLIT.jsonl.gz`` and
``NAME_cuts_SPLIT.jsonl.gz``, where NAME is the recipe's: what
``lhotse.recipes.utils.read_manifests_if_cached`` looks for.

Source: https://lhotse.readthedocs.io (Recording, SupervisionSegment, MultiCut and their JSONL).
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from kbbench.scenes.export.base import Export, Files, Item, Stem
from kbbench.scenes.plan import Clip, SourcePlan
from kbbench.units import SAMPLE_RATE

FACTS = ("rt60_s", "level_lufs", "peak_dbfs", "sir_db", "snr_db", "head", "noise_kind")
"""Columns of the manifest that each cut carries, where they have a value."""
GZIP = 16 + zlib.MAX_WBITS
"""What zlib calls a gzip file."""
UNALIGNED = "enrollment"
"""The stem whose time is not the mixture's; Lhotse takes others to be cut together with it."""


def lhotse_files(export: Export) -> Files:
    """Recordings, supervisions and cuts of every split.

    - A recording is one sound file: ``test-00017-mixture``, ``test-00017-source-0`` and so on.
    - A supervision is one utterance of a talker in a mixture, or the enrollment. Times are those of
      the dry utterance; at the ears it comes later by its way and rings on.
    - A cut is a whole mixture with its supervisions; every other sound file is a custom recording
      of it: ``cut.load_source_0()``, ``cut.load_noise()``, ``cut.load_enrollment()``. The last is
      marked as unaligned: it stays whole where a cut is cut further.
    """
    name = export.dataset.header.recipe.name
    for split in export.splits:
        for kind, describe in (
            ("recordings", _recordings),
            ("supervisions", _supervisions),
            ("cuts", _cuts),
        ):
            entries = (entry for item in export.items(split) for entry in describe(item))
            yield f"{name}_{kind}_{split}.jsonl.gz", _jsonl_gz(entries)


def _jsonl_gz(entries: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """One entry a line, packed; no time and no name in the header, so that bytes repeat."""
    packer = zlib.compressobj(wbits=GZIP)
    for entry in entries:
        yield packer.compress(json.dumps(entry, ensure_ascii=False, allow_nan=False).encode())
        yield packer.compress(b"\n")
    yield packer.flush()


def _recordings(item: Item) -> list[dict[str, Any]]:
    return [_recording(item, stem) for stem in item.stems.values()]


def _recording(item: Item, stem: Stem) -> dict[str, Any]:
    channels = list(range(stem.channels))
    return {
        "id": f"{item.name}-{stem.name}",
        "sources": [{"type": "file", "channels": channels, "source": stem.path}],
        "sampling_rate": SAMPLE_RATE,
        "num_samples": stem.samples,
        "duration": stem.samples / SAMPLE_RATE,
        "channel_ids": channels,
    }


def _supervisions(item: Item) -> list[dict[str, Any]]:
    enrollment = [
        _supervision(item, item.stems["enrollment"], 0, number, clip)
        for number, clip in enumerate(item.plan.enrollment)
    ]
    return _spoken(item) + enrollment


def _spoken(item: Item) -> list[dict[str, Any]]:
    """Each talker's utterances in the mixture."""
    return [
        _supervision(item, item.stems["mixture"], talker, number, clip)
        | {"custom": _place(item, talker, source, clip)}
        for talker, source in enumerate(item.plan.talkers)
        for number, clip in enumerate(source.clips)
    ]


def _supervision(item: Item, stem: Stem, talker: int, number: int, clip: Clip) -> dict[str, Any]:
    recording = f"{item.name}-{stem.name}"
    return {
        "id": f"{recording}-talker-{talker}-{number}",
        "recording_id": recording,
        "start": clip.onset / SAMPLE_RATE,
        "duration": clip.samples / SAMPLE_RATE,
        "channel": list(range(stem.channels)) if stem.channels > 1 else 0,
        "speaker": item.plan.talkers[talker].name,
        "custom": {"utterance": clip.id},
    }


def _place(item: Item, talker: int, source: SourcePlan, clip: Clip) -> dict[str, Any]:
    return {
        "utterance": clip.id,
        "reference": _field(item.talkers[talker].name),
        "wanted": talker < item.plan.wanted,
        "azimuth_deg": source.azimuth_deg,
        "distance_m": source.distance_m,
    }


def _cuts(item: Item) -> list[dict[str, Any]]:
    mixture = item.stems["mixture"]
    others = {
        _field(stem.name): _recording(item, stem)
        for stem in item.stems.values()
        if stem is not mixture
    }
    unaligned = {f"{UNALIGNED}_unaligned": True} if UNALIGNED in item.stems else {}
    cut = {
        "id": item.name,
        "start": 0,
        "duration": mixture.samples / SAMPLE_RATE,
        "channel": list(range(mixture.channels)),
        "supervisions": _spoken(item),
        "recording": _recording(item, mixture),
        "custom": others | unaligned | _facts(item),
        "type": "MultiCut",
    }
    return [cut]


def _field(stem: str) -> str:
    """A stem's name as an attribute of the cut."""
    return stem.replace("-", "_")


def _facts(item: Item) -> dict[str, Any]:
    found = {name: item.mixture.row.get(name) for name in FACTS}
    return {
        name: value
        for name, value in found.items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }
