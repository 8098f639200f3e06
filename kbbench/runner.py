"""A triple on a dataset through channels: estimates, checked, on their way to the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kbbench.audio import Pcm, to_float
from kbbench.channel import Channel, deliver
from kbbench.errors import InputError, ModelError, one_line
from kbbench.models.checks import Given, estimate_problems, no_hints, remote_problems
from kbbench.models.contract import Boosted, Opaque
from kbbench.models.loading import LoadedTriple
from kbbench.scenes.dataset import Mixture
from kbbench.streaming import stream_boosted
from kbbench.units import CHUNK, SAMPLE_RATE

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
        live: its estimates are those that device and remote gave over a real link.
    """

    name: str
    model: str
    channel: Channel | None = None
    other_hints: bool = False
    live: bool = False

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

    @property
    def given(self) -> Given:
        """What must come out of a model that hears them."""
        _, sources, channels, samples = self.references.shape
        return Given(self.ids, sources, channels, samples)

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


Listen = Callable[[Any, str], Heard]
"""From a remote and its name in complaints to what it made of the batch, once."""


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
        """Estimates of a batch under each condition.

        Args:
            batch: the mixtures. For the control ``other_hints`` each takes the hints of its partner
                in the batch (:func:`partners`), so a remote runs once, whatever the conditions.
            conditions: what to run.

        Yields:
            a condition and its estimates (B, S, C, T).

        Raises:
            ModelError: a model raised, or its output breaks the contract.
        """
        batch = batch.to(self.device)
        heard: dict[int, Heard] = {}

        def listen(remote: Any, what: str) -> Heard:
            if id(remote) not in heard:
                heard[id(remote)] = self._remote(remote, what, batch)
            return heard[id(remote)]

        for condition in conditions:
            if condition.model == "small":
                estimates = self._device(self.loaded.triple.small, "small", batch, {})
            elif condition.channel is None:
                estimates = listen(self.loaded.triple.large, "large").estimates
            else:
                estimates = self._boosted(batch, condition, condition.channel, listen)
            yield condition, _array(estimates)

    def _hints(self, heard: Heard) -> Tensor:
        if heard.hints is None:
            raise ModelError(f"{self.loaded.path}: {no_hints(heard.what)}")
        return heard.hints

    def _boosted(
        self, batch: Batch, condition: Condition, channel: Channel, listen: Listen
    ) -> Tensor:
        boosted = self.loaded.boosted_at(channel.delay_chunks)
        if isinstance(boosted, Opaque):
            return self._device(boosted.whole, f"boosted of {condition.name}", batch, {})
        if channel.streamed:
            return self._streamed(batch, condition, channel, boosted)
        hints = self._hints(listen(boosted.remote, f"remote of {condition.name}"))
        if condition.other_hints:
            hints = hints[partners(len(batch.ids))]
        seen = np.stack([channel.seen_by(name, hints.shape[1]) for name in batch.ids])
        arguments = deliver(hints, seen).as_arguments()
        return self._device(boosted.device, f"device of {condition.name}", batch, arguments)

    def _streamed(
        self, batch: Batch, condition: Condition, channel: Channel, boosted: Boosted
    ) -> Tensor:
        """Chunk by chunk, a mixture at a time, as it runs live: the same bits."""
        place(boosted.models, self.device)
        chunks = batch.given.chunks
        rows = []
        for row, name in enumerate(batch.ids):
            enrollment = batch.enrollment
            try:
                result = stream_boosted(
                    boosted,
                    batch.mixture[row : row + 1],
                    channel.seen_by(name, chunks),
                    self.loaded.triple.lookahead,
                    self.loaded.triple.hint_dtype,
                    None if enrollment is None else enrollment[row : row + 1].clone(),
                    channel.heard_by_remote(name, chunks),
                )
            except ModelError as error:
                raise ModelError(
                    f"{self.loaded.path}: {condition.name}: {error} on mixture {name}"
                ) from error
            rows.append(result.estimates)
        estimates = torch.cat(rows)
        self._refuse(estimate_problems(f"device of {condition.name}", estimates, batch.given))
        return estimates

    def _device(self, model: Any, what: str, batch: Batch, arguments: dict[str, Any]) -> Tensor:
        output: Tensor = self._call(model, what, batch, arguments)
        self._refuse(estimate_problems(what, output, batch.given))
        return output

    def _remote(self, model: Any, what: str, batch: Batch) -> Heard:
        output = self._call(model, what, batch, {})
        hint_dtype = self.loaded.triple.hint_dtype
        self._refuse(remote_problems(what, output, batch.given, hint_dtype))
        if not isinstance(output, tuple):
            return Heard(what, output.clone(), None)
        estimates, hints = output
        sent = hints.to(hint_dtype, copy=True)
        self.hint_bits_per_chunk = hint_bits(sent)
        return Heard(what, estimates.clone(), sent.to(torch.float32))

    def _call(self, model: Any, what: str, batch: Batch, arguments: dict[str, Any]) -> Any:
        place([model], self.device)
        # Copies: a model that works in place must not change what the next one hears.
        given = {"enrollment": batch.enrollment, **arguments}
        if self.loaded.triple.oracle:
            given["reference"] = batch.references
        copies = {k: v.clone() if isinstance(v, Tensor) else v for k, v in given.items()}
        try:
            with torch.inference_mode():
                return model(batch.mixture.clone(), **copies)
        except (Exception, SystemExit) as error:
            raise ModelError(
                f"{self.loaded.path}: {what} raised {type(error).__name__} on mixture "
                f"{batch.ids[0]}: {one_line(error)}; --verbose shows where"
            ) from error

    def _refuse(self, problems: list[str]) -> None:
        """The first problem of an output ends the run."""
        if problems:
            raise ModelError(f"{self.loaded.path}: {problems[0]}")


def partners(count: int) -> list[int]:
    """Whose hints each of a batch's mixtures takes where they shall be another's.

    Two by two they swap; three that are left at the end pass them round. So a mixture's partner
    does not depend on the size of batches that begin at even numbers and hold no single one.

    >>> partners(4), partners(5)
    ([1, 0, 3, 2], [1, 0, 3, 4, 2])
    """
    pairs = [index ^ 1 for index in range(count)]
    if count % 2 and count > 1:
        pairs[-3:] = [count - 2, count - 1, count - 3]
    return pairs if count > 1 else [0]


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


def hint_bits(sent: Tensor) -> int:
    """Bits of one hint, of hints (B, K, ...) in the type that they are sent as."""
    return 8 * sent.element_size() * sent[0, 0].numel()


def hint_kbit_per_s(bits_per_chunk: int) -> float:
    """What hints cost the link."""
    return bits_per_chunk * SAMPLE_RATE / CHUNK / 1000


def place(models: Sequence[Any], device: torch.device) -> None:
    """Move those that are modules; where they are there already, this is no work."""
    for model in models:
        if isinstance(model, nn.Module):
            model.to(device)


def _array(estimates: Tensor) -> Estimates:
    """A copy: a model may hand out a buffer that it writes into again."""
    array: Estimates = estimates.to(CPU, torch.float32, copy=True).numpy()
    return array


def _tensor(stems: Sequence[Pcm]) -> Tensor:
    return torch.from_numpy(np.stack([to_float(pcm) for pcm in stems]).astype(np.float32))
