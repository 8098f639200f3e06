"""Any folder: ``TALKER/*.flac`` (speech), ``noise/*.wav`` (noise), ``*.sofa`` (heads).

FLAC, WAV, Ogg or Opus, at any sample rate. A folder of noise alone needs no ``noise/`` in it: then
the files that lie in it directly are the recordings.
"""

from __future__ import annotations

from pathlib import Path

from kbbench.corpora.layout import (
    SOFA_SUFFIXES,
    SOUND_SUFFIXES,
    Found,
    Layout,
    Part,
    files,
    inside,
)

NOISE = "noise"


def find(root: Path, part: Part, wanted: frozenset[str]) -> list[Found]:
    """What of the folder is of that part: first folders are talkers, noise files recordings."""
    if part == "heads":
        return [
            file.found(name, name)
            for file in files(root, SOFA_SUFFIXES)
            for name in ("/".join((*file.parts[:-1], file.stem)),)
        ]
    if part == "noise":
        deep = (root / NOISE).is_dir()  # without it the folders are talkers
        return [
            file.found("/".join(file.parts), "/".join(file.parts))
            for file in files(inside(root, NOISE), SOUND_SUFFIXES)
            if deep or len(file.parts) == 1
        ]
    return [
        file.found("/".join(file.parts), file.parts[0])
        for file in files(root, SOUND_SUFFIXES)
        if len(file.parts) >= 2 and file.parts[0] != NOISE
    ]


FOLDER = Layout(
    name="folder",
    title="any folder of your own",
    parts=frozenset({"speech", "babble", "noise", "heads"}),
    licence="as its owner states",
    commercial=None,
    size_bytes=0,
    home="",
    attribution="",
    find=find,
    tree="TALKER/*.flac, noise/*.wav, *.sofa",
)
