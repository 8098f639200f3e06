"""DEMAND: one folder an environment, ``DKITCHEN/ch01.wav`` to ``ch16.wav``, 16 or 48 kHz.

Source: Thiemann, Ito and Vincent, "The Diverse Environments Multi-channel Acoustic Noise Database
(DEMAND)", Proc. Meetings on Acoustics 19, 2013; https://zenodo.org/records/1227121.
"""

from __future__ import annotations

import re
from pathlib import Path

from kbbench.corpora.layout import SOUND_SUFFIXES, Archive, Found, Layout, Part, files, inside

ENVIRONMENTS = {
    "DKITCHEN": (110_501_049, "7ffbf52d7f4699f96927846103dc8788"),
    "DLIVING": (80_170_627, "46741384d9e434a0bd8b3ec1830b6052"),
    "DWASHING": (102_343_250, "7e5ee9437ce9409c5f9a779b6212a240"),
    "NFIELD": (86_536_782, "a740046c6f4e174e16f5d568aaec5024"),
    "NPARK": (86_029_332, "80f1385a34d7f1705758926b57f138ce"),
    "NRIVER": (98_689_565, "54264db61d3fe073fb81f2e40e0d19b5"),
    "OHALLWAY": (77_941_854, "fe918bbb0e63e73d09ba7f4843ef33f1"),
    "OMEETING": (82_703_355, "62f7cfe7fe6d30b7d8a215fe37c2dfd2"),
    "OOFFICE": (88_995_191, "7b61cc2d182d5a654cb9c3101ddd4041"),
    "PCAFETER": (107_431_494, "99927d148128254141a9417d051510bb"),
    "PRESTO": (111_292_815, "b98d2e6854eeebb397f29a8ad7457092"),
    "PSTATION": (119_441_094, "d7448009f6c2aeb6ba570375df1750a3"),
    "SPSQUARE": (110_928_528, "205d0e7b8fe74504a2f8d252fc414b9e"),
    "STRAFFIC": (118_572_691, "2efa87262f272bbf9ba578088e81939c"),
    "TBUS": (128_916_709, "706b11b0d8504f9f3b3f3211e91b3863"),
    "TCAR": (130_045_975, "4d930012796bd298932245a26189f973"),
    "TMETRO": (126_589_090, "95daf4df678e13b120e14211e6d89571"),
}
"""Bytes and MD5 of the 16 kHz archives, as Zenodo publishes them (SCAFE is there at 48 kHz)."""


def find(root: Path, part: Part, wanted: frozenset[str]) -> list[Found]:
    """Every channel of every environment; the channels of one are never in two splits."""
    root = inside(root, "DEMAND")
    return [
        file.found(f"{file.parts[-2]}/{file.stem}", file.parts[-2])
        for file in files(root, SOUND_SUFFIXES)
        if len(file.parts) >= 2 and re.fullmatch(r"ch[0-9]{2}", file.stem)
    ]


DEMAND = Layout(
    name="demand",
    title="ambience of 18 places, 16 channels of 5 minutes each",
    parts=frozenset({"noise"}),
    licence="CC BY-SA 3.0",
    commercial=True,
    size_bytes=sum(size for size, _ in ENVIRONMENTS.values()),
    home="https://zenodo.org/records/1227121",
    attribution='DEMAND, CC BY-SA 3.0: Thiemann, Ito and Vincent, "The Diverse Environments '
    'Multi-channel Acoustic Noise Database", Proc. Meetings on Acoustics 19, 2013, '
    "doi:10.5281/zenodo.1227121.",
    find=find,
    tree="DKITCHEN/ch01.wav",
    archives=tuple(
        Archive(
            name=f"{name}_16k.zip",
            subset=name,
            size_bytes=size,
            checksum=f"md5:{md5}",
            urls=(
                f"https://zenodo.org/records/1227121/files/{name}_16k.zip",
                f"https://zenodo.org/api/records/1227121/files/{name}_16k.zip/content",
            ),
        )
        for name, (size, md5) in ENVIRONMENTS.items()
    ),
)
"""No official splits: places are split by a hash of their names, or as a recipe lists them."""
