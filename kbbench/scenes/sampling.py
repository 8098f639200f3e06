"""Sampling decides everything and touches no audio: from a recipe and a corpus to a plan.

Every draw comes from a stream keyed by (recipe, version, split, mixture, stage), so no row
depends on another, on their order, or on how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from kbbench.corpora import Corpus, NoiseRecording, Utterance
from kbbench.errors import InputError
from kbbench.rng import Stream
from kbbench.scenes.plan import Clip, EnrollmentNoise, Metres, MixturePlan, SourcePlan, mixture_id
from kbbench.scenes.recipe import SPLITS, Listener, Placement, Recipe
from kbbench.scenes.recipe import Room as RoomRecipe
from kbbench.units import samples

PLACEMENT_TRIES = 10_000
"""Draws of all positions before another room is drawn."""
ROOM_TRIES = 5
"""Rooms in which no place is found before a recipe is called impossible."""
Layout = tuple[Metres, float, list[dict[str, Any]]]
"""Head, yaw and each source's spot."""


def make_plan(recipe: Recipe, corpus: Corpus) -> Iterator[MixturePlan]:
    """All rows of all splits, one at a time.

    Raises:
        InputError: the corpus has too little of something, or sources do not fit the rooms.
    """
    for split in SPLITS:
        for index in range(getattr(recipe.splits, split)):
            yield plan_mixture(recipe, corpus, split, index)


def plan_mixture(recipe: Recipe, corpus: Corpus, split: str, index: int) -> MixturePlan:
    """One row.

    Raises:
        InputError: as :func:`make_plan`.
    """

    def stream(stage: str) -> Stream:
        return Stream(recipe.name, recipe.version, split, index, stage)

    length = samples(recipe.duration_s)
    talkers = _draw_talkers(recipe, corpus, split, stream("talkers"))
    noises = _draw_noises(recipe, corpus, split, stream("noise"), length)
    placements: list[Placement] = [recipe.talkers] * len(talkers)
    placements += [recipe.noise] * len(noises) if recipe.noise else []
    room, rt60_s, (listener, yaw, spots) = _draw_scene(
        recipe, placements, stream("room"), stream("places")
    )
    levels = stream("levels")
    sir = recipe.talkers.sir_db
    heads = sorted(head.id for head in corpus.heads if head.split == split)
    if not heads:
        raise InputError(f"corpus {corpus.name}: no head in split {split}; recipes need one")
    mine = {utterance.id for utterance in talkers}
    sources = [
        ("talker", utterance.talker, (_lay(utterance, length, stream(f"clip-{number}")),))
        for number, utterance in enumerate(talkers)
    ] + noises
    planned = [
        SourcePlan(kind=kind, name=name, clips=clips, **spot)
        for (kind, name, clips), spot in zip(sources, spots, strict=True)
    ]
    enrollment_samples = samples(recipe.enrollment.duration_s) if recipe.enrollment else 0
    others = [
        item for item in corpus.talkers(split, "talker")[talkers[0].talker] if item.id not in mine
    ]
    return MixturePlan(
        id=mixture_id(split, index),
        recipe=f"{recipe.name}@{recipe.version}",
        split=split,
        index=index,
        samples=length,
        target=recipe.target,
        room_m=room,
        rt60_s=rt60_s,
        listener_m=listener,
        yaw_deg=yaw,
        head=stream("head").choice(heads),
        talkers=tuple(planned[: len(talkers)]),
        wanted=recipe.source_count,
        sir_db=tuple(round(levels.uniform(*sir), 2) for _ in talkers[1:] if sir is not None),
        noises=tuple(planned[len(talkers) :]),
        snr_db=round(levels.uniform(*recipe.noise.snr_db), 2) if recipe.noise else None,
        enrollment=tuple(_fill(others, enrollment_samples, stream("enrollment"))),
        enrollment_samples=enrollment_samples,
        enrollment_noise=_draw_enrollment_noise(
            recipe, corpus, split, stream("enrollment-noise"), enrollment_samples
        ),
        level_lufs=round(levels.uniform(*recipe.level.mixture_lufs), 2),
        peak_dbfs=recipe.level.peak_dbfs,
    )


def _draw_scene(
    recipe: Recipe, placements: Sequence[Placement], rooms: Stream, places: Stream
) -> tuple[Metres, float, Layout]:
    """A room and its reverberation time, and where all stand in it.

    A room in which many sources find no place, such as a narrow one, is drawn anew.
    """
    for _ in range(ROOM_TRIES):
        room, rt60_s = _draw_room(recipe.room, rooms)
        layout = _place(room, recipe.room.wall_margin_m, recipe.listener, placements, places)
        if layout is not None:
            return room, rt60_s, layout
    raise InputError(
        f"recipe {recipe.name}: {len(placements)} sources found no place in {ROOM_TRIES} rooms "
        f"such as {room} m, {PLACEMENT_TRIES} tries in each; widen the rooms, or lower "
        "distance_m, min_separation_deg or wall_margin_m"
    )


def _draw_room(room: RoomRecipe, stream: Stream) -> tuple[Metres, float]:
    size = tuple(
        round(stream.uniform(*span), 3) for span in (room.length_m, room.width_m, room.height_m)
    )
    rt60_s = round(stream.uniform(*room.rt60_s), 3)
    return (size[0], size[1], size[2]), rt60_s if room.kind == "shoebox" else 0.0


