"""A triple on a dataset through channels: estimates, checked, on their way to the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kbbench.audio import Pcm, to_float
from kbbench.channel import Channel, deliver
from kbbench.errors import InputError, ModelError, one_line
from kbbench.models.loading import LoadedTriple
from kbbench.scenes.dataset import Mixture
from kbbench.units import CHUNK, SAMPLE_RATE, chunk_count

Estimates = NDArray[np.float32]
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Condition:
    """One way to run a triple.

    Args:
        name: as it stands in tables: ``small``, ``large``, ``boosted@6``, ...
        model: small, large or boosted.
        channel: the link; boosted alone.
        other_hints: the hints are those of another mixture (a control).
    """

    name: str
    model: str
    channel: Channel | None = None
    other_hints: bool = False

    @property
    def delay_chunks(self) -> int | None:
        """The delay of the link, where hints do arrive and it is fixed."""
        if self.channel is None or self.channel.kind != "fixed":
            return None
        return self.channel.delay_chunks


@dataclass(frozen=True)
class Batch:
    """Mixtures of one length as tensors: mixture (B, C, T), references (B, S, C, T)."""

    ids: tuple[str, ...]
    mixture: Tensor
    references: Tensor
    enrollment: Tensor | None

    def part(self, start: int, end: int) -> Batch:
        """Mixtures [start, end)."""
        enrollment = None if self.enrollment is None else self.enrollment[start:end]
        return Batch(
            self.ids[start:end], self.mixture[start:end], self.references[start:end], enrollment
        )

    def to(self, device: torch.device) -> Batch:
        """The same mixtures, where models compute."""
        enrollment = None if self.enrollment is None else self.enrollment.to(device)
        return Batch(self.ids, self.mixture.to(device), self.references.to(device), enrollment)


@dataclass(frozen=True)
class Heard:
    """What a remote made of a batch: estimates (B, S, C, T), hints (B, K, ...) as they arrive."""

    what: str
    estimates: Tensor
    hints: Tensor | None


def read_batch(mixtures: Sequence[Mixture]) -> Batch:
    """Read mixtures of one dataset.

    Raises:
        InputError: a file is missing or damaged, or lengths differ.
    """
    lengths = {mixture.row["samples"] for mixture in mixtures}
    if len(lengths) != 1:
        raise InputError(f"mixtures of {sorted(lengths)} samples in one batch, expected one length")
    sources = sum(stem.startswith("source-") for stem in mixtures[0].stems)
    references = [[m.read(f"source-{s}") for s in range(sources)] for m in mixtures]
    enrolled = "enrollment" in mixtures[0].stems
    return Batch(
        ids=tuple(mixture.id for mixture in mixtures),
        mixture=_tensor([mixture.read("mixture") for mixture in mixtures]),
        references=torch.stack([_tensor(stems) for stems in references]),
        enrollment=_tensor([m.read("enrollment") for m in mixtures]) if enrolled else None,
    )


def read_talkers(mixture: Mixture) -> Estimates | None:
    """The wanted talker and the others, all whole as they are heard: (talkers, C, T).

    None where every talker is wanted, or there is one alone.

    Raises:
        InputError: a file is missing or damaged.
    """
    others = sorted(stem for stem in mixture.stems if stem.startswith("other-"))
    if not others:
        return None
    parts = [stem for stem in ("source-0", "reverberation-0") if stem in mixture.stems]
    wanted = np.sum([to_float(mixture.read(stem)) for stem in parts], axis=0)
    whole = [wanted, *(to_float(mixture.read(stem)) for stem in others)]
    return np.stack(whole).astype(np.float32)


class Runner:
    """Runs one triple's models on batches; every output is checked against the contract.

    Args:
        loaded: the triple; its modules are moved to the device.
        device: where models compute.
    """

    def __init__(self, loaded: LoadedTriple, device: torch.device = CPU) -> None:
        self.loaded = loaded
        self.device = device
        self.hint_bits_per_chunk = 0

    def run(
        self, batch: Batch, conditions: Sequence[Condition]
    ) -> Iterator[tuple[Condition, Estimates]]:
        """Estimates of all but the batch's last mixture, under each condition.

        Args:
            batch: the mixtures, and one more: each one's successor lends it its hints for the
                control ``other_hints``, so a remote runs once, whatever the conditions.
            conditions: what to run.

        Yields:
            a condition and its estimates (B - 1, S, C, T).

        Raises:
            ModelError: a model raised, or its output breaks the contract.
        """
        batch = batch.to(self.device)
        own = batch.part(0, len(batch.ids) - 1)
        heard: dict[int, Heard] = {}

        def listen(remote: Any, what: str) -> Heard:
            if id(remote) not in heard:
                heard[id(remote)] = self._remote(remote, what, batch)
            return heard[id(remote)]

        for condition in conditions:
            if condition.model == "small":
                estimates = self._device(self.loaded.triple.small, "small", own, {})
            elif condition.channel is None:
                estimates = listen(self.loaded.triple.large, "large").estimates[:-1]
            else:
                boosted = self.loaded.boosted_at(condition.channel.delay_chunks)
                hints = self._hints(listen(boosted.remote, f"remote of {condition.name}"))
                hints = hints[1:] if condition.other_hints else hints[:-1]
                estimates = self._boosted(boosted.device, own, condition, condition.channel, hints)
            yield condition, estimates.to(CPU, torch.float32).numpy()

    def _hints(self, heard: Heard) -> Tensor:
        if heard.hints is None:
            raise ModelError(
                f"{self.loaded.path}: {heard.what} returned estimates alone, "
                "expected (estimates, hints (B, K, ...))"
            )
        return heard.hints

    def _boosted(
        self, device: Any, batch: Batch, condition: Condition, channel: Channel, hints: Tensor
    ) -> Tensor:
        seen = np.stack([channel.seen_by(name, hints.shape[1]) for name in batch.ids])
        arguments = deliver(hints, seen).as_arguments()
        return self._device(device, f"device of {condition.name}", batch, arguments)

    def _device(self, model: Any, what: str, batch: Batch, arguments: dict[str, Any]) -> Tensor:
        return self._estimates(self._call(model, what, batch, arguments), what, batch)

    def _remote(self, model: Any, what: str, batch: Batch) -> Heard:
        output = self._call(model, what, batch, {})
        if not isinstance(output, tuple):
            return Heard(what, self._estimates(output, what, batch), None)
        if len(output) != 2 or not isinstance(output[1], Tensor):
            raise ModelError(
                f"{self.loaded.path}: {what} returned {_kind(output)}, "
                "expected estimates or (estimates, hints)"
            )
        hints = output[1]
        size, chunks = len(batch.ids), chunk_count(batch.mixture.shape[-1])
        if hints.shape[:2] != (size, chunks):
            raise ModelError(
                f"{self.loaded.path}: {what} returned hints {tuple(hints.shape)} for mixture "
                f"{batch.ids[0]}, expected ({size}, {chunks}, ...): one hint a chunk of {CHUNK}"
            )
        sent = hints.to(self.loaded.triple.hint_dtype)
        self._finite(sent, f"hints of {what}", batch)
        self.hint_bits_per_chunk = 8 * sent.element_size() * sent[0, 0].numel()
        return Heard(what, self._estimates(output[0], what, batch), sent.to(torch.float32))

    def _call(self, model: Any, what: str, batch: Batch, arguments: dict[str, Any]) -> Any:
        if isinstance(model, nn.Module):
            model.to(self.device)  # where it is there already, this is no work
        if self.loaded.triple.oracle:
            arguments = {**arguments, "reference": batch.references}
        try:
            with torch.inference_mode():
                # A copy: a model that works in place must not change what the next one hears.
                return model(batch.mixture.clone(), enrollment=batch.enrollment, **arguments)
        except Exception as error:
            raise ModelError(
                f"{self.loaded.path}: {what} raised {type(error).__name__} on mixture "
                f"{batch.ids[0]}: {one_line(error)}; --verbose shows where"
            ) from error

    def _estimates(self, output: Any, what: str, batch: Batch) -> Tensor:
        expected = tuple(batch.references.shape)
        if not isinstance(output, Tensor) or tuple(output.shape) != expected:
            got = tuple(output.shape) if isinstance(output, Tensor) else _kind(output)
            raise ModelError(
                f"{self.loaded.path}: {what} returned {got} for mixture {batch.ids[0]}, expected "
                f"(batch, sources, channels, samples) = {expected}"
            )
        self._finite(output, f"output of {what}", batch)
        return output

    def _finite(self, values: Tensor, what: str, batch: Batch) -> None:
        bad = ~torch.isfinite(values)
        if bad.any():
            first = [int(index) for index in bad.nonzero()[0]]
            raise ModelError(
                f"{self.loaded.path}: {what} for mixture {batch.ids[first[0]]} is "
                f"{float(values[tuple(first)])} at {tuple(first[1:])}, expected finite numbers"
            )


def find_device(name: str) -> torch.device:
    """``cpu`` or ``cuda``, in full float32 precision: scores shall not depend on the device.

    Raises:
        InputError: there is no such device here.
    """
    if name == "cuda":
        if not torch.cuda.is_available():
            raise InputError(
                f"--device cuda: PyTorch {torch.__version__} finds no CUDA device here; take "
                "--device cpu, or a machine and a PyTorch build that have one"
            )
        torch.backends.cudnn.allow_tf32 = False  # PyTorch's default rounds convolutions to 10 bits
    elif name != "cpu":
        raise InputError(f"--device {name}: expected cpu or cuda")
    return torch.device(name)


def hint_kbit_per_s(bits_per_chunk: int) -> float:
    """What hints cost the link."""
    return bits_per_chunk * SAMPLE_RATE / CHUNK / 1000


def _tensor(stems: Sequence[Pcm]) -> Tensor:
    return torch.from_numpy(np.stack([to_float(pcm) for pcm in stems]).astype(np.float32))


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {', '.join(type(item).__name__ for item in value)}"
    return type(value).__name__
