"""WHAM! noise: ``wham_noise/{tr,cv,tt}/*.wav``, 16 kHz, two channels; not for commercial use.

Source: Wichern et al., "WHAM!: Extending speech separation to noisy environments",
Interspeech 2019; http://wham.whisper.ai.
"""

from __future__ import annotations

from pathlib import Path

from kbbench.corpora.layout import SOUND_SUFFIXES, Archive, Found, Layout, Part, files, inside

SUBSETS = ("tr", "cv", "tt")


def find(root: Path, part: Part, wanted: frozenset[str]) -> list[Found]:
    """The recordings of all three subsets, which were recorded at different places."""
    root = inside(root, "wham_noise")
    return [
        file.found(f"{subset}/{file.stem}", f"{subset}/{file.stem}", subset)
        for subset in SUBSETS
        if (root / subset).is_dir()
        for file in files(root / subset, SOUND_SUFFIXES)
        if len(file.parts) == 1
    ]


WHAM = Layout(
    name="wham",
    title="ambience of cafes, restaurants and bars, 16 kHz",
    parts=frozenset({"noise"}),
    licence="CC BY-NC 4.0",
    commercial=False,
    size_bytes=17_700_000_000,
    home="http://wham.whisper.ai",
    attribution="WHAM! noise, CC BY-NC 4.0, no commercial use: Wichern et al., "
    '"WHAM!: Extending speech separation to noisy environments", Interspeech 2019, Whisper.ai.',
    find=find,
    tree="wham_noise/tr/*.wav",
    official={"train": ("tr",), "validation": ("cv",), "test": ("tt",)},
    archives=(
        Archive(
            name="wham_noise.zip",
            subset="",
            size_bytes=17_700_000_000,
            checksum=None,
            urls=(
                "https://my-bucket-a8b4b49c25c811ee9a7e8bba05fa24c7.s3.amazonaws.com/wham_noise.zip",
                "https://storage.googleapis.com/whisper-public/wham_noise.zip",
            ),
        ),
    ),
)
"""No one publishes a checksum: only the archive's own CRC-32 of each file proves a download."""
