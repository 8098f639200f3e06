"""What a plan is: one frozen row a mixture, with everything decided and no audio in it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from kbbench.errors import InputError
from kbbench.scenes.recipe import Target, canonical_json

Metres = tuple[float, float, float]


class LineHash:
    """SHA-256 of lines of text, fed one by one."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._between = b""

    def add(self, line: str) -> None:
        """The next line, without its end."""
        self._digest.update(self._between + line.encode())
        self._between = b"\n"

    @property
    def sha256(self) -> str:
        """Of all lines so far, a line feed between each two."""
        return self._digest.hexdigest()


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Clip(_Row):
    """Samples [start, start + samples) of a recording, laid at sample ``onset`` of the mixture."""

    id: str
    start: int
    onset: int
    samples: int


class SourcePlan(_Row):
    """One point source: what it plays and where it stands.

    ``name`` is the talker, or the noise recording. ``position_m`` is in the room;
    ``azimuth_deg`` is seen from the head, counter-clockwise from straight ahead.
    """

    kind: str
    name: str
    clips: tuple[Clip, ...]
    position_m: Metres
    azimuth_deg: float
    distance_m: float


class EnrollmentNoise(_Row):
    """What is heard behind an enrollment, ``snr_db`` below it."""

    kind: str
    name: str
    clips: tuple[Clip, ...]
    snr_db: float


class MixturePlan(_Row):
    """One mixture, completely: rendering adds no decision.

    ``sir_db`` holds the level of talker 0 over each further talker; ``rt60_s`` is 0 in free field.
    """

    id: str
    recipe: str
    split: str
    index: int
    samples: int
    target: Target
    room_m: Metres
    rt60_s: float
    listener_m: Metres
    yaw_deg: float
    head: str
    talkers: tuple[SourcePlan, ...]
    wanted: int
    sir_db: tuple[float, ...]
    noises: tuple[SourcePlan, ...]
    snr_db: float | None
    enrollment: tuple[Clip, ...]
    enrollment_samples: int
    enrollment_noise: EnrollmentNoise | None = None
    level_lufs: float
    peak_dbfs: float


def mixture_id(split: str, index: int) -> str:
    """``test/00017``."""
    return f"{split}/{index:05d}"


class PlanHash:
    """SHA-256 of the rows that it is fed, in order; what a row does not have does not count."""

    def __init__(self) -> None:
        self._lines = LineHash()

    def add(self, row: MixturePlan) -> None:
        """The next row."""
        self._lines.add(canonical_json(row.model_dump(mode="json", exclude_none=True)))

    @property
    def sha256(self) -> str:
        """Of all rows so far."""
        return self._lines.sha256


class Disjoint:
    """Proof, row by row, that no talker, recording, head or room is in two splits.

    It remembers a few words a row: some ten megabytes for 100,000 mixtures.
    """

    def __init__(self) -> None:
        self._owners: dict[str, dict[str | bytes, str]] = {}

    def add(self, row: MixturePlan) -> None:
        """The next row.

        Raises:
            InputError: something of it is in another split, by name.
        """
        for what, names in (
            ("talker", {source.name for source in row.talkers + row.noises}),
            ("recording", recording_ids(row)),
            ("head", {row.head}),
        ):
            for name in names:
                self._claim(what, name, name, row.split)
        # There are as many rooms as rows: 32 bytes each, not a text of their numbers.
        room = struct.pack("4d", *row.room_m, row.rt60_s)
        self._claim("room", room, str((row.room_m, row.rt60_s)), row.split)

    def _claim(self, what: str, key: str | bytes, name: str, split: str) -> None:
        owner = self._owners.setdefault(what, {}).setdefault(key, split)
        if owner != split:
            raise InputError(
                f"{what} {name} is in splits {owner} and {split}; "
                "the corpus must keep splits disjoint"
            )


def plan_hash(plan: Iterable[MixturePlan]) -> str:
    """SHA-256 of all rows in order, as :class:`PlanHash` gives it."""
    digest = PlanHash()
    for row in plan:
        digest.add(row)
    return digest.sha256


def check_disjoint(plan: Iterable[MixturePlan]) -> None:
    """Prove that no talker, recording, head or room is in two splits.

    Raises:
        InputError: something is, by name.
    """
    proof = Disjoint()
    for row in plan:
        proof.add(row)


def recording_ids(row: MixturePlan) -> set[str]:
    """Every utterance and noise recording that a mixture is made of."""
    clips = [*row.enrollment, *(row.enrollment_noise.clips if row.enrollment_noise else ())]
    for source in row.talkers + row.noises:
        clips += source.clips
    return {clip.id for clip in clips}
