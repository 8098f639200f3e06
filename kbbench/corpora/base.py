"""What every corpus is: talkers' utterances, noise recordings and heads, each in one split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from kbbench.errors import InputError
from kbbench.units import SAMPLE_RATE

Split = Literal["train", "validation", "test"]
Role = Literal["talker", "babble"]


@dataclass(frozen=True)
class Utterance:
    """One recording of one talker.

    Args:
        id: unique in the corpus.
        talker: the person; the same person never has two names.
        role: ``babble`` talkers are heard in babble and lend their spectrum to noise, no more.
        samples: length at 16 kHz.
        sha256: of the PCM, as :func:`kbbench.audio.pcm_sha256` gives it (the mini corpus), or of
            name, size and length (:func:`kbbench.corpora.index.fingerprint`).
        rate: of the file, in Hz; :mod:`kbbench.corpora.reading` resamples.
        channels: of the file; the first is heard.
    """

    id: str
    talker: str
    split: str
    role: str
    path: Path
    samples: int
    sha256: str
    rate: int = SAMPLE_RATE
    channels: int = 1


@dataclass(frozen=True)
class NoiseRecording:
    """One recording of ambience; fields as in :class:`Utterance`."""

    id: str
    split: str
    path: Path
    samples: int
    sha256: str
    rate: int = SAMPLE_RATE
    channels: int = 1


@dataclass(frozen=True)
class Head:
    """A pair of ears: a measured SOFA file, or a rigid sphere of some radius."""

    id: str
    split: str
    path: Path | None = None
    radius_m: float | None = None

    @property
    def sha256(self) -> str:
        """Hash of the SOFA file, or of the radius."""
        data = self.path.read_bytes() if self.path else f"sphere {self.radius_m} m".encode()
        return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Corpus:
    """All that a recipe may draw from.

    Args:
        name: as recipes call it.
        licence: what a dataset made from it must state.
        attribution: whom it must name.
    """

    name: str
    utterances: tuple[Utterance, ...]
    noises: tuple[NoiseRecording, ...]
    heads: tuple[Head, ...]
    licence: str
    attribution: str

    @cached_property
    def sha256(self) -> str:
        """Hash of all its sound, whatever the folder it lies in."""
        recordings = [(item.id, item.split, item.sha256) for item in self.noises]
        recordings += [
            (item.id, f"{item.split} {item.role}", item.sha256) for item in self.utterances
        ]
        recordings += [(head.id, head.split, head.sha256) for head in self.heads]
        text = "\n".join(" ".join(item) for item in sorted(recordings))
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def utterance_by_id(self) -> dict[str, Utterance]:
        """Utterances by id."""
        return {item.id: item for item in self.utterances}

    @cached_property
    def noise_by_id(self) -> dict[str, NoiseRecording]:
        """Noise recordings by id."""
        return {item.id: item for item in self.noises}

    @cached_property
    def head_by_id(self) -> dict[str, Head]:
        """Heads by id."""
        return {item.id: item for item in self.heads}

    def talkers(self, split: str, role: str) -> dict[str, tuple[Utterance, ...]]:
        """The utterances of each talker of a split and role, in a fixed order; do not change it."""
        return self._talkers.get((split, role), {})

    def recordings(self, split: str) -> tuple[NoiseRecording, ...]:
        """The noise recordings of a split, in a fixed order."""
        return self._recordings.get(split, ())

    def only(self, ids: Iterable[str], head: str) -> Corpus:
        """The part that one mixture needs, small enough to be sent to another process."""
        wanted = set(ids)
        return Corpus(
            name=self.name,
            utterances=tuple(
                self.utterance_by_id[name] for name in sorted(wanted & self.utterance_by_id.keys())
            ),
            noises=tuple(
                self.noise_by_id[name] for name in sorted(wanted & self.noise_by_id.keys())
            ),
            heads=(self.head_by_id[head],),
            licence="",
            attribution="",
        )

    @cached_property
    def _talkers(self) -> dict[tuple[str, str], dict[str, tuple[Utterance, ...]]]:
        found: dict[tuple[str, str], dict[str, list[Utterance]]] = {}
        for item in sorted(self.utterances, key=lambda item: item.id):
            talkers = found.setdefault((item.split, item.role), {})
            talkers.setdefault(item.talker, []).append(item)
        return {
            key: {name: tuple(items) for name, items in talkers.items()}
            for key, talkers in found.items()
        }

    @cached_property
    def _recordings(self) -> dict[str, tuple[NoiseRecording, ...]]:
        found: dict[str, list[NoiseRecording]] = {}
        for item in sorted(self.noises, key=lambda item: item.id):
            found.setdefault(item.split, []).append(item)
        return {split: tuple(items) for split, items in found.items()}


def merge(parts: Iterable[Corpus]) -> Corpus:
    """Speech, noise and heads of several corpora as one; licences and attributions are joined.

    Raises:
        InputError: a talker is in speech and in babble, or an id is there twice.
    """
    parts = list(parts)
    corpora = {part.name: part for part in parts}
    whole = Corpus(
        name=" + ".join(corpora),
        utterances=tuple(item for part in parts for item in part.utterances),
        noises=tuple(item for part in parts for item in part.noises),
        heads=tuple(item for part in parts for item in part.heads),
        licence="; ".join(f"{name}: {part.licence}" for name, part in corpora.items()),
        attribution="\n\n".join(dict.fromkeys(part.attribution for part in corpora.values())),
    )
    roles: dict[str, str] = {}
    for item in whole.utterances:
        if roles.setdefault(item.talker, item.role) != item.role:
            raise InputError(
                f"corpus {whole.name}: talker {item.talker} is in speech and in babble; "
                "give the two different subsets"
            )
    for items in (whole.utterances, whole.noises, whole.heads):
        ids: set[str] = set()
        for name in (item.id for item in items):
            if name in ids:
                raise InputError(f"corpus {whole.name}: {name} is there twice; rename one of them")
            ids.add(name)
    return whole
