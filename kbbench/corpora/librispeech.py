"""LibriSpeech: ``SUBSET/TALKER/CHAPTER/TALKER-CHAPTER-NUMBER.flac``, 16 kHz, with SPEAKERS.TXT.

Source: Panayotov et al., "LibriSpeech: an ASR corpus based on public domain audio books",
ICASSP 2015; https://www.openslr.org/12.
"""

from __future__ import annotations

from pathlib import Path

from kbbench.corpora.layout import SOUND_SUFFIXES, Archive, Found, Layout, Part, files, inside
from kbbench.errors import InputError

MIRRORS = (
    "https://www.openslr.org/resources/12",
    "https://us.openslr.org/resources/12",
    "https://openslr.elda.org/resources/12",
    "https://openslr.trmal.net/resources/12",
)
SUBSETS = {
    "dev-clean": (
        337_926_286,
        "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    ),
    "dev-other": (
        314_305_928,
        "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
    ),
    "test-clean": (
        346_663_984,
        "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    ),
    "test-other": (
        328_757_843,
        "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
    ),
    "train-clean-100": (
        6_387_309_499,
        "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    ),
    "train-clean-360": (
        23_049_477_885,
        "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
    ),
    "train-other-500": (
        30_593_501_606,
        "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
    ),
}
"""Bytes of each archive, as openslr.org tells, and its SHA-256, as torchaudio pins it."""


def find(root: Path, part: Part, wanted: frozenset[str]) -> list[Found]:
    """The utterances of the wanted subsets, of all that are there where none is named.

    Raises:
        InputError: a talker lies in another subset than SPEAKERS.TXT says.
    """
    root = inside(root, "LibriSpeech")
    listed = _speakers(root / "SPEAKERS.TXT")
    subsets = [name for name in SUBSETS if (root / name).is_dir()]
    if wanted and wanted <= SUBSETS.keys():
        subsets = [name for name in subsets if name in wanted]
    found = []
    for subset in subsets:
        for file in files(root / subset, SOUND_SUFFIXES):
            if len(file.parts) != 3:
                continue
            talker = file.parts[0]
            if listed.get(talker, subset) != subset:
                raise InputError(
                    f"{root / subset / talker}: talker {talker} is in {listed[talker]}, says "
                    f"SPEAKERS.TXT, expected {subset}; unpack the archives of LibriSpeech again"
                )
            found.append(file.found(file.stem, talker, subset))
    return found


def _speakers(path: Path) -> dict[str, str]:
    """The subset of each talker, as the corpus' own list says; empty where it is not there."""
    if not path.is_file():
        return {}
    rows = [
        [field.strip() for field in line.split("|")]
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip() and not line.startswith(";")
    ]
    return {row[0]: row[2] for row in rows if len(row) >= 3}


LIBRISPEECH = Layout(
    name="librispeech",
    title="read English audio books, 2484 talkers, 16 kHz",
    parts=frozenset({"speech", "babble"}),
    licence="CC BY 4.0",
    commercial=True,
    size_bytes=sum(size for size, _ in SUBSETS.values()),
    home="https://www.openslr.org/12",
    attribution="LibriSpeech (c) 2014 by Vassil Panayotov, CC BY 4.0: Panayotov, Chen, Povey and "
    'Khudanpur, "LibriSpeech: an ASR corpus based on public domain audio books", ICASSP 2015.',
    find=find,
    tree="train-clean-360/TALKER/CHAPTER/*.flac",
    official={
        "train": ("train-clean-360",),
        "validation": ("dev-clean",),
        "test": ("test-clean",),
    },
    archives=tuple(
        Archive(
            name=f"{name}.tar.gz",
            subset=name,
            size_bytes=size,
            checksum=f"sha256:{sha256}",
            urls=tuple(f"{mirror}/{name}.tar.gz" for mirror in MIRRORS),
        )
        for name, (size, sha256) in SUBSETS.items()
    ),
)
"""By default as LibriMix splits it, without train-clean-100."""
