"""Kaldi data folders, one a split, as ESPnet's enhancement and extraction recipes read them.

Source: https://kaldi-asr.org/doc/data_prep.html (files, and their order under ``LC_ALL=C``);
ESPnet, egs2/TEMPLATE/enh1 and tse1 (``spk1.scp``, ``noise1.scp``, ``enroll_spk1.scp``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kbbench.errors import InputError
from kbbench.scenes.export.base import Export, Item, Stem
from kbbench.units import SAMPLE_RATE

JOINED = "-"
"""Between talkers and mixture in an utterance's id. No talker holds it, nor anything that C order
puts before it: so utterances are in one order by their ids and by their talkers, as Kaldi asks."""


def kaldi_files(export: Export) -> Iterator[tuple[str, bytes]]:
    """Every file of every split.

    An utterance is a mixture. Its speaker is the wanted talker; in separation all of them, joined
    by an underscore, as in ESPnet's wsj0_2mix. ``spk1.scp`` and on hold the wanted talkers'
    references, then the other talkers.

    Raises:
        InputError: a path holds white space, or two talkers cannot be told apart.
    """
    owners: dict[str, tuple[str, ...]] = {}
    for split in export.splits:
        tables: dict[str, dict[str, str]] = {}
        for item in export.items(split):
            speaker = _speaker(item, owners)
            utterance = f"{speaker}{JOINED}{item.name}"
            for name, value in _lines(item, speaker):
                tables.setdefault(name, {})[utterance] = value
        tables["spk2utt"] = _spk2utt(tables["utt2spk"])
        for name, table in sorted(tables.items()):
            text = "".join(f"{key} {table[key]}\n" for key in sorted(table))
            yield f"{split}/{name}", text.encode("utf-8")


def _lines(item: Item, speaker: str) -> Iterator[tuple[str, str]]:
    """For each file, what it says of a mixture."""
    yield "wav.scp", _checked(item.stems["mixture"])
    for number, stem in enumerate(item.talkers, start=1):
        yield f"spk{number}.scp", _checked(stem)
    for name, part in (("noise1.scp", "noise"), ("enroll_spk1.scp", "enrollment")):
        if part in item.stems:
            yield name, _checked(item.stems[part])
    yield "utt2spk", speaker
    yield "utt2dur", str(item.plan.samples / SAMPLE_RATE)


def _checked(stem: Stem) -> str:
    if re.search(r"\s", stem.path):
        raise InputError(
            f"{stem.path!r}: white space in a path, which Kaldi cannot have; "
            "move the dataset, or try --relative"
        )
    return stem.path


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


def _spk2utt(utt2spk: dict[str, str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        found.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(utterances) for speaker, utterances in found.items()}
