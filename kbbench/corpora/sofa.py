"""Heads: a folder of ``*.sofa`` files, one a head; CIPIC, whose subjects have numbers, by them.

Sources: AES69-2022 (SOFA); Algazi et al., "The CIPIC HRTF database", WASPAA 2001.
"""

from __future__ import annotations

import re
from pathlib import Path

from kbbench.corpora.layout import SOFA_SUFFIXES, Found, Layout, Part, files
from kbbench.errors import InputError


def find(root: Path, part: Part, wanted: frozenset[str]) -> list[Found]:
    """Every file is a head, called as the file."""
    return [
        file.found(name, name)
        for file in files(root, SOFA_SUFFIXES)
        for name in ("/".join((*file.parts[:-1], file.stem)),)
    ]


def find_cipic(root: Path, part: Part, wanted: frozenset[str]) -> list[Found]:
    """The subjects by their three digits, whatever stands around them in the files' names.

    Raises:
        InputError: two files of one subject.
    """
    heads: dict[str, Found] = {}
    for file in files(root, SOFA_SUFFIXES):
        match = re.search(r"subject_([0-9]{3})", file.stem)
        if match is None:
            continue
        if match[1] in heads:
            raise InputError(
                f"{file.path}: subject {match[1]} is {heads[match[1]].path} too, expected one "
                "file a subject; remove one of them"
            )
        heads[match[1]] = file.found(match[1], match[1])
    return list(heads.values())


SOFA = Layout(
    name="sofa",
    title="any folder of measured heads, SimpleFreeFieldHRIR",
    parts=frozenset({"heads"}),
    licence="as its owner states",
    commercial=None,
    size_bytes=0,
    home="https://www.sofaconventions.org",
    attribution="",
    find=find,
    tree="*.sofa",
)

CIPIC = Layout(
    name="cipic",
    title="measured heads of 45 subjects, two of them KEMAR",
    parts=frozenset({"heads"}),
    licence="CIPIC HRTF Database: any use with its notice",
    commercial=True,
    size_bytes=0,
    home="https://sofacoustics.org/data/database/cipic",
    attribution="CIPIC HRTF Database, Copyright (c) 2001 The Regents of the University of "
    'California: Algazi, Duda, Thompson and Avendano, "The CIPIC HRTF database", WASPAA 2001.',
    find=find_cipic,
    tree="subject_003.sofa",
)
