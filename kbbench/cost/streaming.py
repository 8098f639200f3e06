"""The streaming form, step by step: time a chunk, state, MACs a step."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbbench.cost.calls import Link, Subject
from kbbench.cost.counter import Counter, counting
from kbbench.cost.macs import lower_bound
from kbbench.cost.noise import Noise
from kbbench.cost.result import CostFigure, ModelCost, figure
from kbbench.cost.state import state_bytes
from kbbench.models.checks import kind
from kbbench.models.contract import Streaming
from kbbench.units import CHUNK, milliseconds

DEADLINE_MS = milliseconds(1)
"""A chunk must be done before the next one is there: 8 ms."""
WARM_UP_CHUNKS = 125
"""Steps before the clock starts (1 s): caches, allocators and just-in-time compilers settle."""
COUNTED_CHUNKS = 240
"""Steps after it stops, under the counter: a multiple of all block lengths in use."""
TIME_LIMIT_S = 30.0
"""A slow model is timed no longer than this, but for at least a second of sound."""
THREADS = 1
NO_FORM = "no streaming form"
STREAMED = (
    "step_macs_per_chunk",
    "state_bytes",
    "chunk_ms_p50",
    "chunk_ms_p95",
    "chunk_ms_p99",
    "real_time_factor",
    "missed_deadlines",
)
"""The figures that need ``start`` and ``step``."""


@dataclass
class Stream:
    """One model on an endless stream: the noise comes again when it ends."""

    subject: Subject
    frames: list[Tensor]
    link: Link | None
    state: Any
    chunk: int = 0

    def step(self) -> int:
        """One chunk; nanoseconds that the model's own step took."""
        frame = self.frames[self.chunk % len(self.frames)].clone()
        told = self.link.at(self.chunk) if self.link and self.subject.takes_hints else ()
        before = time.perf_counter_ns()
        output = self.subject.guarded("step", self.subject.model.step, frame, self.state, *told)
        spent = time.perf_counter_ns() - before
        lengths = (2, 3) if self.subject.is_remote else (2,)
        if not isinstance(output, tuple) or len(output) not in lengths:
            expected = "(estimate, hint, state)" if self.subject.is_remote else "(estimate, state)"
            raise self.subject.error(f"step returned {kind(output)}, expected {expected}")
        self.subject.check(output[0], CHUNK, "step")
        self.state = output[-1]
        self.chunk += 1
        return spent


def stream(subject: Subject, heard: Noise, link: Link | None, chunks: int) -> ModelCost:
    """The figures of ``STREAMED``: warm, one stream, one thread, garbage collector off.

    Args:
        subject: the model.
        heard: its noise.
        link: the hints that a device is given; None where the link is opaque.
        chunks: to be timed, where ``TIME_LIMIT_S`` allows.

    Raises:
        ModelError: a step raised, or its output breaks the contract.
    """
    loaded = subject.loaded
    if not isinstance(subject.model, Streaming) or loaded.triple.oracle:
        reason = f"{NO_FORM}, as an oracle" if loaded.triple.oracle else NO_FORM
        return ModelCost(figures={name: figure(name, None, reason) for name in STREAMED})
    frames = _frames(heard.mixture, loaded.triple.lookahead)
    with torch.inference_mode():
        state = subject.guarded("start", subject.model.start, 1, heard.enrollment)
        running = Stream(subject, frames, link, state)
        with pinned():
            for _ in range(WARM_UP_CHUNKS):
                running.step()
            early = state_bytes(running.state)
            times_ms = _times(running, chunks)
        late = state_bytes(running.state)
    with counting() as counter:
        for _ in range(COUNTED_CHUNKS):
            running.step()
    figures = {
        "step_macs_per_chunk": _step_macs(counter),
        "state_bytes": _state(early, late, len(times_ms)),
        **_timing(times_ms),
    }
    return ModelCost(figures=figures, chunks_timed=len(times_ms))


@contextmanager
def pinned() -> Iterator[None]:
    """One thread and no garbage collection within; both as before after it."""
    threads, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(THREADS)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if collecting:
            gc.enable()


def _frames(mixture: Tensor, lookahead: int) -> list[Tensor]:
    """Frames (1, C, 128 + lookahead), one a chunk; the last ones run on into the first."""
    endless = torch.cat([mixture, mixture[..., :lookahead]], dim=-1)
    starts = range(0, mixture.shape[-1], CHUNK)
    return [endless[..., start : start + CHUNK + lookahead].contiguous() for start in starts]


def _times(running: Stream, chunks: int) -> NDArray[np.float64]:
    """Milliseconds of each step."""
    times: list[int] = []
    until = time.monotonic() + TIME_LIMIT_S
    while len(times) < chunks and (len(times) < WARM_UP_CHUNKS or time.monotonic() < until):
        times.append(running.step())
    return np.array(times) / 1e6


def _timing(times_ms: NDArray[np.float64]) -> dict[str, CostFigure]:
    values = {f"chunk_ms_p{p}": float(np.percentile(times_ms, p)) for p in (50, 95, 99)}
    values["real_time_factor"] = float(times_ms.mean()) / DEADLINE_MS
    values["missed_deadlines"] = float((times_ms > DEADLINE_MS).mean())
    return {name: figure(name, value) for name, value in values.items()}


def _step_macs(counter: Counter) -> CostFigure:
    note = lower_bound(sorted(counter.unknown)) if counter.unknown else None
    return figure("step_macs_per_chunk", counter.macs / COUNTED_CHUNKS, note=note)


def _state(early: int, late: int, chunks: int) -> CostFigure:
    note = None
    if late != early:
        note = (
            f"not steady: {early} bytes after {WARM_UP_CHUNKS} chunks, {late} after {chunks} more"
        )
    return figure("state_bytes", late, note=note)
