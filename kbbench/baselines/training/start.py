"""Weights that a run begins with, in place of random ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from kbbench.baselines.config import TASK_SHAPE, UNBOOSTED, GridNetConfig
from kbbench.baselines.ensemble import best_order
from kbbench.baselines.gridnet import FIRST_TRUST, GridNet
from kbbench.baselines.stages import BOOSTINGS, Stage, grown_from, stage_config, weights_name
from kbbench.baselines.training.clips import Data
from kbbench.baselines.training.pruning import narrowed
from kbbench.baselines.training.trainee import Trainee
from kbbench.baselines.weights import SUFFIX, Card, load_device, read_card
from kbbench.errors import InputError
from kbbench.models.contract import Task
from kbbench.models.sources import file_sha256

LISTENED = 8
"""Mixtures that tell in which order two networks give the sources."""


class Origin(NamedTuple):
    """Weights that a network began with: the hash of their file, and what it says of itself."""

    sha256: str
    card: Card

    @classmethod
    def of(cls, path: Path) -> Origin:
        """Those of a file; raises as :func:`read_card`."""
        card = read_card(path)
        return cls(file_sha256(path), card)


class Given(NamedTuple):
    """Weights that a run is given: to begin with, and of a device to refine."""

    start: Path | None = None
    refine: Path | None = None

    def device(self, stage: Stage) -> GridNetConfig | None:
        """The shape of the device with hints that a run begins with; of this stage alone."""
        card = read_card(self.start) if self.start and stage in BOOSTINGS else None
        return card.config if card and card.stage == stage else None

    def refines(self, stage: Stage, task: Task) -> GridNetConfig | None:
        """The device that the large network has inside.

        Raises:
            InputError: another stage is to refine one, or there is one already; and as
                :func:`read_card`.
        """
        begun = read_card(self.start).config.refines if self.start and stage == "large" else None
        if self.refine is None:
            return begun and begun.model_copy(update={"sources": stage_config(stage, task).masks})
        if stage != "large":
            raise InputError(f"--refine: for stage large alone, not {stage!r}; leave it out")
        if begun:
            raise InputError(f"--refine: {self.start} refines a device already; leave it out")
        card = read_card(self.refine)
        if card.task != task or card.stage == "large" or card.config.boosting != "none":
            raise InputError(
                f"--refine {self.refine}: of stage {card.stage!r} for {card.task}, "
                f"expected a device without hints for {task}"
            )
        return card.config.alone


def begin_with(path: Path, trainee: Trainee, task: Task, written: Path) -> dict[str, Origin]:
    """Put trained weights into a trainee in place of its own.

    Args:
        path: the network's weights; those of a large network that was tuned with it lie beside,
            and are taken along where it is tuned further, for the same task.
        trainee: of the same stage and shape, or one that may begin as a device without hints.
            Weights of the same stage for another task lend what both networks have.
        task: of the data.
        written: weights that the run writes; they must be others.

    Returns:
        what each network began with, by its name in :meth:`Trainee.networks`.

    Raises:
        InputError: no such file, not one of ours, of another stage or shape, or ``written``.
    """
    origin = Origin.of(path)
    if problem := _problem(path, origin.card, trainee, task, written):
        raise InputError(f"--start {path}: {problem}")
    found, wanted = origin.card.config, trainee.network.config
    extended = found.d_vector != wanted.d_vector or found.refines != wanted.refines
    if origin.card.task != task or extended:
        _adapt(trainee.network, path, origin.card)
    elif origin.card.stage in grown_from(trainee.settings.stage):
        _grow(trainee.network, path, origin.card)
    else:
        _fill(trainee.network, path, origin.card)
    begun = {"network": origin}
    tuned_again = trainee.settings.tune_large and _brings_large(origin.card)
    if trainee.remote is not None and tuned_again and origin.card.task == task:
        begun["remote"] = Origin.of(_remote_beside(path))
        _fill(trainee.remote, _remote_beside(path), begun["remote"].card)
    return begun


def refining(path: Path, network: GridNet, data: Data) -> Origin:
    """Put a device into a network that refines its estimates, sources in the network's order.

    Networks that were trained apart need not give them in one order; which agrees with the
    network's own, the first training mixtures tell.
    """
    inside = network.refined
    if inside is None:
        raise ValueError("this network refines nothing")
    lent = load_device(path).state_dict()
    inside.load_state_dict({name: lent[name] for name in inside.state_dict()})
    agreement = torch.zeros(2 * (inside.config.sources,))
    with torch.no_grad():
        network.trust.zero_()
        for number in range(min(LISTENED, len(data.train))):
            item = data.train[number]
            mixture = torch.as_tensor(item["mixture"])[None]
            enrollment = torch.as_tensor(item["enrollment"])[None] if "enrollment" in item else None
            frames = torch.view_as_real(network.stft(mixture))
            ours, _ = network.separate(frames, network.start(1, enrollment), None)
            theirs, _ = inside.separate(frames, inside.start(1), None)
            agreement += torch.einsum("btficp,btfjcp->ij", ours.spectra, theirs.spectra)
        network.trust.fill_(FIRST_TRUST)
        order = best_order(agreement)
        for weight in inside.decoder.parameters():
            rows = weight.reshape(len(order), -1)[order]
            weight.copy_(rows.reshape(weight.shape))
    return Origin.of(path)


def _problem(path: Path, card: Card, trainee: Trainee, task: Task, written: Path) -> str | None:
    settings = trainee.settings
    if written.is_file() and path.samefile(written):
        return "this run writes that file; copy it to another name, or give another --out"
    if card.stage not in (expected := (settings.stage, *grown_from(settings.stage))):
        return f"of stage {card.stage!r}, expected {' or '.join(map(repr, expected))}"
    if card.task != task:
        if card.stage == settings.stage:
            return None
        return (
            f"trained for {card.task}, the data is for {task}, and it is of another stage; "
            "give weights of this task"
        )
    if _brings_large(card) and not settings.tune_large:
        large, beside = written.with_name(weights_name("large")), _remote_beside(path)
        if not beside.is_file() or file_sha256(beside) != file_sha256(large):
            return (
                "its large network was tuned with it; give --tune-large to take that one along, "
                f"or copy {beside.name} to {large}"
            )
    if card.config.d_vector and not trainee.network.config.d_vector:
        return "it knows voices by d-vectors; give --d-vector to keep them"
    return None


def _brings_large(card: Card) -> bool:
    """Whether a device's large network was tuned with it; that one's card says the same."""
    return card.stage in BOOSTINGS and bool(card.settings.get("tune_large"))


def _remote_beside(path: Path) -> Path:
    """The large network that was tuned with a device."""
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.remote{SUFFIX}")


def _grow(network: GridNet, path: Path, card: Card) -> None:
    """Take over a device without hints, or as many of its recurrent units as there is room for.

    Hints change nothing yet, new inputs count nothing.
    """
    hidden = network.config.hidden
    _same_shape(path, card.config, network.config.model_copy(update=UNBOOSTED), but=("hidden",))
    if card.config.hidden < hidden:
        raise InputError(
            f"--start {path}: of {card.config.hidden} units, expected {hidden} or more"
        )
    own = network.state_dict()  # the parameters themselves, by name
    for name, taken in narrowed(load_device(path), hidden).items():
        own[name].zero_()
        own[name][tuple(slice(size) for size in taken.shape)] = taken
    for merge in network.merges:
        _begin_neutral(merge)


def _begin_neutral(merge: Any) -> None:
    merge.begin_neutral()


def _adapt(network: GridNet, path: Path, card: Card) -> None:
    """Take over what a network for another task, or without d-vectors or a device inside, has too.

    All else stays as it is. Of the outputs for several sources those for the first ones are taken.
    What hints say of who is wanted changes nothing of what is separated yet.
    """
    _same_shape(path, card.config, network.config, but=(*TASK_SHAPE, "hint_features"))
    own = network.state_dict()  # the parameters themselves, by name
    for name, lent in load_device(path).state_dict().items():
        if name in own:
            if lent.dim() > 1:
                own[name][:, lent.shape[1] :] = 0
            both = tuple(slice(min(a, b)) for a, b in zip(own[name].shape, lent.shape, strict=True))
            own[name][both] = lent[both]


def _fill(network: GridNet, path: Path, card: Card) -> None:
    _same_shape(path, card.config, network.config)
    network.load_state_dict(load_device(path).state_dict())


def _same_shape(
    path: Path, found: GridNetConfig, expected: GridNetConfig, but: tuple[str, ...] = ()
) -> None:
    wanted = expected.model_dump()
    for name, value in found.model_dump().items():
        if name not in but and value != wanted[name]:
            raise InputError(
                f"--start {path}: of another shape: {name} {value!r}, expected {wanted[name]!r}"
            )
