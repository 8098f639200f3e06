"""What is audited of a triple: small, large, device, remote, and all of the boosted together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from kbbench.audit.result import Finding
from kbbench.audit.subject import (
    ESTIMATES,
    HINTS,
    Boost,
    Broken,
    Checked,
    Outputs,
    Sound,
    Subject,
)
from kbbench.channel import Delivered, Seen, deliver
from kbbench.rng import Stream

CONTRACT = "look at the contract: forward(mixture (B, C, T), enrollment=, hints=, seen_mask=, age=)"
Call = Callable[[Sound, Sequence[int]], Outputs]
"""Runs a part on rows; the numbers say on whose links, and with whose hints, those rows are."""


@dataclass(frozen=True)
class Part:
    """One part, ready to run on the sound of an audit.

    Args:
        name: in findings.
        models: the user's models that it runs.
        call: runs it.
        outputs: what of its outputs counts.
        hints: what a device is given: (B, K, ...), as they came out of the link.
        seen: the link of each row, (B, K).
        boost: the boosted model that it belongs to.
    """

    name: str
    models: tuple[Checked, ...]
    call: Call
    outputs: tuple[str, ...] = (ESTIMATES,)
    hints: Tensor | None = None
    seen: Seen | None = None
    boost: Boost | None = None

    @property
    def single(self) -> bool:
        """It is one model."""
        return len(self.models) == 1

    def delivered(self, chunks: int) -> Delivered | None:
        """So many of a device's hints, moved in time."""
        if self.hints is None or self.seen is None:
            return None
        return deliver(self.hints[:, :chunks], self.seen[:, :chunks])


def make_parts(subject: Subject, sound: Sound) -> Iterator[Part | Finding]:
    """Every part that answers on a sound (B rows), and findings on those that do not.

    A device keeps the hints of this sound, for other sounds of at most this length.
    """
    plain = [Part("small", (subject.small,), _plain(subject.small))]
    heard = (ESTIMATES, HINTS) if _is_remote(subject, subject.large) else (ESTIMATES,)
    plain.append(Part("large", (subject.large,), _plain(subject.large), heard))
    for boost in subject.boosts:
        remote = boost.remote
        if remote.part not in [part.name for part in plain]:
            plain.append(Part(remote.part, (remote,), _plain(remote), (HINTS,)))
    plain += [Part(whole.part, (whole,), _plain(whole)) for whole in subject.wholes]
    counts: dict[str, int] = {}
    rows = range(len(sound.mixture))
    for part in plain:
        yield from _answering(part, sound, rows, counts)
    for number, boost in enumerate(subject.boosts):
        seen = boost.seen(len(rows), sound.chunks, Stream("audit", "link", number))
        try:
            hints = boost.hear(sound)
        except Broken as error:
            yield contract_finding(error.part, f"as the remote it {error}")
            continue
        device, remote = boost.device, boost.remote
        alone = Part(
            device.part, (device,), _device(boost, hints, seen), hints=hints, seen=seen, boost=boost
        )
        together = Part(boost.part, (device, remote), _whole(boost, seen), boost=boost, seen=seen)
        yield from _answering(alone, sound, rows, counts)
        yield from _answering(together, sound, rows, {})
    yield from _sources(subject.triple.task, counts)


def contract_finding(part: str, what: str) -> Finding:
    """A part that does not do what every part must."""
    return Finding(probe="contract", part=part, what=what, look_for=CONTRACT)


def _answering(
    part: Part, sound: Sound, rows: Sequence[int], counts: dict[str, int]
) -> Iterator[Part | Finding]:
    try:
        counts[part.name] = part.call(sound, rows)[ESTIMATES].shape[1]
    except Broken as error:
        yield contract_finding(error.part, f"{error}")
        return
    yield part


def _sources(task: str, counts: dict[str, int]) -> Iterator[Finding]:
    right = {count >= 2 if task == "separation" else count == 1 for count in counts.values()}
    if False in right or len(set(counts.values())) > 1:
        said = ", ".join(f"{part} {count}" for part, count in counts.items())
        wanted = "two or more" if task == "separation" else "one"
        yield contract_finding("boosted", f"sources: {said}; expected {wanted}, and all alike")


def _is_remote(subject: Subject, model: Checked) -> bool:
    return any(boost.remote is model for boost in subject.boosts)


def _plain(model: Checked) -> Call:
    return lambda sound, rows: model(sound)


def _device(boost: Boost, hints: Tensor, seen: Seen) -> Call:
    def call(sound: Sound, rows: Sequence[int]) -> Outputs:
        mine = hints[list(rows), : sound.chunks]
        return boost.device(sound, deliver(mine, seen[list(rows), : sound.chunks]))

    return call


def _whole(boost: Boost, seen: Seen) -> Call:
    def call(sound: Sound, rows: Sequence[int]) -> Outputs:
        hints = boost.hear(sound)
        return boost.device(sound, deliver(hints, seen[list(rows), : sound.chunks]))

    return call
