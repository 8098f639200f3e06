"""A model chunk by chunk, as it runs on a device: the streaming form under the same channel.

The remote hears a frame and writes its hint, then the device hears the same frame and gets the hint
that ``seen`` hands out: the very vector that moves hints offline (:mod:`kbbench.channel`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kbbench.channel import NO_HINT, Seen
from kbbench.channel.recording import NOT_HEARD
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
    stepper = Stepper("model", model, mixture.shape[:2], enrollment)
    estimates = [stepper.step(frame)[0] for frame in frames(mixture, lookahead)]
    return Streamed(_joined(estimates, mixture), np.array(stepper.taken_s), np.zeros(0))


def stream_boosted(
    boosted: Boosted,
    mixture: Tensor,
    seen: Seen,
    lookahead: int,
    hint_dtype: torch.dtype,
    enrollment: Tensor | None = None,
    heard: NDArray[np.int64] | None = None,
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
        heard: (K,), for one mixture alone: the session in which the remote heard each frame, or -1
            where it did not; with each session it begins anew. None: it heard all of them in one.

    Raises:
        ValueError: ``seen`` is not as long as the mixture, or hands out a hint from the future, or
            of a frame that the remote did not hear.
        ModelError: one has no streaming form, raised, or broke the contract.
    """
    schedule = _checked(seen, mixture)
    sessions = _checked_sessions(heard, schedule)
    ages = torch.from_numpy(
        np.where(schedule == NO_HINT, NO_HINT, np.arange(schedule.shape[1]) - schedule)
    )
    ages = ages.to(mixture.device).T.contiguous()
    device = Stepper("device", boosted.device, mixture.shape[:2], enrollment)
    remote = _Listener(boosted.remote, mixture.shape[:2], enrollment, hint_dtype)
    sent: list[Tensor | None] = []
    estimates = []
    for k, frame in enumerate(frames(mixture, lookahead)):
        sent.append(remote.hear(frame.clone(), sessions[k]))
        arrived = _arrived(sent, schedule[:, k].tolist(), remote.like(frame))
        estimates.append(device.step(frame, hint=arrived, age=ages[k].clone())[0])
    return Streamed(_joined(estimates, mixture), np.array(device.taken_s), np.array(remote.taken_s))


def as_sent(hint: Tensor, hint_dtype: torch.dtype) -> Tensor:
    """A hint (B, ...) as it arrives: through the type that it is sent as, in one piece; a copy.

    The last bits of what a device computes may depend on how its inputs lie in memory, so what
    arrives over a network and what is handed over here lie alike.
    """
    return hint.to(hint_dtype, copy=True).to(torch.float32).contiguous()


class Stepper:
    """One model, its state, and the time of each step; every output is checked.

    Args:
        what: the model's name in complaints.
        model: in its streaming form.
        shape: (B, C) of what it hears.
        enrollment: (B, 1, T_e), target speech only.

    Raises:
        ModelError: it has no streaming form, raised, or broke the contract.
    """

    def __init__(
        self, what: str, model: Any, shape: Sequence[int], enrollment: Tensor | None
    ) -> None:
        if not isinstance(model, Streaming):
            raise ModelError(
                f"{what}: {type(model).__name__} has no streaming form; define "
                "start(batch, enrollment) and step(frame, state, ...)"
            )
        self.what, self.model = what, model
        self.state = _call(what, model.start, shape[0], enrollment)
        self.taken_s: list[float] = []

    def step(self, frame: Tensor, **hint: Tensor) -> tuple[Tensor, Tensor | None]:
        """Estimate (B, S, C, 128) of a chunk, and its hint (B, ...) where there is one."""
        started_s = time.perf_counter()
        chunk = len(self.taken_s)
        made = one_step(self.what, self.model, frame, self.state, chunk, **hint)
        self.taken_s.append(time.perf_counter() - started_s)
        estimate, told, self.state = made
        return estimate, told


