"""MUSAN: ``noise/COLLECTION/*.wav`` and ``music/COLLECTION/*.wav``, 16 kHz; its speech is not used.

Source: Snyder, Chen and Povey, "MUSAN: A music, speech, and noise corpus", arXiv 1510.08484, 2015;
https://www.openslr.org/17.
"""

from __future__ import annotations

from pathlib import Path

from kbbench.corpora.layout import SOUND_SUFFIXES, Archive, Found, Layout, Part, files, inside

SUBSETS = ("noise", "music")


def find(root: Path, part: Part, wanted: frozenset[str]) -> list[Found]:
    """Noise and music; each file is a recording of its own."""
    root = inside(root, "musan")
    return [
        file.found(file.stem, file.stem, subset)
        for subset in SUBSETS
        if (root / subset).is_dir()
        for file in files(root / subset, SOUND_SUFFIXES)
    ]


MUSAN = Layout(
    name="musan",
    title="noises and music, 48 hours, 16 kHz",
    parts=frozenset({"noise"}),
    licence="CC BY 4.0, each file CC BY or public domain",
    commercial=True,
    size_bytes=11_086_114_085,
    home="https://www.openslr.org/17",
    attribution='MUSAN, CC BY 4.0: Snyder, Chen and Povey, "MUSAN: A music, speech, and noise '
    'corpus", arXiv 1510.08484, 2015; the authors of each file stand in its LICENSE files.',
    find=find,
    tree="noise/free-sound/*.wav",
    archives=(
        Archive(
            name="musan.tar.gz",
            subset="",
            size_bytes=11_086_114_085,
            checksum="md5:0c472d4fc0c5141eca47ad1ffeb2a7df",
            urls=tuple(
                f"https://{host}/resources/17/musan.tar.gz"
                for host in (
                    "www.openslr.org",
                    "us.openslr.org",
                    "openslr.elda.org",
                    "openslr.trmal.net",
                )
            ),
        ),
    ),
)
"""The checksum is that of openslr.org's md5sum.txt.

No official splits: recordings are split by a hash of their names, or as a recipe lists them.
"""
