"""Streaming equals offline, chunk by chunk, and its state is explicit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from kbbench.audit.compare import OTHER_SHAPE, SAME_SHAPE, by_chunk, first_chunk, first_sample
from kbbench.audit.result import Finding, Streams
from kbbench.audit.subject import ESTIMATES, HINTS, Broken, Checked, Outputs, Sound
from kbbench.channel import Delivered
from kbbench.errors import one_line
from kbbench.models.contract import Streaming
from kbbench.units import CHUNK

PROBE = "streaming"
BRANCH = 0.5
"""Where a stream is left for another and taken up again, as a share of its chunks."""
EQUAL = (
    "look for what forward does to the whole input at once (shifts of hints, padding, "
    "normalization), and for what step forgets between two calls"
)
EXPLICIT = "look for state that step keeps in the module; all of it belongs into the state"


class Stream:
    """One stream through a model's ``step``, chunk by chunk."""

    def __init__(
        self, model: Checked, sound: Sound, delivered: Delivered | None, lookahead: int
    ) -> None:
        self.model, self.delivered, self.chunks = model, delivered, sound.chunks
        samples = sound.mixture.shape[-1]
        self.width = CHUNK + lookahead
        room = self.chunks * CHUNK + lookahead - samples
        self.samples, self.k = samples, 0
        self.padded = torch.nn.functional.pad(sound.mixture, (0, room))
        self.state = self._call(model.model.start, len(sound.mixture), sound.enrollment)
        self.estimates: list[Tensor] = []
        self.hints: list[Tensor] = []

    def advance(self, to: int) -> None:
        """Up to a chunk."""
        while self.k < to:
            begin = self.k * CHUNK
            frame = self.padded[..., begin : begin + self.width].clone()
            hint: dict[str, Tensor] = {}
            if self.delivered is not None:
                hint["hint"] = self.delivered.hints[:, self.k].clone()
                hint["age"] = self.delivered.age[:, self.k].clone()
            self._take(self._call(self.model.model.step, frame, self.state, **hint))
            self.k += 1

    def _take(self, output: Any) -> None:
        counts = (2, 3) if self.model.remote else (2,)
        if not isinstance(output, tuple) or len(output) not in counts:
            raise Broken(self.model.part, "step returned no tuple (estimate, state)")
        estimate, *hint, self.state = output
        for name, value in zip(("an estimate", "a hint"), (estimate, *hint), strict=False):
            if not isinstance(value, Tensor):
                kind = type(value).__name__
                raise Broken(self.model.part, f"step returned {name} of type {kind}")
        shape = (*self.padded.shape[:-1], CHUNK)
        got = tuple(estimate.shape)
        if len(got) != 4 or (got[0], *got[2:]) != shape:
            raise Broken(
                self.model.part,
                f"step returned an estimate {got}, expected (batch, sources, channels, {CHUNK}) "
                f"= ({shape[0]}, S, {shape[1]}, {CHUNK})",
            )
        self.estimates.append(estimate.detach().clone())
        self.hints += [value.detach().clone() for value in hint]

    def outputs(self) -> Outputs:
        """All that came out."""
        outputs = {ESTIMATES: torch.cat(self.estimates, dim=-1)[..., : self.samples]}
        if self.hints:
            outputs[HINTS] = torch.stack(self.hints, dim=1)
        return outputs

    def branch(self) -> Stream:
        """The same stream from here on, with a state of its own."""
        twin = copy.copy(self)
        twin.estimates, twin.hints = list(self.estimates), list(self.hints)
        try:
            twin.state = copy.deepcopy(self.state)
        except Exception as error:
            raise Broken(
                self.model.part, f"its state cannot be copied: {one_line(error)}"
            ) from error
        return twin

    def _call(self, function: Any, *arguments: Any, **hint: Tensor) -> Any:
        try:
            with torch.inference_mode():
                return function(*arguments, **hint)
        except (Exception, SystemExit) as error:
            name = getattr(function, "__name__", "start or step")
            raise Broken(
                self.model.part, f"{name} raised {type(error).__name__}: {one_line(error)}"
            ) from error