def one_step(
    what: str, model: Any, frame: Tensor, state: Any, chunk: int, **hint: Tensor
) -> tuple[Tensor, Tensor | None, Any]:
    """A model's step, checked: estimate (B, S, C, 128), hint (B, ...) or None, and the next state.

    Args:
        what: the model's name in complaints.
        model: with ``step``.
        frame: (B, C, 128 + lookahead).
        state: before it.
        chunk: its number, in complaints.
        hint: ``hint`` and ``age``, of a device.

    Raises:
        ModelError: it raised, or broke the contract.
    """
    output = _call(what, model.step, frame, state, **hint)
    if not isinstance(output, tuple) or len(output) not in (2, 3):
        raise ModelError(
            f"{what}: step returned {type(output).__name__} at chunk {chunk}, "
            "expected (estimate, state) or (estimate, hint, state)"
        )
    estimate, *hints, after = output
    batch, channels = frame.shape[:2]
    shape = tuple(estimate.shape) if isinstance(estimate, Tensor) else None
    if shape is None or len(shape) != 4 or (shape[0], *shape[2:]) != (batch, channels, CHUNK):
        raise ModelError(
            f"{what}: step returned an estimate {shape} at chunk {chunk}, "
            f"expected ({batch}, sources, {channels}, {CHUNK})"
        )
    return estimate, hints[0] if hints else None, after


class _Listener:
    """A remote that hears a stream, or parts of it in sessions."""

    def __init__(
        self,
        model: Any,
        shape: Sequence[int],
        enrollment: Tensor | None,
        hint_dtype: torch.dtype,
    ) -> None:
        self._again = ("remote", model, shape, enrollment)
        self._stepper = Stepper(*self._again)
        self._hint_dtype = hint_dtype
        self._session: int | None = None
        self._zeros: Tensor | None = None
        self.taken_s: list[float] = []

    def hear(self, frame: Tensor, session: int) -> Tensor | None:
        """The hint of a frame, as it arrives; None where the frame is not heard."""
        if session == NOT_HEARD:
            return None
        if self._session is not None and session != self._session:
            self._stepper = Stepper(*self._again)
        self._session = session
        hint = as_sent(_hint_of(self._stepper, frame), self._hint_dtype)
        self.taken_s.append(self._stepper.taken_s[-1])
        if self._zeros is None:
            self._zeros = torch.zeros_like(hint)
        return hint

    def like(self, frame: Tensor) -> Tensor:
        """No hint: zeros as large as one."""
        if self._zeros is None:  # it has heard nothing yet: a step that does not count tells
            trial = _hint_of(Stepper(*self._again), frame.clone())
            self._zeros = torch.zeros_like(as_sent(trial, self._hint_dtype))
        return self._zeros


def _hint_of(stepper: Stepper, frame: Tensor) -> Tensor:
    hint = stepper.step(frame)[1]
    if hint is None:
        raise ModelError("remote: step returned no hint, expected (estimate, hint (B, ...), state)")
    return hint


def _call(what: str, function: Any, *arguments: Any, **hint: Tensor) -> Any:
    try:
        with torch.inference_mode():
            return function(*arguments, **hint)
    except Exception as error:
        name = getattr(function, "__name__", "step")
        raise ModelError(
            f"{what}: {name} raised {type(error).__name__}: {one_line(error)}"
        ) from error


def _checked(seen: Seen, mixture: Tensor) -> Seen:
    """The schedule (B, K) of each mixture."""
    batch, chunks = len(mixture), chunk_count(mixture.shape[-1])
    if seen.shape not in ((chunks,), (batch, chunks)):
        raise ValueError(f"seen {seen.shape}, expected ({chunks},) or ({batch}, {chunks})")
    if (seen < NO_HINT).any() or (seen > np.arange(chunks)).any():
        raise ValueError(f"seen hands out a hint from the future, or one below {NO_HINT}")
    return np.broadcast_to(seen, (batch, chunks))


def _checked_sessions(heard: NDArray[np.int64] | None, schedule: Seen) -> list[int]:
    """The session of each frame."""
    batch, chunks = schedule.shape
    if heard is None:
        return [0] * chunks
    if batch != 1 or heard.shape != (chunks,):
        raise ValueError(f"heard {heard.shape} for {batch} mixtures, expected ({chunks},) for one")
    used = schedule[0][schedule[0] != NO_HINT]
    if (heard[used] == NOT_HEARD).any():
        raise ValueError("seen hands out a hint of a frame that the remote did not hear")
    return [int(session) for session in heard]


def _arrived(sent: list[Tensor | None], index: list[int], nothing: Tensor) -> Tensor:
    """The hints (B, ...) of these places, zeros where there is none; a copy."""
    hints = [nothing if i == NO_HINT else sent[i] for i in index]
    first = index[0]
    if index.count(first) == len(index):
        return _there(hints[0]).clone()
    return torch.stack([_there(hint)[b] for b, hint in enumerate(hints)])


def _there(hint: Tensor | None) -> Tensor:
    assert hint is not None, "checked with the schedule"
    return hint


def _joined(estimates: list[Tensor], mixture: Tensor) -> Tensor:
    return torch.cat(estimates, dim=-1)[..., : mixture.shape[-1]]
