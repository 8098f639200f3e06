"""VCTK: ``wav48_silence_trimmed/p225/p225_001_mic1.flac`` (0.92) or ``wav48/p225/p225_001.wav``.

Source: Yamagishi, Veaux and MacDonald, "CSTR VCTK Corpus: English multi-speaker corpus for CSTR
voice cloning toolkit (version 0.92)", University of Edinburgh, 2019, doi:10.7488/ds/2645.
"""

from __future__ import annotations

from pathlib import Path

from kbbench.corpora.layout import SOUND_SUFFIXES, Archive, Found, Layout, Part, files, inside

MICROPHONE = "_mic1"
"""Of the two microphones of version 0.92 the first: a DPA 4035, there for every talker."""


def find(root: Path, part: Part, wanted: frozenset[str]) -> list[Found]:
    """The utterances of all talkers; version 0.92 is taken where both versions are there."""
    for name in ("VCTK-Corpus-0.92", "VCTK-Corpus", "wav48_silence_trimmed", "wav48"):
        root = inside(root, name)
    found = []
    for file in files(root, SOUND_SUFFIXES):
        stem = file.stem.removesuffix(MICROPHONE)
        if len(file.parts) == 2 and "_mic" not in stem and stem.startswith(f"{file.parts[0]}_"):
            found.append(file.found(stem, file.parts[0]))
    return found


VCTK = Layout(
    name="vctk",
    title="read English, 110 talkers of many accents, 48 kHz",
    parts=frozenset({"speech", "babble"}),
    licence="CC BY 4.0",
    commercial=True,
    size_bytes=11_747_302_977,
    home="https://datashare.ed.ac.uk/handle/10283/3443",
    attribution="CSTR VCTK Corpus 0.92, CC BY 4.0: Yamagishi, Veaux and MacDonald, The Centre for "
    "Speech Technology Research, University of Edinburgh, 2019, doi:10.7488/ds/2645.",
    find=find,
    tree="wav48_silence_trimmed/p225/p225_001_mic1.flac",
    archives=(
        Archive(
            name="VCTK-Corpus-0.92.zip",
            subset="",
            size_bytes=11_747_302_977,
            checksum="sha256:f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c",
            urls=(
                "https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip",
                "https://datashare.is.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip",
            ),
        ),
    ),
)
"""The checksum is the one that torchaudio pins.

No official splits: talkers are split by a hash of their names, or as a recipe lists them.
"""
