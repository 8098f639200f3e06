"""No side road from remote to device: given the same hints, whatever the remote did is nothing.

The device writes the same before the remote has run, after it has run on this mixture, after it
has run on another one, and in a fresh process where it never ran. The order matters: the device
runs before any remote in this process, and on sound that no earlier audit has used, so that
nothing is left over in a file or elsewhere.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from kbbench.audit.compare import OTHER_SHAPE, SAME_SHAPE, by_chunk, first_chunk, first_sample
from kbbench.audit.fresh import NoAnswer, elsewhere
from kbbench.audit.result import Finding
from kbbench.audit.subject import (
    ESTIMATES,
    Boost,
    Checked,
    Sound,
    Subject,
    make_sound,
)
from kbbench.channel import Seen, deliver
from kbbench.rng import Stream

PROBE = "side road"
PAUSE_S = 0.02
"""For what a remote may do in a thread after it has returned."""
LOOK_FOR = (
    "look for what remote and device share: an attribute, a global or closure, a buffer, a file, "
    "the environment, a cache keyed by the mixture"
)


def side_roads(
    subject: Subject, delays: tuple[int, ...], rows: int, samples: int
) -> Iterator[Finding]:
    """All side roads of each boosted model and of small; against a fresh process too."""
    nonce = Stream("audit", "side road", secrets.token_hex(16))
    mine, other, unrelated = (make_sound(subject.triple, nonce, rows, samples) for _ in range(3))
    strange: list[Tensor] | None = None
    try:
        # Hints of the right shape from a process of its own: here, no remote has run so far.
        strange = elsewhere(subject, delays, hear_all, unrelated)
    except NoAnswer as reason:
        yield _not_compared(reason)
    for number, boost in enumerate(subject.boosts):
        seen = boost.seen(rows, mine.chunks, nonce)
        hints = boost.hear(unrelated) if strange is None else strange[number]
        walk = Walk(subject, delays, number, seen)
        yield from walk.here(mine, other, hints)
        if strange is not None:
            yield from walk.there(mine, other, hints)


class Walk:
    """One boosted model on one link."""

    def __init__(self, subject: Subject, delays: tuple[int, ...], number: int, seen: Seen) -> None:
        self.subject, self.delays, self.number, self.seen = subject, delays, number, seen
        self.boost = subject.boosts[number]

    def device(self, sound: Sound, hints: Tensor) -> Tensor:
        """The device on a sound with hints of any origin."""
        return self.boost.device(sound, deliver(hints, self.seen))[ESTIMATES]

    def here(self, mine: Sound, other: Sound, strange: Tensor) -> Iterator[Finding]:
        """Before the remote runs, after this mixture, after another one."""
        boost, small = self.boost, self.subject.small
        fingerprint = {part.part: fingerprints(part.model) for part in self.subject.models}
        calls: list[str] = []
        with watched(boost, self.subject.large, calls):
            before = self.device(mine, strange)
        if calls:
            yield _called(boost, calls[0])
        small_before = small(mine)[ESTIMATES]
        own = boost.hear(mine)
        time.sleep(PAUSE_S)
        after, own_first = self.device(mine, strange), self.device(mine, own)
        small_after = small(mine)[ESTIMATES]
        boost.hear(other)
        time.sleep(PAUSE_S)
        later, own_later = self.device(mine, strange), self.device(mine, own)
        self.own, self.first, self.own_first = own, before, own_first
        self.small, self.large = small_before, self.subject.large(mine)[ESTIMATES]
        part = boost.device.part
        did = f"{boost.remote.part} ran on"
        yield from _differ(part, before, after, f"{did} this mixture, hints the same", SAME_SHAPE)
        yield from _differ(
            part, before, later, f"{did} another mixture, hints the same", SAME_SHAPE
        )
        yield from _differ(
            part, own_first, own_later, f"{did} another mixture, hints the same", SAME_SHAPE
        )
        yield from _differ("small", small_before, small_after, f"{did} this mixture", SAME_SHAPE)
        for model in self.subject.models:
            yield from _rewritten(model, fingerprint[model.part])

    def there(self, mine: Sound, other: Sound, strange: Tensor) -> Iterator[Finding]:
        """The same in a fresh process: other sound first, and no remote before the device."""
        what = (
            "in a fresh process, where another sound came first and no remote ran, hints the same"
        )
        try:
            weights, *outputs = elsewhere(
                self.subject,
                self.delays,
                device_alone,
                self.number,
                mine,
                other,
                self.seen,
                [strange, self.own],
            )
        except NoAnswer as reason:
            yield _not_compared(reason)
            return
        part = self.boost.device.part
        if weights != {model.part: fingerprints(model.model) for model in self.subject.models}:
            yield _other_weights(part)
            return
        outputs_here = (self.first, self.own_first, self.small, self.large)
        parts = (part, part, "small", "large")
        for name, here, there in zip(parts, outputs_here, outputs, strict=True):
            yield from _differ(name, here, there, what, OTHER_SHAPE)


def hear_all(subject: Subject, sound: Sound) -> list[Tensor]:
    """Each remote's hints; runs in a fresh process."""
    return [boost.hear(sound) for boost in subject.boosts]


