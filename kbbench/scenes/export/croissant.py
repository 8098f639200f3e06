"""MLCommons Croissant 1.0: what the dataset's tables are, for machines.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html; the context is the one
that it prescribes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pyarrow import parquet, types

from kbbench.scenes.dataset import HEADER, MANIFEST, PLAN, Dataset

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
TERMS = (
    "citeAs column data dataBiases dataCollection equivalentProperty examples extract field "
    "fileProperty fileObject fileSet format includes isLiveDataset jsonPath key md5 parentField "
    "path personalSensitiveInformation recordSet references regex repeated replace samplingRate "
    "separator source subField transform"
)
"""Terms of the context that stand for themselves under ``cr:``."""
JSON_TERMS = ("data", "examples")
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{
        term: {"@id": f"cr:{term}", "@type": "@json"} if term in JSON_TERMS else f"cr:{term}"
        for term in TERMS.split()
    },
}
FILES = {
    MANIFEST: ("One row a mixture, with hashes and measures.", "application/x-parquet"),
    PLAN: ("One row a mixture, with everything that was drawn.", "application/x-parquet"),
    HEADER: ("Recipe, hashes, versions, licence and attribution.", "application/json"),
}
"""Description and media type of each file that is listed."""
FIELDS = {
    "id": "SPLIT/INDEX, by which the mixture's FLAC files are named.",
    "plan_sha256": "SHA-256 of the mixture's plan.",
    "split": "train, validation or test.",
    "index": "Number of the mixture in its split.",
    "samples": "Length in samples at 16 kHz.",
    "head": "Head whose responses were used.",
    "rt60_s": "Reverberation time in seconds; 0 in free field.",
    "room_length_m": "Length of the room in metres.",
    "room_width_m": "Width of the room in metres.",
    "room_height_m": "Height of the room in metres.",
    "talkers": "Names of the talkers, wanted ones first.",
    "azimuths_deg": "Azimuth of each talker, counter-clockwise from straight ahead, in degrees.",
    "distances_m": "Distance of each talker from the head in metres.",
    "noise_kind": "recording, babble or speech-shaped; missing where there is no noise.",
    "noise_sources": "Number of point sources of noise.",
    "level_lufs": "Loudness of the mixture (ITU-R BS.1770) in LUFS.",
    "peak_dbfs": "Peak of the mixture in dB of full scale.",
    "sir_db": "Level of talker 0 over all other talkers at the ears, in dB.",
    "snr_db": "Level of all talkers over the noise at the ears, in dB.",
}
"""What each column of the manifest is; those named ``sha256.STEM`` aside."""


def croissant(dataset: Dataset) -> dict[str, Any]:
    """JSON-LD that describes a dataset; its files are named as lying beside it."""
    header = dataset.header
    recipe = header.recipe
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": f"kbbench-{recipe.name}",
        "description": (
            f"{recipe.summary}. Binaural mixtures at 16 kHz for the task {recipe.task}, made by "
            f"kbbench {header.kbbench}; recipe {header.recipe_sha256}, plan {header.plan_sha256}, "
            f"data {header.data_sha256}."
        ),
        "version": f"{recipe.version}.0.0",
        "license": header.licence,
        "creditText": header.attribution,
        "isLiveDataset": False,
        "keywords": ["audio", "binaural", "speech", recipe.task, "knowledge boosting"],
        "distribution": [_file(dataset.folder, name) for name in FILES],
        "recordSet": [_record_set(dataset)],
    }


def _file(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    description, media_type = FILES[name]
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": description,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": media_type,
        "sha256": sha256,
    }


def _record_set(dataset: Dataset) -> dict[str, Any]:
    schema = parquet.read_schema(dataset.folder / MANIFEST)
    return {
        "@type": "cr:RecordSet",
        "@id": "mixtures",
        "name": "mixtures",
        "description": "The manifest: one row a mixture.",
        "key": {"@id": "mixtures/id"},
        "field": [_field(column.name, column.type) for column in schema],
    }


def _field(column: str, kind: Any) -> dict[str, Any]:
    repeated = types.is_list(kind) or types.is_large_list(kind)
    described = (
        f"SHA-256 of the samples of {column.removeprefix('sha256.')}.flac: 16 bits, interleaved."
        if column.startswith("sha256.")
        else FIELDS.get(column, column)
    )
    return {
        "@type": "cr:Field",
        "@id": f"mixtures/{column}",
        "name": column,
        "description": described,
        "dataType": _data_type(kind.value_type if repeated else kind),
        **({"repeated": True} if repeated else {}),
        "source": {"fileObject": {"@id": MANIFEST}, "extract": {"column": column}},
    }


def _data_type(kind: Any) -> str:
    """A column's type; one without any value is taken for text, which it is elsewhere."""
    if types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if types.is_floating(kind) else "sc:Text"
