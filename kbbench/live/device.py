"""The device: chunk by chunk, on time, with the newest hint that has arrived."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbbench.channel.index import NO_HINT
from kbbench.channel.recording import OLDEST_CHUNKS, RecordedMixture
from kbbench.live.clock import Clock, FastClock, Offset
from kbbench.live.compute import from_bytes
from kbbench.live.handshake import Ended
from kbbench.live.link import Link
from kbbench.live.record import Times, Watch
from kbbench.models.contract import Device
from kbbench.models.frames import frames
from kbbench.streaming import Stepper
from kbbench.units import HEADLINE_DELAY, chunk_count

AHEAD_CHUNKS = HEADLINE_DELAY
"""A device that is not held back by a clock waits for the remote where it is so far ahead."""
PATIENCE_S = 0.25
"""It does not wait longer than this: hints get lost."""


@dataclass(frozen=True, eq=False)
class Lived:
    """A mixture that went over the link.

    Args:
        estimates: (S, C, T), float32.
        recorded: as it stands in a trace.
        times: columns of :data:`kbbench.live.record.TIMES`, each (K,).
        seen: (K,), the hint that was used at each step.
        bytes_up: of each frame that was sent, (K,).
        bytes_down: of each hint that arrived, (K,).
        ended: what the remote says of it, where it still did.
        unsent: frames that found no link, or were dropped since it was slow.
        restarts: streams that were begun anew, since it was not known what the remote had heard.
    """

    estimates: NDArray[np.float32]
    recorded: RecordedMixture
    times: dict[str, Times]
    seen: NDArray[np.int64]
    bytes_up: NDArray[np.int64]
    bytes_down: NDArray[np.int64]
    ended: Ended | None
    unsent: int
    restarts: int


@dataclass(frozen=True)
class LiveDevice:
    """A device part with its link.

    Args:
        model: in its streaming form.
        link: open.
        clock: that tells when frames are there.
        offset: of the remote's clock, learned as hints come.
        lookahead: samples of a frame past its chunk.
        hint_dtype: what hints are sent as.
        oldest_chunks: a hint that is older counts as none.
    """

    model: Device
    link: Link
    clock: Clock
    offset: Offset
    lookahead: int
    hint_dtype: torch.dtype
    oldest_chunks: int = OLDEST_CHUNKS

    def run(self, mixture: Tensor, enrollment: Tensor | None = None) -> Lived:
        """Stream a mixture.

        Args:
            mixture: (C, T).
            enrollment: (1, T_e), target speech only.

        Raises:
            ModelError: a model raised, or broke the contract.
            InputError: the link is closed for good.
        """
        given = None if enrollment is None else enrollment[None].clone()
        stepper = Stepper("device", self.model, (1, len(mixture)), given)
        unsent, restarts = self.link.unsent, 0
        self.link.begin(None if enrollment is None else enrollment.numpy())
        self.clock.start()
        began_ns = time.monotonic_ns()
        chunks = chunk_count(mixture.shape[-1])
        watch = Watch(chunks, self.offset, self.oldest_chunks, began_ns)
        estimates = []
        for k, frame in enumerate(frames(mixture[None], self.lookahead)):
            watch.heard(k, self.clock.wait(k))
            sent_ns = time.monotonic_ns()
            if self.link.send(k, frame[0].numpy().copy()):
                watch.sent(k, sent_ns)
            if not self._collect(watch, k):
                self.link.restart(wait=isinstance(self.clock, FastClock))
                restarts += 1
            estimates.append(self._step(stepper, watch, k, frame))
        ended = self.link.end()
        made = torch.cat(estimates, dim=-1)[0, ..., : mixture.shape[-1]]
        array = np.ascontiguousarray(made.numpy(), dtype=np.float32)
        bytes_up = np.zeros(chunks, dtype=np.int64)
        for chunk, size in self.link.sent():
            bytes_up[chunk] += size
        return Lived(
            estimates=array,
            recorded=watch.recorded(array),
            times=watch.times(),
            seen=watch.seen,
            bytes_up=bytes_up,
            bytes_down=watch.bytes_down(),
            ended=ended,
            unsent=self.link.unsent - unsent,
            restarts=restarts,
        )

    def _collect(self, watch: Watch, step: int) -> bool:
        """Take the hints that are there; wait for the remote only where no clock holds us back."""
        whole = watch.take(self.link.arrived(), step)
        if not isinstance(self.clock, FastClock):
            return whole
        until_s = time.monotonic() + PATIENCE_S
        while whole and self.link.ready and watch.answered < step - AHEAD_CHUNKS:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            whole = watch.take(self.link.arrived(left_s), step)
        return whole

    def _step(self, stepper: Stepper, watch: Watch, step: int, frame: Tensor) -> Tensor:
        began_ns = time.monotonic_ns()
        arrival = watch.newest(step)
        shape = self.link.met.welcome.hint_shape
        if arrival is None:
            hint, age = torch.zeros(1, *shape), NO_HINT
        else:
            hint = from_bytes(arrival.hint.values, self.hint_dtype, shape)
            age = step - arrival.hint.chunk
        estimate = stepper.step(frame, hint=hint, age=torch.tensor([age]))[0]
        watch.stepped(step, began_ns, time.monotonic_ns())
        return estimate
