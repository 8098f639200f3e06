"""Mixtures of noise that train in seconds, and a large network as if it had been trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kbbench.baselines.gridnet import GridNet
from kbbench.baselines.stages import Stage, stage_config
from kbbench.baselines.training import Settings
from kbbench.baselines.training.clips import Data, Item
from kbbench.baselines.triples import seeded
from kbbench.baselines.weights import Card, load_device, save_weights
from tests.baselines.networks import make_masks_differ, remote

LENGTH = 4000
STILL: dict[str, Any] = {"steps": 1, "learning_rate": 1e-12, "weight_decay": 0}
"""Settings of a run whose weights hardly leave those that it began with."""


class Noises:
    """Two seeded noises of different colour at two ears, and an enrollment."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Item:
        rng = np.random.default_rng(index)
        white = torch.from_numpy(rng.standard_normal((2, 2, LENGTH)).astype(np.float32)) * 0.1
        references = torch.stack(
            [white[0].cumsum(-1) * 0.1, white[1].diff(dim=-1, prepend=white[1, :, :1])]
        )
        return {"mixture": references.sum(0), "references": references}


class OneWanted:
    """The same noises with one of them wanted, and an enrollment."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Item:
        item = DATA.train[index]
        enrollment = item["references"][:1, 0]
        return {**item, "references": item["references"][:1], "enrollment": enrollment}


DATA = Data(Noises(), Noises(), "separation", "noises")


def settings(stage: Stage = "small", **more: Any) -> Settings:
    given = {"steps": 4, "batch_size": 2, "clip_s": 0.1, "warm_up_steps": 2, "validate_every": 2}
    return Settings.of(stage=stage, log_every=1, **{**given, **more})


def weights(path: Path) -> dict[str, Tensor]:
    return load_device(path).state_dict()


def fake_large(out: Path, enrolled: bool = False) -> None:
    """A tiny large network, as if it had been trained in this folder."""
    out.mkdir(exist_ok=True)
    put(out / "large.safetensors", remote(enrolled=enrolled), "large")


def begun(stage: Stage, folder: Path) -> Path:
    """Weights to start with whose masks differ, so that no gradient is nearly nothing."""
    config = stage_config(stage, "separation", remote().config)
    network = seeded(0, lambda: GridNet(config))
    make_masks_differ(network)
    path = folder / f"begun-{stage}.safetensors"
    put(path, network, stage)
    return path


def put(path: Path, network: GridNet, stage: Stage, **settings: Any) -> None:
    """Weights as if they had been trained, with these settings."""
    card = Card(
        kbbench="0",
        task="target_speech" if network.config.enrolled else "separation",
        stage=stage,
        config=network.config,
        steps=1,
        validation_si_sdri_db=0,
        data="none",
        settings=settings,
    )
    save_weights(path, network.state_dict(), card)
