"""The contract of a triple: a small model, a large one, and the small one boosted.

Protocols, not base classes: any ``torch.nn.Module`` with the right ``forward`` fits.
Axes are (batch, sources, channels, samples); K is the number of chunks, ``ceil(T / 128)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor

Task = Literal["separation", "target_speech", "enhancement"]
TASKS: tuple[str, ...] = get_args(Task)


class Device(Protocol):
    """A model that runs on the device: the small one, or the boosted one's device part."""

    def __call__(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Tensor:
        """Estimate the sources of a mixture, looking at most 64 samples past each chunk.

        Args:
            mixture: (B, C, T), float32, full scale 1.
            enrollment: (B, 1, T_e), another utterance of the wanted talker; target speech only.
            hints: (B, K, ...), already moved in time: ``hints[:, k]`` is the newest hint that has
                arrived when chunk k is written, or zeros where none has. None for the small model.
            seen_mask: (B, K), bool: False where no hint has arrived.
            age: (B, K), int64: how many chunks old the hint is; -1 where none has arrived.

        Returns:
            estimates (B, S, C, T).
        """


class Remote(Protocol):
    """A model that runs remotely: it hears what the device hears, and writes one hint a chunk."""

    def __call__(
        self, mixture: Tensor, *, enrollment: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Estimate the sources, and what to tell the device.

        Args:
            mixture: (B, C, T).
            enrollment: (B, 1, T_e), target speech only.

        Returns:
            estimates (B, S, C, T), or (estimates, hints (B, K, ...)): ``hints[:, k]`` must come
            from the audio that the device had when it wrote chunk k.
        """


@runtime_checkable
class Streaming(Protocol):
    """The streaming form of a device or remote; its state is explicit, nothing is hidden."""

    def start(self, batch: int, enrollment: Tensor | None = None) -> Any:
        """The state before the first chunk."""

    def step(self, frame: Tensor, state: Any, *args: Any, **kwargs: Any) -> Any:
        """One chunk: frame (B, C, 128 + lookahead), hint (B, ...) or None, age (B,) or None.

        Returns:
            (estimate (B, S, C, 128), state); a remote: (estimate, hint (B, ...), state).
        """


@dataclass(frozen=True)
class Boosted:
    """A device part and the remote whose hints it takes.

    Where ``remote is triple.large`` its hints are computed once for every delay and channel.
    """

    device: Device
    remote: Remote

    @property
    def models(self) -> list[Any]:
        """Its parts."""
        return [self.device, self.remote]


@dataclass(frozen=True)
class Opaque:
    """A boosted model in one piece, at one delay: hints are made, delayed and used inside it.

    The harness does not own its link, so it is marked "opaque link" everywhere and ranked apart.

    Args:
        whole: called as a device without hints.
    """

    whole: Device

    @property
    def models(self) -> list[Any]:
        """Its one part."""
        return [self.whole]


@dataclass(frozen=True)
class Triple:
    """What a user's file returns from ``triple()``.

    Args:
        name: shown in tables; one line.
        task: separation, target_speech or enhancement.
        small: the model on the device without help.
        large: the remote model by itself.
        boosted: one ``Boosted``, or a function from the delay in chunks to one (weights trained
            for each delay), or to an ``Opaque``.
        hint_dtype: what hints are sent as; they pass through it, so the kbit/s are real.
        lookahead: samples that the models look past the end of a chunk, at most 64.
        oracle: the models are given ``reference=`` (B, S, C, T) beside their other arguments.
            For bounds alone: an oracle is marked everywhere and never ranks.
    """

    name: str
    task: Task
    small: Device
    large: Remote
    boosted: Boosted | Callable[[int], Boosted | Opaque]
    hint_dtype: torch.dtype = torch.float16
    lookahead: int = 64
    oracle: bool = False

    def boosted_at(self, delay_chunks: int) -> Boosted | Opaque:
        """The boosted model to use at a delay."""
        return self.boosted if isinstance(self.boosted, Boosted) else self.boosted(delay_chunks)
