"""What a plan is: one frozen row a mixture, with everything decided and no audio in it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from kbbench.errors import InputError
from kbbench.scenes.recipe import Target, canonical_json

Metres = tuple[float, float, float]


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


def plan_hash(plan: Sequence[MixturePlan]) -> str:
    """SHA-256 of all rows in order; what a row does not have does not count."""
    text = "\n".join(canonical_json(row.model_dump(mode="json", exclude_none=True)) for row in plan)
    return hashlib.sha256(text.encode()).hexdigest()


def check_disjoint(plan: Sequence[MixturePlan]) -> None:
    """Prove that no talker, recording, head or room is in two splits.

    Raises:
        InputError: something is, by name.
    """
    for what, names in (
        ("talker", lambda row: {source.name for source in row.talkers + row.noises}),
        ("recording", recording_ids),
        ("head", lambda row: {row.head}),
        ("room", lambda row: {str((row.room_m, row.rt60_s))}),
    ):
        owner: dict[str, str] = {}
        for row in plan:
            for name in names(row):
                if owner.setdefault(name, row.split) != row.split:
                    raise InputError(
                        f"{what} {name} is in splits {owner[name]} and {row.split}; "
                        "the corpus must keep splits disjoint"
                    )


def recording_ids(row: MixturePlan) -> set[str]:
    """Every utterance and noise recording that a mixture is made of."""
    clips = [*row.enrollment, *(row.enrollment_noise.clips if row.enrollment_noise else ())]
    for source in row.talkers + row.noises:
        clips += source.clips
    return {clip.id for clip in clips}
