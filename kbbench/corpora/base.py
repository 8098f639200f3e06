"""What every corpus is: talkers' utterances, noise recordings and heads, each in one split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

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
        sha256: of the PCM, as :func:`kbbench.audio.pcm_sha256` gives it.
    """

    id: str
    talker: str
    split: str
    role: str
    path: Path
    samples: int
    sha256: str


@dataclass(frozen=True)
class NoiseRecording:
    """One recording of ambience."""

    id: str
    split: str
    path: Path
    samples: int
    sha256: str


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
        """The utterances of each talker of a split and role, in a fixed order."""
        found: dict[str, tuple[Utterance, ...]] = {}
        for item in sorted(self.utterances, key=lambda item: item.id):
            if item.split == split and item.role == role:
                found[item.talker] = (*found.get(item.talker, ()), item)
        return found
