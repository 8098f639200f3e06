"""What live sound can be: silence, clipping, DC, a click, any length, an enrollment of nothing."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from kbbench.audit.fresh import NoAnswer, elsewhere
from kbbench.audit.parts import Part
from kbbench.audit.result import Finding, Longest
from kbbench.audit.subject import HINTS, Broken, Checked, Outputs, Sound, Subject, make_sound
from kbbench.channel import NO_HINT, Delivered
from kbbench.rng import Stream
from kbbench.units import CHUNK, SAMPLE_RATE

PROBE = "robustness"
LENGTHS = (CHUNK, CHUNK - 1, 1, 2 * CHUNK + 1, SAMPLE_RATE + 37)
"""Samples: one chunk, less than one, one sample, and lengths that are no multiple of a chunk."""
FIRST_S, GROWTH = 10.0, 4.0
"""Long inputs start at ten seconds and grow four-fold up to ten minutes."""
MEMORY_BYTES = 4 * 2**30
"""An input that is expected to need more than this is not tried."""
NUMBERS = (
    "look for a division by a level or a norm, a logarithm of zero, and a state that grows without "
    "bound"
)
SHAPES = "look for padding to whole frames, unfold on short inputs, and tables of fixed length"


def hard_sounds(triple_sound: Sound) -> dict[str, Sound]:
    """Inputs by name, in the length of a given sound."""
    like, enrollment = triple_sound.mixture[:2], triple_sound.enrollment
    enrolled = None if enrollment is None else enrollment[:2]
    click = torch.zeros_like(like)
    click[..., like.shape[-1] // 2] = 1.0
    mixtures = {
        "silence": torch.zeros_like(like),
        "full-scale clipping": torch.sign(like) + (like == 0),
        "DC": torch.full_like(like, 0.5),
        "an impulse": click,
        "one silent ear": like * torch.tensor([1.0, 0.0])[:, None],
    }
    named = {name: Sound(mixture, enrolled) for name, mixture in mixtures.items()}
    if enrolled is not None:
        named["a silent enrollment"] = Sound(like, torch.zeros_like(enrolled))
    for samples in LENGTHS:
        longer = like.repeat(1, 1, -(-samples // like.shape[-1]))
        named[f"{samples} samples"] = Sound(longer[..., :samples], enrolled)
    return named


def survives(model: Checked, sound: Sound, hint_like: Tensor | None) -> Iterator[Finding]:
    """Finite output of the right shape for every hard sound.

    A model for target speech may refuse a missing enrollment with an error; if it answers, its
    answer is finite.
    """
    for name, hard in hard_sounds(sound).items():
        yield from _survives(model, hard, name, hint_like)
    if sound.enrollment is not None:
        missing = Sound(sound.mixture[:2], None)
        try:
            outputs = model(missing, empty_hints(missing, hint_like))
        except Broken:
            return
        yield from _finite(model, outputs, "no enrollment")


def _survives(
    model: Checked, sound: Sound, name: str, hint_like: Tensor | None
) -> Iterator[Finding]:
    try:
        outputs = model(sound, empty_hints(sound, hint_like))
    except Broken as error:
        yield Finding(
            probe=PROBE, part=model.part, what=f"given {name}, it {error}", look_for=SHAPES
        )
        return
    yield from _finite(model, outputs, name)


def _finite(model: Checked, outputs: Outputs, name: str) -> Iterator[Finding]:
    for output, value in outputs.items():
        bad = ~torch.isfinite(value)
        if bad.any():
            share = float(bad.float().mean())
            time_axis = 1 if output == HINTS else -1
            place = int(bad.nonzero()[:, time_axis].min())
            sample = None if output == HINTS else place
            yield Finding(
                probe=PROBE,
                part=model.part,
                what=f"given {name}, {share:.1%} of its {output} are not finite",
                look_for=NUMBERS,
                measured=share,
                unit="of values",
                at_sample=sample,
                at_chunk=place if sample is None else sample // CHUNK,
            )


def empty_hints(sound: Sound, hint_like: Tensor | None) -> Delivered | None:
    """Hints of the size of others (B, K, ...) for a sound: in the second half, zeros before."""
    if hint_like is None:
        return None
    rows, chunks = len(sound.mixture), sound.chunks
    arrived = torch.arange(chunks).expand(rows, -1) >= chunks // 2
    last = hint_like[:1, -1:].expand(rows, chunks, *hint_like.shape[2:])
    wide = arrived.reshape(rows, chunks, *[1] * (hint_like.ndim - 2))
    age = torch.where(arrived, torch.zeros_like(arrived, dtype=torch.int64), NO_HINT)
    return Delivered(torch.where(wide, last, 0), arrived, age)


def long_inputs(
    subject: Subject, delays: tuple[int, ...], part: Part, longest_s: float, budget_s: float
) -> Iterator[Finding | Longest]:
    """Ten seconds to ten minutes, in a process that may die of it.

    A length that would take longer than the budget, or more memory than there is room for, judged
    by how time and memory grew before, is not tried.
    """
    last_hint = None if part.hints is None else part.hints[:1, -1:].clone()
    try:
        yield from elsewhere(subject, delays, climb, part.name, last_hint, longest_s, budget_s)
    except NoAnswer as reason:
        yield Finding(
            probe=PROBE,
            part=part.name,
            severity="warning",
            what=f"given up to {longest_s:.0f} s of sound: {reason}",
            look_for="look for what grows with the square of the length, as attention does",
        )


def climb(
    subject: Subject, name: str, hint_like: Tensor | None, longest_s: float, budget_s: float
) -> list[Finding | Longest]:
    """Longer and longer inputs; runs in a fresh process."""
    model = next(model for model in subject.models if model.part == name)
    seconds, last_s, last_bytes, reached = min(FIRST_S, longest_s), 0.0, 0, 0.0
    while True:
        sound = make_sound(subject.triple, Stream("audit", "long"), 1, round(seconds * SAMPLE_RATE))
        before, began = peak_bytes(), time.perf_counter()
        findings = [*_survives(model, sound, f"{seconds:.0f} s of sound", hint_like)]
        took_s, took_bytes = time.perf_counter() - began, max(peak_bytes() - before, 1)
        if findings:
            return [Longest(part=model.part, seconds=reached), *findings]
        reached = seconds
        ahead = min(seconds * GROWTH, longest_s)
        next_s = took_s * max(GROWTH, took_s / last_s if last_s else 0)
        next_bytes = took_bytes * max(GROWTH, took_bytes / last_bytes if last_bytes else 0)
        if ahead <= seconds or next_s > budget_s or next_bytes > MEMORY_BYTES:
            return [Longest(part=model.part, seconds=reached)]
        seconds, last_s, last_bytes = ahead, took_s, took_bytes


def peak_bytes() -> int:
    """The most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
