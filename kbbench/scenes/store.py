"""Where a mixture's files lie: in a folder of their own, or in a tar with those of others.

Both hold the same: each stem as FLAC, and ``scene.json``, the mixture's row of the manifest.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from kbbench.audio import Pcm, decode_pcm, pcm_sha256
from kbbench.errors import InputError, one_line
from kbbench.files import leftovers, write_bytes, write_text

Storage = Literal["flac", "tar"]
"""How a dataset keeps its files: as a folder of FLAC a mixture, or in tar shards."""
SCENE = "scene.json"


@dataclass(frozen=True)
class Packed:
    """One mixture, ready to be written.

    Args:
        row: its row of the manifest, the hashes of its stems as one dictionary ``sha256``.
        stems: FLAC files by stem.
    """

    row: dict[str, Any]
    stems: dict[str, bytes]

    @property
    def scene(self) -> str:
        """What ``scene.json`` holds."""
        return json.dumps(self.row, indent=1)


@dataclass(frozen=True)
class Store(ABC):
    """The files of a dataset's mixtures, which are named ``SPLIT/INDEX``."""

    folder: Path

    @abstractmethod
    def unit(self, mixture: str) -> Path:
        """What the mixture is written with: its own folder, or a tar."""

    @abstractmethod
    def label(self, mixture: str, stem: str) -> str:
        """What a stem's file is called, for people who know the mixture."""

    @abstractmethod
    def scene_label(self, mixture: str) -> str:
        """What the file with the mixture's row is called."""

    @abstractmethod
    def has(self, mixture: str, stem: str) -> bool:
        """There is such a file."""

    @abstractmethod
    def flac(self, mixture: str, stem: str) -> bytes:
        """A stem's file.

        Raises:
            InputError: it cannot be read.
        """

    @abstractmethod
    def scene(self, mixture: str) -> dict[str, Any] | None:
        """What ``scene.json`` says, or None where it cannot be read."""

    @abstractmethod
    def with_leftovers(self, mixture: str) -> Self:
        """The same store, which also finds what a kill left of the mixture's unit."""

    @abstractmethod
    def settled(self, mixtures: list[str]) -> bool:
        """Nothing but these mixtures of one unit is there, in their final place."""

    @abstractmethod
    def write(self, mixtures: Iterable[tuple[str, Packed | None]]) -> None:
        """Write all mixtures of a unit, in order; None is a mixture that stays as it is there."""

    def read(self, mixture: str, stem: str) -> Pcm:
        """A stem (channels, samples), int16.

        Raises:
            InputError: the file is missing, or no sound.
        """
        return decode_pcm(
            self.flac(mixture, stem), f"mixture {mixture}: {self.label(mixture, stem)}"
        )

    def load(self, mixture: str) -> Packed:
        """A mixture as it is there.

        Raises:
            InputError: a file of it cannot be read.
        """
        row = self.scene(mixture)
        if row is None:
            raise InputError(
                f"mixture {mixture}: {self.scene_label(mixture)} is missing or damaged"
            )
        return Packed(row, {stem: self.flac(mixture, stem) for stem in row["sha256"]})

    def holds(self, mixture: str, plan_sha256: str) -> bool:
        """The mixture is there, planned alike, with every sample in place."""
        row = self.scene(mixture)
        try:
            return (
                row is not None
                and row["plan_sha256"] == plan_sha256
                and all(
                    pcm_sha256(self.read(mixture, stem)) == sha256
                    for stem, sha256 in row["sha256"].items()
                )
            )
        except (InputError, KeyError, AttributeError):
            return False


@dataclass(frozen=True)
class FlacFolders(Store):
    """``SPLIT/INDEX/STEM.flac`` and ``SPLIT/INDEX/scene.json``."""

    def path(self, mixture: str, stem: str) -> Path:
        """Of a stem's file."""
        return self.folder / mixture / f"{stem}.flac"

    def unit(self, mixture: str) -> Path:
        """Its own folder."""
        return self.folder / mixture

    def label(self, mixture: str, stem: str) -> str:
        """``noise.flac``."""
        return f"{stem}.flac"

    def scene_label(self, mixture: str) -> str:
        """``scene.json``."""
        return SCENE

    def has(self, mixture: str, stem: str) -> bool:
        """There is such a file."""
        return self.path(mixture, stem).is_file()

    def flac(self, mixture: str, stem: str) -> bytes:
        """A stem's file."""
        path = self.path(mixture, stem)
        try:
            return path.read_bytes()
        except OSError as error:
            why = one_line(error) if path.is_file() else "no such file"
            raise InputError(f"{path}: {why}; expected a sound file") from error

    def scene(self, mixture: str) -> dict[str, Any] | None:
        """What ``scene.json`` says."""
        try:
            return scene_row((self.folder / mixture / SCENE).read_bytes())
        except OSError:
            return None

    def with_leftovers(self, mixture: str) -> Self:
        """The same: a half-written file of one mixture is worth nothing."""
        return self

    def settled(self, mixtures: list[str]) -> bool:
        """Always: a folder holds nothing of other mixtures."""
        return True

    def write(self, mixtures: Iterable[tuple[str, Packed | None]]) -> None:
        """``scene.json`` comes last: a folder without it is not whole."""
        for mixture, packed in mixtures:
            if packed is None:
                continue
            folder = self.folder / mixture
            folder.mkdir(parents=True, exist_ok=True)
            for rest in leftovers(folder):
                rest.unlink(missing_ok=True)
            for stem, data in packed.stems.items():
                write_bytes(self.path(mixture, stem), data)
            write_text(folder / SCENE, packed.scene)


def scene_row(data: bytes) -> dict[str, Any] | None:
    """A manifest's row out of ``scene.json``, or None where it is damaged."""
    try:
        row = json.loads(data)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("sha256"), dict) else None