def device_alone(
    subject: Subject, number: int, sound: Sound, other: Sound, seen: Seen, hints: list[Tensor]
) -> list[Any]:
    """A device's weights and outputs, then those of small and large; runs in a fresh process.

    Each hears another sound first, so that nothing that a first input leaves behind is alike.
    """
    device = subject.boosts[number].device
    weights = {part.part: fingerprints(part.model) for part in subject.models}
    device(other, deliver(hints[0], seen))
    outputs = [device(sound, deliver(given, seen))[ESTIMATES] for given in hints]
    for model in (subject.small, subject.large):
        model(other)
        outputs.append(model(sound)[ESTIMATES])
    return [weights, *outputs]


def fingerprints(model: Any) -> dict[str, str]:
    """A hash of every parameter and buffer that a model has."""
    if not isinstance(model, nn.Module):
        return {}
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: _hash(value) for name, value in named}


def _hash(value: Tensor) -> str:
    raw = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


@contextmanager
def watched(boost: Boost, large: Checked, calls: list[str]) -> Iterator[None]:
    """Note whenever a remote model's ``forward`` runs."""
    models = {id(part.model): part for part in (boost.remote, large)}
    undo: list[tuple[nn.Module, Callable[..., Any] | None]] = []
    for part in models.values():
        model = part.model
        if not isinstance(model, nn.Module) or model is boost.device.model:
            continue
        forward, own = model.forward, model.__dict__.get("forward")

        def noting(
            *args: Any, _forward: Any = forward, _part: str = part.part, **kwargs: Any
        ) -> Any:
            calls.append(_part)
            return _forward(*args, **kwargs)

        undo.append((model, own))
        model.__dict__["forward"] = noting
    try:
        yield
    finally:
        for model, own in undo:
            del model.__dict__["forward"]
            if own is not None:
                model.__dict__["forward"] = own


def _differ(
    part: str, first: Tensor, second: Tensor, what: str, tolerance: float
) -> Iterator[Finding]:
    difference = by_chunk(first, second, ESTIMATES)
    chunks = first_chunk(difference, tolerance)
    if int(chunks.min()) == difference.shape[1]:
        return
    row = int(chunks.argmin())
    chunk = int(chunks[row])
    sample = first_sample(first[row], second[row], chunk, tolerance)
    largest = min(float(difference.max()), 2.0)
    yield Finding(
        probe=PROBE,
        part=part,
        what=f"{what}: the output is another from sample {sample} on, by up to {largest:.1e} of "
        "its peak",
        look_for=LOOK_FOR,
        measured=largest,
        unit="of peak",
        at_sample=sample,
        at_chunk=chunk,
    )


def _not_compared(reason: NoAnswer) -> Finding:
    """A failure: whoever could end that process would be spared the comparison."""
    return Finding(
        probe=PROBE,
        part="boosted",
        what=f"it cannot be compared with itself in a fresh process: {reason}",
        look_for="look for what ends or blocks a process that loads the file and runs the models",
    )


def _called(boost: Boost, remote: str) -> Finding:
    return Finding(
        probe=PROBE,
        part=boost.device.part,
        what=f"the device runs {remote} itself, while it writes its output",
        look_for=(
            "look for a call of the remote model in the device's forward; the device gets hints, "
            "late, and cannot carry the remote"
        ),
    )


def _rewritten(part: Checked, before: dict[str, str]) -> Iterator[Finding]:
    after = fingerprints(part.model)
    names = [name for name, value in before.items() if after.get(name) != value]
    added = sorted(set(after) - set(before))
    if names or added:
        yield Finding(
            probe=PROBE,
            part=part.part,
            severity="failure" if names else "warning",
            what=f"running the models {'changed' if names else 'added'} its weights or buffers: "
            f"{', '.join((names or added)[:3])}",
            look_for="look for in-place operations on parameters, running statistics, and buffers "
            "used as memory",
            measured=float(len(names or added)),
            unit="tensors",
        )


def _other_weights(part: str) -> Finding:
    return Finding(
        probe=PROBE,
        part=part,
        severity="warning",
        what="a fresh process makes a model with other weights, so the two were not compared",
        look_for="seed triple(), or load weights from a file: every run makes another model",
    )
