"""A user's models called on noise, every output checked against the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kbbench.channel import deliver, fixed
from kbbench.cost.noise import CHANNELS, Noise
from kbbench.errors import ModelError, one_line
from kbbench.models.checks import kind
from kbbench.models.contract import Boosted
from kbbench.models.loading import LoadedTriple
from kbbench.rng import Stream
from kbbench.runner import CPU, hint_bits, place
from kbbench.units import CHUNK


@dataclass(frozen=True)
class Subject:
    """One of a triple's models: ``name`` is small, device, large or remote."""

    loaded: LoadedTriple
    name: str
    model: Any

    @property
    def takes_hints(self) -> bool:
        """It is the boosted model's device part."""
        return self.name == "device"

    @property
    def uncounted(self) -> str | None:
        """Why torch does not see what it computes, where that is so."""
        reason: str | None = getattr(self.model, "uncounted", None)
        return reason

    @property
    def is_remote(self) -> bool:
        """It may write hints beside its estimates."""
        return self.name in ("large", "remote")

    def error(self, what: str, cause: Exception | None = None) -> ModelError:
        """A complaint that names the file and the model."""
        message = f"{self.loaded.path}: {self.name} {what}"
        if cause is not None:
            message += f" raised {type(cause).__name__}: {one_line(cause)}; --verbose shows where"
        return ModelError(message)

    def offline(self, heard: Noise, hints: dict[str, Tensor]) -> Tensor | None:
        """Run ``forward``.

        Args:
            heard: what it hears; an oracle is given the reference too.
            hints: further arguments: hints, seen_mask and age, or none.

        Returns:
            the hints (1, K, ...) as a remote wrote them, else None.

        Raises:
            ModelError: it raised, or its output breaks the contract.
        """
        given: dict[str, Any] = {"enrollment": heard.enrollment, **hints}
        if self.loaded.triple.oracle:
            given["reference"] = heard.reference
        output = self.guarded("forward", self.model, heard.mixture.clone(), **given)
        told = None
        if self.is_remote and isinstance(output, tuple) and len(output) == 2:
            output, told = output
        self.check(output, heard.chunks * CHUNK, "forward")
        if told is not None and (
            not isinstance(told, Tensor) or told.shape[1:2] != (heard.chunks,)
        ):
            raise self.error(f"returned hints {kind(told)}, expected (1, {heard.chunks}, ...)")
        return told

    def guarded(self, what: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the user's code; whatever it raises becomes one line."""
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise self.error(what, error) from error

    def check(self, estimates: Any, samples: int, what: str) -> None:
        """Estimates are (1, sources, ears, samples)."""
        ok = isinstance(estimates, Tensor) and estimates.ndim == 4
        if not ok or (estimates.shape[0], *estimates.shape[2:]) != (1, CHANNELS, samples):
            raise self.error(
                f"{what} returned {kind(estimates)}, expected estimates "
                f"(batch, sources, channels, samples) = (1, sources, {CHANNELS}, {samples})"
            )


def subjects(loaded: LoadedTriple, delay_chunks: int) -> dict[str, Subject]:
    """Small, device, large, and the remote where it is another model than the large one.

    Of a boosted model with an opaque link the device is all of it: it has no remote of its own.
    All are on the CPU from now on, where cost is measured, wherever they ran before.
    """
    triple, boosted = loaded.triple, loaded.boosted_at(delay_chunks)
    models: dict[str, Any] = {"small": triple.small, "device": boosted.models[0]}
    models["large"] = triple.large
    if isinstance(boosted, Boosted) and boosted.remote is not triple.large:
        models["remote"] = boosted.remote
    place(list(models.values()), CPU)
    return {name: Subject(loaded, name, model) for name, model in models.items()}


@dataclass(frozen=True)
class Link:
    """Hints on their way to the device: ``sent`` (1, K, ...) as float32 after ``hint_dtype``."""

    sent: Tensor
    bits_per_chunk: int
    delay_chunks: int

    def offline(self) -> dict[str, Tensor]:
        """The hints, mask and age that ``forward`` is given."""
        seen = fixed(self.delay_chunks).seen(self.sent.shape[1], Stream("cost"))
        return deliver(self.sent, seen).as_arguments()

    def at(self, chunk: int) -> tuple[Tensor, Tensor]:
        """Hint (1, ...) and age (1,) at a step; after the last hint the first one comes again."""
        written = chunk - self.delay_chunks
        if written < 0:
            return torch.zeros_like(self.sent[:, 0]), torch.tensor([-1])
        return self.sent[:, written % self.sent.shape[1]], torch.tensor([self.delay_chunks])


def link(remote: Subject, told: Tensor | None, delay_chunks: int) -> Link:
    """What a remote wrote, as it is sent.

    Raises:
        ModelError: it wrote no hints.
    """
    if told is None:
        raise remote.error("returned estimates alone, expected (estimates, hints (B, K, ...))")
    sent = told.to(remote.loaded.triple.hint_dtype)
    return Link(sent.to(torch.float32), hint_bits(sent), delay_chunks)
