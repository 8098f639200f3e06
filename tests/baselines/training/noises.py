"""Mixtures of noise that train in seconds, and a large network as if it had been trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kbbench.baselines.stages import Stage
from kbbench.baselines.training import Settings
from kbbench.baselines.training.clips import Data, Item
from kbbench.baselines.weights import Card, load_device, save_weights
from tests.baselines.networks import remote

LENGTH = 4000


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


DATA = Data(Noises(), Noises(), "separation", "noises")


def settings(stage: Stage = "small", **more: Any) -> Settings:
    given = {"steps": 4, "batch_size": 2, "clip_s": 0.1, "warm_up_steps": 2, "validate_every": 2}
    return Settings.of(stage=stage, log_every=1, **{**given, **more})


def weights(path: Path) -> dict[str, Tensor]:
    return load_device(path).state_dict()


def fake_large(out: Path, enrolled: bool = False) -> None:
    """A tiny large network, as if it had been trained in this folder."""
    out.mkdir(exist_ok=True)
    network = remote(enrolled=enrolled)
    card = Card(
        kbbench="0",
        task="target_speech" if enrolled else "separation",
        stage="large",
        config=network.config,
        steps=1,
        validation_si_sdri_db=0,
        data="none",
        settings={},
    )
    save_weights(out / "large.safetensors", network.state_dict(), card)
