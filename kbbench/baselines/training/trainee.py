"""A network in training, and the large one that teaches it or sends it hints."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kbbench.baselines.config import GridNetConfig, large, spoken
from kbbench.baselines.dvector import pretrained
from kbbench.baselines.gridnet import GridNet, RemoteGridNet
from kbbench.baselines.stages import BOOSTINGS, TAUGHT, stage_config
from kbbench.baselines.training.clips import HEARD, Item
from kbbench.baselines.training.loss import separation_loss, with_rest
from kbbench.baselines.training.settings import Settings
from kbbench.baselines.triples import seeded
from kbbench.channel import deliver
from kbbench.models.contract import Task, Triple

KEPT = ("sources", "enrolled", "voice", "boosting", "hint_features")
"""What a device must share with what a stage is to train, to begin in a shape of its own."""
HINT_DTYPE = Triple.hint_dtype
"""Hints are rounded in training as they are on the link."""


class Told(NamedTuple):
    """What a large network makes of a batch.

    Estimates (B, S, C, T), where it is tuned all that it separated (B, N, C, T), and hints
    (B, K, 97, E). Of what is kept there are estimates or hints alone.
    """

    estimates: Tensor | None = None
    talkers: Tensor | None = None
    hints: Tensor | None = None


class Trainee(nn.Module):
    """What a stage trains.

    Args:
        settings: of the run.
        task: of the data.
        remote: the trained large network, for stages that need one.
        refines: the device that the large network has inside, where it has one.
        begun: the shape of the device that it begins as; where that one takes such hints as this
            one is to take, it is kept.
    """

    def __init__(
        self,
        settings: Settings,
        task: Task,
        remote: RemoteGridNet | None,
        refines: GridNetConfig | None = None,
        begun: GridNetConfig | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        shape = (settings.compression, settings.d_vector, refines)
        given = large(task, *shape) if remote is None else remote.config
        config = stage_config(settings.stage, task, given)
        if begun is not None and all(getattr(begun, one) == getattr(config, one) for one in KEPT):
            config = begun
        kind = RemoteGridNet if settings.stage == "large" else GridNet
        self.network = seeded(settings.seed, lambda: kind(config))
        if self.network.picker and config.d_vector:
            self.network.picker.d_vector = pretrained()
        self.remote = remote if settings.stage in TAUGHT else None
        if self.remote is not None:
            self.remote.requires_grad_(settings.tune_large)
            if settings.stage in BOOSTINGS:
                self.remote.speaks = spoken(BOOSTINGS[settings.stage])

    def trained(self) -> list[nn.Parameter]:
        """The parameters that the optimizer moves."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def networks(self) -> dict[str, GridNet]:
        """What is written as weights: the network, and the remote where it was tuned with it."""
        tuned = {"remote": self.remote} if self.settings.tune_large and self.remote else {}
        return {"network": self.network, **tuned}

    def loss(self, batch: Item) -> Tensor:
        """Of a batch of clips, a scalar; a large network that is tuned has its own, which adds up.

        Where one talker is wanted, it is of all that was separated and of that one.
        """
        told = self.listen(batch)
        made = self.network.with_all_talkers(
            batch["mixture"], **self._given(batch, batch["seen"], told)
        )
        loss = self._away(*made, batch["references"], batch)
        if told is None or told.estimates is None:
            return loss
        if told.talkers is not None:
            return loss + self._away(told.estimates, told.talkers, batch["references"], batch)
        if self.settings.stage == "distilled":
            share = self.settings.teacher_weight
            return (1 - share) * loss + share * self._away(*made, told.estimates, batch)
        return loss

    def _away(self, estimates: Tensor, talkers: Tensor, references: Tensor, batch: Item) -> Tensor:
        """Loss of estimates and of all that was separated."""
        weight = self.settings.snr_weight
        loss = separation_loss(estimates, references, weight)
        if self.network.picker is None:
            return loss
        return loss + separation_loss(talkers, with_rest(references, batch["mixture"]), weight)

    def listen(self, batch: Item) -> Told | None:
        """What the large network tells, computed or kept, where the stage has one."""
        if self.remote is None:
            return None
        if (hints := batch.get(f"{HEARD}hints")) is not None:
            return Told(hints=hints.float())
        if (estimates := batch.get(f"{HEARD}estimates")) is not None:
            return Told(estimates)
        mixture, enrollment = batch["mixture"], batch.get("enrollment")
        if self.settings.tune_large:
            hear = self.remote.with_all_talkers_and_hints
            estimates, talkers, hints = hear(mixture, enrollment=enrollment)
        else:
            with torch.no_grad():
                estimates, hints = self.remote(mixture, enrollment=enrollment)
            talkers = None
        return Told(estimates, talkers, hints.to(HINT_DTYPE).float())

    def estimate(self, batch: Item, seen: Tensor, told: Told | None) -> Tensor:
        """The trained network's estimates; hints arrive as ``seen`` (B, K) says."""
        output = self.network(batch["mixture"], **self._given(batch, seen, told))
        estimates: Tensor = output[0] if isinstance(output, tuple) else output
        return estimates

    def _given(self, batch: Item, seen: Tensor, told: Told | None) -> dict[str, Tensor]:
        """What the network hears beside the mixture."""
        given = {"enrollment": batch["enrollment"]} if "enrollment" in batch else {}
        if told is not None and told.hints is not None and self.settings.stage in BOOSTINGS:
            given |= deliver(told.hints, seen.cpu().numpy()).as_arguments()
        return given
