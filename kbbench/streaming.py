"""A model chunk by chunk, as it runs on a device: the streaming form under the same channel.

The remote hears a frame and writes its hint, then the device hears the same frame and gets the hint
that ``seen`` hands out: the very vector that moves hints offline (:mod:`kbbench.channel`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbbench.channel import NO_HINT, Seen
from kbbench.errors import ModelError, one_line
from kbbench.models.contract import Boosted, Streaming
from kbbench.models.frames import frames
from kbbench.units import CHUNK, chunk_count


@dataclass(frozen=True, eq=False)
class Streamed:
    """What came out, and how long each step took.

    Args:
        estimates: (B, S, C, T), as long as the mixture.
        device_s: (K,), wall-clock seconds of each of the device's steps.
        remote_s: (K,), of each of the remote's; empty where there is none.
    """

    estimates: Tensor
    device_s: NDArray[np.float64]
    remote_s: NDArray[np.float64]


def stream_alone(
    model: Any, mixture: Tensor, lookahead: int, enrollment: Tensor | None = None
) -> Streamed:
    """A small model, or a large one, by itself.

    Args:
        model: in its streaming form.
        mixture: (B, C, T).
        lookahead: samples of each frame past its chunk; past the end they are zeros.
        enrollment: (B, 1, T_e), target speech only.

    Raises:
        ModelError: it has no streaming form, raised, or broke the contract.
    """
    stepper = _Stepper("model", model, mixture, enrollment)
    estimates = [stepper.step(frame)[0] for frame in frames(mixture, lookahead)]
    return Streamed(_joined(estimates, mixture), np.array(stepper.taken_s), np.zeros(0))


def stream_boosted(
    boosted: Boosted,
    mixture: Tensor,
    seen: Seen,
    lookahead: int,
    hint_dtype: torch.dtype,
    enrollment: Tensor | None = None,
) -> Streamed:
    """A device and its remote, with hints that come as late as a channel says.

    Before its first hint a device is given zeros and an age of -1, as offline.

    Args:
        boosted: both in their streaming form.
        mixture: (B, C, T).
        seen: (B, K) or (K,), the hint that the device may use at each step, or -1.
        lookahead: samples of each frame past its chunk; past the end they are zeros.
        hint_dtype: what hints are sent as.
        enrollment: (B, 1, T_e), target speech only.

    Raises:
        ValueError: ``seen`` is not as long as the mixture, or hands out a hint from the future.
        ModelError: one has no streaming form, raised, or broke the contract.
    """
    schedule = _checked(seen, mixture)
    ages = torch.from_numpy(
        np.where(schedule == NO_HINT, NO_HINT, np.arange(schedule.shape[1]) - schedule)
    )
    ages = ages.to(mixture.device).T.contiguous()
    device = _Stepper("device", boosted.device, mixture, enrollment)
    remote = _Stepper("remote", boosted.remote, mixture, enrollment)
    sent: list[Tensor] = []
    estimates = []
    for k, frame in enumerate(frames(mixture, lookahead)):
        hint = remote.step(frame)[1]
        if hint is None:
            raise ModelError(
                "remote: step returned no hint, expected (estimate, hint (B, ...), state)"
            )
        sent.append(hint.to(hint_dtype).to(torch.float32))
        arrived = _arrived(sent, schedule[:, k].tolist())
        estimates.append(device.step(frame, hint=arrived, age=ages[k].clone())[0])
    return Streamed(_joined(estimates, mixture), np.array(device.taken_s), np.array(remote.taken_s))


class _Stepper:
    """One model, its state, and the time of each step; every output is checked."""

    def __init__(self, what: str, model: Any, mixture: Tensor, enrollment: Tensor | None) -> None:
        if not isinstance(model, Streaming):
            raise ModelError(
                f"{what}: {type(model).__name__} has no streaming form; define "
                "start(batch, enrollment) and step(frame, state, ...)"
            )
        self._what, self._model = what, model
        self._expected = (len(mixture), mixture.shape[1], CHUNK)
        self._state = self._call(model.start, len(mixture), enrollment)
        self.taken_s: list[float] = []

    def step(self, frame: Tensor, **hint: Tensor) -> tuple[Tensor, Tensor | None]:
        """Estimate (B, S, C, 128) of a chunk, and its hint (B, ...) where there is one."""
        started_s = time.perf_counter()
        output = self._call(self._model.step, frame, self._state, **hint)
        self.taken_s.append(time.perf_counter() - started_s)
        if not isinstance(output, tuple) or len(output) not in (2, 3):
            raise ModelError(
                f"{self._what}: step returned {type(output).__name__} at chunk "
                f"{len(self.taken_s) - 1}, expected (estimate, state) or (estimate, hint, state)"
            )
        estimate, *hints, self._state = output
        batch, channels, samples = self._expected
        shape = tuple(estimate.shape) if isinstance(estimate, Tensor) else None
        if shape is None or len(shape) != 4 or (shape[0], *shape[2:]) != self._expected:
            raise ModelError(
                f"{self._what}: step returned an estimate {shape} at chunk "
                f"{len(self.taken_s) - 1}, expected ({batch}, sources, {channels}, {samples})"
            )
        return estimate, hints[0] if hints else None

    def _call(self, function: Any, *arguments: Any, **hint: Tensor) -> Any:
        try:
            with torch.inference_mode():
                return function(*arguments, **hint)
        except Exception as error:
            name = getattr(function, "__name__", "step")
            raise ModelError(
                f"{self._what}: {name} raised {type(error).__name__}: {one_line(error)}"
            ) from error


def _checked(seen: Seen, mixture: Tensor) -> Seen:
    """The schedule (B, K) of each mixture."""
    batch, chunks = len(mixture), chunk_count(mixture.shape[-1])
    if seen.shape not in ((chunks,), (batch, chunks)):
        raise ValueError(f"seen {seen.shape}, expected ({chunks},) or ({batch}, {chunks})")
    if (seen < NO_HINT).any() or (seen > np.arange(chunks)).any():
        raise ValueError(f"seen hands out a hint from the future, or one below {NO_HINT}")
    return np.broadcast_to(seen, (batch, chunks))


def _arrived(sent: list[Tensor], index: list[int]) -> Tensor:
    """The hints (B, ...) of these places, zeros where there is none; a copy."""
    first = index[0]
    if index.count(first) == len(index):
        return torch.zeros_like(sent[-1]) if first == NO_HINT else sent[first].clone()
    nothing = torch.zeros_like(sent[-1][0])
    return torch.stack([sent[i][b] if i != NO_HINT else nothing for b, i in enumerate(index)])


def _joined(estimates: list[Tensor], mixture: Tensor) -> Tensor:
    return torch.cat(estimates, dim=-1)[..., : mixture.shape[-1]]