def _draw_talkers(recipe: Recipe, corpus: Corpus, split: str, stream: Stream) -> list[Utterance]:
    """One utterance each of as many different talkers; the first has another one to enroll with."""
    talkers = corpus.talkers(split, "talker")
    if len(talkers) < recipe.talkers.count:
        raise InputError(
            f"corpus {corpus.name}: {len(talkers)} talkers in split {split}, "
            f"recipe {recipe.name} needs {recipe.talkers.count}"
        )
    names = stream.sample(sorted(talkers), recipe.talkers.count)
    if recipe.enrollment and len(talkers[names[0]]) < 2:
        raise InputError(
            f"corpus {corpus.name}: talker {names[0]} has one utterance, "
            "target speech needs another to enroll with"
        )
    return [stream.choice(talkers[name]) for name in names]


def _draw_noises(
    recipe: Recipe, corpus: Corpus, split: str, stream: Stream, length: int
) -> list[tuple[str, str, tuple[Clip, ...]]]:
    """(kind, name, clips) of each noise source."""
    if recipe.noise is None:
        return []
    kind = stream.choice(recipe.noise.kinds)
    count = stream.integer(*recipe.noise.sources)
    if kind == "recording":
        recordings = corpus.recordings(split)
        if not recordings:
            raise InputError(f"corpus {corpus.name}: no noise recording in split {split}")
        recording = stream.choice(recordings)
        return [
            (kind, recording.id, tuple(_fill([recording], length, stream))) for _ in range(count)
        ]
    voices = corpus.talkers(split, "babble")
    if not voices:
        raise InputError(f"corpus {corpus.name}: no babble talker in split {split}")
    names = [stream.choice(sorted(voices)) for _ in range(count)]
    if count <= len(voices):
        names = stream.sample(sorted(voices), count)
    return [(kind, name, tuple(_fill(voices[name], length, stream))) for name in names]


def _draw_enrollment_noise(
    recipe: Recipe, corpus: Corpus, split: str, stream: Stream, length: int
) -> EnrollmentNoise | None:
    if recipe.enrollment is None or recipe.enrollment.snr_db is None:
        return None
    kind, name, clips = _draw_noises(recipe, corpus, split, stream, length)[0]
    snr_db = round(stream.uniform(*recipe.enrollment.snr_db), 2)
    return EnrollmentNoise(kind=kind, name=name, clips=clips, snr_db=snr_db)


def _lay(utterance: Utterance, length: int, stream: Stream) -> Clip:
    """An excerpt as long as the mixture, or the whole utterance somewhere in it."""
    spare = utterance.samples - length
    return Clip(
        id=utterance.id,
        start=stream.integer(0, max(spare, 0)),
        onset=stream.integer(0, max(-spare, 0)),
        samples=min(utterance.samples, length),
    )


def _fill(
    items: Sequence[Utterance | NoiseRecording], length: int, stream: Stream
) -> Iterator[Clip]:
    """Recordings one after the other, the first from anywhere in it, until the time is full."""
    onset = 0
    while onset < length:
        item = stream.choice(items)
        start = stream.integer(0, item.samples - 1) if onset == 0 else 0
        count = min(item.samples - start, length - onset)
        yield Clip(id=item.id, start=start, onset=onset, samples=count)
        onset += count


def _place(
    room: Metres,
    margin_m: float,
    listener: Listener,
    placements: Sequence[Placement],
    stream: Stream,
) -> Layout | None:
    """Head, yaw and each source's spot, all inside the room and apart; None where none is found."""
    for _ in range(PLACEMENT_TRIES):
        x, y = (round(stream.uniform(margin_m, side - margin_m), 3) for side in room[:2])
        head = (x, y, round(stream.uniform(*listener.height_m), 3))
        yaw = round(stream.uniform(-180.0, 180.0), 1)
        spots: list[dict[str, Any]] = []
        for placement in placements:
            spot = _draw_spot(head, yaw, placement, stream)
            apart = all(
                abs((spot["azimuth_deg"] - other["azimuth_deg"] + 180) % 360 - 180)
                >= placement.min_separation_deg
                for other in spots
            )
            if not apart or not _inside(spot["position_m"], room, margin_m):
                break
            spots.append(spot)
        else:
            if _inside(head, room, margin_m):
                return head, yaw, spots
    return None


def _draw_spot(
    head: Metres, yaw_deg: float, placement: Placement, stream: Stream
) -> dict[str, Any]:
    azimuth = round(stream.uniform(*placement.azimuth_deg), 1)
    distance = round(stream.uniform(*placement.distance_m), 3)
    angle = math.radians(azimuth + yaw_deg)
    position = (
        round(head[0] + distance * math.cos(angle), 3),
        round(head[1] + distance * math.sin(angle), 3),
        round(stream.uniform(*placement.height_m), 3),
    )
    return {"position_m": position, "azimuth_deg": azimuth, "distance_m": distance}


def _inside(position: Metres, room: Metres, margin_m: float) -> bool:
    return all(margin_m <= at <= side - margin_m for at, side in zip(position, room, strict=True))
