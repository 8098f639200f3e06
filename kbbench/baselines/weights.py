"""Trained networks as safetensors files that say what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from kbbench.baselines.config import GridNetConfig, Speaks
from kbbench.baselines.gridnet import GridNet, RemoteGridNet
from kbbench.errors import InputError, one_line
from kbbench.files import write_bytes
from kbbench.models.contract import Task
from kbbench.models.sources import read_file
from kbbench.report.quantity import duration

SUFFIX = ".safetensors"
HEADER_SIZE = 8
"""Bytes that say how long the header of a safetensors file is, which follows them."""


class Trained(BaseModel):
    """How much training there was.

    Args:
        steps: of the optimizer.
        clips: heard, one as often as it was.
        seconds: wall-clock, over all sittings.
        untimed_steps: of those steps; kbbench did not always keep their time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int
    clips: int
    seconds: float
    untimed_steps: int = 0

    def __add__(self, more: Trained) -> Trained:
        return Trained(
            steps=self.steps + more.steps,
            clips=self.clips + more.clips,
            seconds=self.seconds + more.seconds,
            untimed_steps=self.untimed_steps + more.untimed_steps,
        )

    @property
    def text(self) -> str:
        """In a few words.

        >>> Trained(steps=900, clips=7200, seconds=300, untimed_steps=400).text
        '900 steps, 7200 clips, 5.0 minutes and the time of 400 steps'
        """
        untimed = f" and the time of {self.untimed_steps} steps" if self.untimed_steps else ""
        return f"{self.steps} steps, {self.clips} clips, {duration(self.seconds)}{untimed}"


class Card(BaseModel):
    """What stands in a weights file beside the numbers.

    Args:
        kbbench: the version that trained it.
        task: what for.
        stage: such as small, large or boosted.
        config: the network's shape.
        steps: of the run that trained it, at the best validation.
        validation_si_sdri_db: the mean there.
        data: recipe and corpora that it was trained on.
        settings: of the training run.
        start_sha256: of the weights that the run began with; None where they were random.
        start: what those weights say of themselves.
        trained: until the best validation, and before the run began; see :attr:`training`.
        refined_sha256: of the weights of the device inside, where the run put one there.
        refined: what those weights say of themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kbbench: str
    task: Task
    stage: str
    config: GridNetConfig
    steps: int
    validation_si_sdri_db: float
    data: str
    settings: dict[str, Any]
    start_sha256: str | None = None
    start: Card | None = None
    trained: Trained | None = None
    refined_sha256: str | None = None
    refined: Card | None = None

    @property
    def all_data(self) -> tuple[str, ...]:
        """What these weights were trained on, that of those which the run began with first."""
        before = [data for card in (self.start, self.refined) if card for data in card.all_data]
        return tuple(dict.fromkeys((*before, self.data)))

    def taught(self, d_vector: bool = False) -> bool:
        """What encodes voices, or d-vectors, was taught to, in this run or one that it began with.

        It stays as it is since then, as long as networks have it.
        """
        if not (self.config.d_vector if d_vector else self.config.enrolled):
            return False
        settings = self.settings
        if settings.get("talker_steps") and (not d_vector or settings.get("d_vector")):
            return True
        return self.start is not None and self.start.taught(d_vector)

    @property
    def training(self) -> Trained:
        """All that these weights were trained, those that the run began with included."""
        if self.trained is not None:
            return self.trained
        clips = self.steps * int(self.settings.get("batch_size", 0))
        own = Trained(steps=self.steps, clips=clips, seconds=0, untimed_steps=self.steps)
        return own if self.start is None else own + self.start.training


def save_weights(path: Path, tensors: Mapping[str, Tensor], card: Card) -> None:
    """Write a network, whole or not at all."""
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(kept, metadata={"card": card.model_dump_json()}))


def read_card(path: Path) -> Card:
    """What a weights file says of itself.

    Raises:
        InputError: no such file, or not one of ours.
    """
    card, _ = _read(path)
    return card


def describe(path: Path) -> tuple[Card, int]:
    """The card, and the number of parameters; raises as :func:`read_card`."""
    card, tensors = _read(path)
    return card, sum(tensor.numel() for tensor in tensors.values())


def load_device(path: Path) -> GridNet:
    """A device as it was trained; raises as :func:`read_card`."""
    card, tensors = _read(path)
    return _filled(path, GridNet(card.config), tensors)


def load_remote(path: Path, speaks: Speaks) -> RemoteGridNet:
    """A remote as it was trained; raises as :func:`read_card`."""
    card, tensors = _read(path)
    remote = RemoteGridNet(card.config, speaks)
    _filled(path, remote, tensors)
    return remote


def _filled(path: Path, network: GridNet, tensors: dict[str, Tensor]) -> GridNet:
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        raise InputError(
            f"{path}: weights do not fit their network ({one_line(error)[:200]}); train them anew"
        ) from error
    return network.eval()


def _read(path: Path) -> tuple[Card, dict[str, Tensor]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights written by `kbbench train`")
    data = read_file(path.absolute())
    try:
        tensors = load(data)
        header = json.loads(data[HEADER_SIZE : HEADER_SIZE + _number(data[:HEADER_SIZE])])
        return Card.model_validate(json.loads(header["__metadata__"]["card"])), tensors
    except (SafetensorError, ValidationError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not weights of this kbbench ({one_line(error)[:200]}); "
            "expected a file written by `kbbench train`"
        ) from error


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
