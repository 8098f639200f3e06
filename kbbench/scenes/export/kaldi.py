"""Kaldi data folders, one a split, as ESPnet's enhancement and extraction recipes read them.

Source: https://kaldi-asr.org/doc/data_prep.html (files, and their order under ``LC_ALL=C``);
ESPnet, egs2/TEMPLATE/enh1 and tse1 (``spk1.scp``, ``noise1.scp``, ``enroll_spk1.scp``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from kbbench.errors import InputError
from kbbench.scenes.export.base import Export, Files, Item
from kbbench.units import SAMPLE_RATE

JOINED = "-"
"""Between talkers and mixture in an utterance's id. No talker holds it, nor anything that C order
puts before it: so utterances are in one order by their ids and by their talkers, as Kaldi asks."""


def kaldi_files(export: Export) -> Files:
    """Every file of every split.

    An utterance is a mixture. Its speaker is the wanted talker; in separation all of them, joined
    by an underscore, as in ESPnet's wsj0_2mix. ``spk1.scp`` and on hold the wanted talkers'
    references, then the other talkers.

    Raises:
        InputError: a path holds white space, or two talkers cannot be told apart.
    """
    owners: dict[str, tuple[str, ...]] = {}
    for split in export.splits:
        lines: list[_Line] = []
        sounds: dict[str, str] = {}
        for item in export.items(split):
            speaker = _speaker(item, owners)
            utterance = f"{speaker}{JOINED}{item.name}"
            lines.append(_Line(utterance, speaker, item.plan.id, item.plan.samples / SAMPLE_RATE))
            sounds = _sounds(item)
        lines.sort()
        for name, stem in sounds.items():
            paths = (export.path(line.mixture, stem) for line in lines)
            yield f"{split}/{name}", _table(lines, map(_checked, paths))
        yield f"{split}/utt2spk", _table(lines, (line.speaker for line in lines))
        yield f"{split}/utt2dur", _table(lines, (str(line.duration_s) for line in lines))
        yield f"{split}/spk2utt", _spk2utt(lines)


class _Line(NamedTuple):
    """What is kept of each mixture of a split, to be put in order; a few words each."""

    utterance: str
    speaker: str
    mixture: str
    duration_s: float


def _sounds(item: Item) -> dict[str, str]:
    """For each file of paths, the stem whose paths it holds; the same for all mixtures."""
    sounds = {"wav.scp": "mixture"}
    for number, stem in enumerate(item.talkers, start=1):
        sounds[f"spk{number}.scp"] = stem.name
    for name, part in (("noise1.scp", "noise"), ("enroll_spk1.scp", "enrollment")):
        if part in item.stems:
            sounds[name] = part
    return sounds


def _table(lines: Sequence[_Line], values: Iterable[str]) -> Iterator[bytes]:
    for line, value in zip(lines, values, strict=True):
        yield f"{line.utterance} {value}\n".encode()


def _spk2utt(lines: Sequence[_Line]) -> Iterator[bytes]:
    for speaker, theirs in groupby(lines, key=attrgetter("speaker")):
        yield f"{speaker} {' '.join(line.utterance for line in theirs)}\n".encode()


def _checked(path: str) -> str:
    if re.search(r"\s", path):
        raise InputError(
            f"{path!r}: white space in a path, which Kaldi cannot have; "
            "move the dataset, or try --relative"
        )
    return path


def _speaker(item: Item, owners: dict[str, tuple[str, ...]]) -> str:
    """The talkers' names as Kaldi takes them: letters, digits, dots and underscores."""
    names = tuple(source.name for source in item.plan.talkers[: item.plan.wanted])
    speaker = "_".join(re.sub(r"[^\w.]", "_", name) for name in names)
    if owners.setdefault(speaker, names) != names:
        one, other = ("+".join(pair) for pair in (owners[speaker], names))
        raise InputError(
            f"talkers {one} and {other}: both are {speaker} as Kaldi takes names; "
            "rename one in the corpus"
        )
    return speaker