def streams(
    model: Checked, sound: Sound, delivered: Delivered | None, lookahead: int
) -> Iterator[Streams | Finding]:
    """Compare ``step`` with ``forward``; a model without the streaming form is no finding.

    Args:
        model: device or remote.
        sound: each row is a stream of its own.
        delivered: a device's hints, each row on a link of its own, with delays from 0 to 12.
        lookahead: samples of each frame past its chunk.
    """
    if not isinstance(model.model, Streaming):
        yield Streams(part=model.part, streams=False)
        return
    offline = model(sound, delivered)
    try:
        stream = Stream(model, sound, delivered, lookahead)
        stream.advance(stream.chunks)
        chunked = stream.outputs()
        findings = [*_equal(model.part, offline, chunked)]
        findings += _explicit(model, sound, delivered, lookahead, chunked)
    except Broken as error:
        yield Streams(part=model.part, streams=False)
        yield Finding(
            probe=PROBE,
            part=model.part,
            what=f"{error}",
            look_for="look at start(batch, enrollment) and step(frame, state, hint, age)",
        )
        return
    largest = max(_largest(offline[name], value, name) for name, value in chunked.items())
    yield Streams(part=model.part, streams=not findings, difference=min(largest, 2.0))
    yield from findings


def _largest(first: Tensor, second: Tensor, output: str) -> float:
    return float(by_chunk(first, second, output).max())


def _equal(part: str, offline: Outputs, chunked: Outputs) -> Iterator[Finding]:
    if HINTS in offline and HINTS not in chunked:
        raise Broken(part, "step returned no hint, though forward does")
    what = "chunk by chunk it writes other {output} than at once"
    for output, value in chunked.items():
        if value.shape != offline[output].shape:
            raise Broken(
                part,
                f"step gives {output} {tuple(value.shape)}, forward {tuple(offline[output].shape)}",
            )
        yield from _differ(part, offline, chunked, output, what, EQUAL, OTHER_SHAPE)


def _explicit(
    model: Checked, sound: Sound, delivered: Delivered | None, lookahead: int, alone: Outputs
) -> Iterator[Finding]:
    """A stream, another one between its chunks, and a branch that hears something else."""
    other = Sound(sound.mixture.flip(0), sound.enrollment)
    first = Stream(model, sound, delivered, lookahead)
    second = Stream(model, other, delivered, lookahead)
    branching = round(BRANCH * first.chunks)
    for k in range(branching):
        first.advance(k + 1)
        second.advance(k + 1)
    branch = first.branch()
    branch.padded = second.padded
    branch.advance(first.chunks)
    first.advance(first.chunks)
    interleaved = first.outputs()
    what = "beside another stream, and after a branch of its own state, it writes other {output}"
    for output in alone:
        yield from _differ(model.part, alone, interleaved, output, what, EXPLICIT, SAME_SHAPE)


def _differ(
    part: str,
    first: Outputs,
    second: Outputs,
    output: str,
    what: str,
    look_for: str,
    tolerance: float,
) -> Iterator[Finding]:
    difference = by_chunk(first[output], second[output], output)
    chunks = first_chunk(difference, tolerance)
    if int(chunks.min()) == difference.shape[1]:
        return
    row = int(chunks.argmin())
    chunk, sample = int(chunks[row]), None
    if output == ESTIMATES:
        sample = first_sample(first[output][row], second[output][row], chunk, tolerance)
    worst = int(difference.amax(0).argmax())
    largest = min(float(difference.max()), 2.0)
    yield Finding(
        probe=PROBE,
        part=part,
        what=f"{what.format(output=output)}: from chunk {chunk} on, by up to {largest:.1e} of "
        f"their peak (largest in chunk {worst})",
        look_for=look_for,
        measured=largest,
        unit="of peak",
        at_sample=sample,
        at_chunk=chunk,
    )
