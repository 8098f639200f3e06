"""One stage of training while it runs, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel

from kbbench.baselines.stages import weights_name
from kbbench.baselines.training.averaging import mean_of
from kbbench.baselines.training.board import Board
from kbbench.baselines.training.checkpoint import Identity, Progress
from kbbench.baselines.training.clips import Data
from kbbench.baselines.training.optimizer import Optimizer
from kbbench.baselines.training.settings import Settings
from kbbench.baselines.training.start import Origin
from kbbench.baselines.training.team import Team
from kbbench.baselines.training.trainee import Trainee
from kbbench.baselines.weights import Trained


def best_weights(settings: Settings, out: Path) -> Path:
    """Where a run writes its best network."""
    return out / weights_name(settings.stage, settings.only_delay)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        done: no step is left; else the same call carries on.
        progress: of this run.
        weights: the best network.
        trained: of this run.
        before: of the weights that it began with.
    """

    done: bool
    progress: Progress
    weights: Path
    trained: Trained
    before: Trained | None = None

    @property
    def text(self) -> str:
        """One line for people."""
        now = self.progress
        best = (
            f"{self.weights}: {now.best_db:.2f} dB SI-SDRi in validation at step {now.best_step}"
            if now.best_step
            else "not validated yet"
        )
        ending = "done" if self.done else "the same command carries on"
        spoilt = f", {now.skipped} steps without a finite gradient" if now.skipped else ""
        total = f"; in all {(self.before + self.trained).text}" if self.before else ""
        return f"{best}; {self.trained.text}{spoilt}{total}: {ending}"


@dataclass
class Run:
    """One stage, on its way; ``origins`` are of the networks that did not begin at random."""

    identity: Identity
    data: Data
    out: Path
    trainee: Trainee
    optimizer: Optimizer
    average: AveragedModel | None
    device: torch.device
    origins: dict[str, Origin]
    progress: Progress = field(default_factory=Progress)
    board: Board | None = None
    team: Team = field(default_factory=Team)

    @property
    def settings(self) -> Settings:
        """Of the stage."""
        return self.identity.settings

    @property
    def kept(self) -> Trainee:
        """What is validated and written."""
        return self.trainee if self.average is None else mean_of(self.average)

    @property
    def trained(self) -> Trained:
        """So far, in this run."""
        step = self.progress.step
        seconds = round(self.progress.seconds, 1)
        return Trained(steps=step, clips=step * self.settings.batch_size, seconds=seconds)

    @property
    def folder(self) -> Path:
        """Of log and checkpoint."""
        return self.out / self.weights.stem

    @property
    def weights(self) -> Path:
        """The best network so far."""
        return best_weights(self.settings, self.out)
