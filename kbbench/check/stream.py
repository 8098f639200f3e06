"""The streaming form of one model on its first chunks."""

from __future__ import annotations

from typing import Any

from kbbench.audit.compare import OTHER_SHAPE, by_chunk, first_chunk
from kbbench.audit.streaming import Stream
from kbbench.audit.subject import ESTIMATES, HINTS, Broken, Checked, Outputs
from kbbench.channel import Delivered
from kbbench.check.sound import Trial
from kbbench.models.contract import Streaming
from kbbench.units import CHUNK

CHUNKS = 24
"""Chunks that are streamed: enough for hints to arrive 6 chunks late."""


def streams(model: Any) -> bool:
    """It has the streaming form."""
    return isinstance(model, Streaming)


def stream_problems(
    what: str, model: Any, trial: Trial, remote: bool, outputs: Outputs, hints: Delivered | None
) -> list[str]:
    """``step`` gives what ``forward`` gave; a model without either of the two methods is right.

    Args:
        what: its name in complaints.
        model: the user's.
        trial: what it hears.
        remote: it may write hints.
        outputs: of ``forward``.
        hints: a device's, moved in time.
    """
    methods = [name for name in ("start", "step") if callable(getattr(model, name, None))]
    if len(methods) == 1:
        missing = "start(batch, enrollment)" if methods == ["step"] else "step(frame, state, ...)"
        return [f"{what} has {methods[0]} but no {missing}; define both, or neither"]
    if not methods or trial.reference is not None:
        return []
    try:
        stream = Stream(Checked(what, model, remote), trial.sound, hints, trial.lookahead)
        stream.advance(CHUNKS)
        chunked = stream.outputs()
    except Broken as error:
        return [f"{what}: {error}"]
    if HINTS in outputs and HINTS not in chunked:
        return [f"{what}: step returned no hint, expected (estimate, hint (B, ...), state)"]
    for name, value in chunked.items():
        offline = outputs[name]
        offline = offline[..., : CHUNKS * CHUNK] if name == ESTIMATES else offline[:, :CHUNKS]
        if value.shape != offline.shape:
            return [
                f"{what}: step gives {name} {tuple(value.shape)} in {CHUNKS} chunks, forward "
                f"{tuple(offline.shape)}"
            ]
        difference = by_chunk(offline, value, name)
        first = int(first_chunk(difference, OTHER_SHAPE).min())
        if first < CHUNKS:
            return [
                f"{what}: step gives other {name} than forward from chunk {first} on, by up to "
                f"{min(float(difference.max()), 2.0):.1e} of their peak; expected the same"
            ]
    return []
