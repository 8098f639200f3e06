"""What a frozen large network makes of each mixture, computed once and kept.

The device then trains without it. Hints of a whole mixture have heard all that came before a clip,
as they have when they are used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from kbbench.baselines.gridnet import RemoteGridNet
from kbbench.baselines.stages import BOOSTINGS
from kbbench.baselines.training.clips import HEARD, Data, Item, Scenes
from kbbench.baselines.training.kept import Tensors, keep, load_kept
from kbbench.baselines.training.settings import Settings
from kbbench.models.contract import Triple

FOLDER = "hints"


@dataclass(frozen=True)
class HeardScenes:
    """Mixtures, each with what the large network made of it.

    That is ``heard_hints`` (K, 97, E), float16, or to learn from ``heard_estimates`` (S, C, T).

    Args:
        scenes: the mixtures.
        folder: of the files.
    """

    scenes: Scenes
    folder: Path

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Item:
        return {**self.scenes[index], **load_kept(self.folder, index)}


def heard_scenes(
    data: Data,
    settings: Settings,
    remote: RemoteGridNet,
    out: Path,
    tell: Callable[[int, int], None] | None = None,
) -> HeardScenes:
    """The mixtures of training with what the network makes of them; what is missing is computed.

    Args:
        data: its mixtures.
        settings: of the stage, which takes hints or estimates.
        remote: the large network, frozen, where it computes.
        out: folder of all stages.
        tell: called with (mixtures heard, in all).
    """
    what = "hints" if settings.stage in BOOSTINGS else "estimates"
    folder = out / FOLDER / f"{what}-{_key(data, remote, settings.bf16)}"
    place = next(remote.parameters()).device

    def make(index: int) -> Tensors:
        item = data.train[index]
        enrollment = item.get("enrollment")
        with (
            torch.inference_mode(),
            torch.autocast(place.type, torch.bfloat16, enabled=settings.bf16),
        ):
            estimates, hints = remote(
                item["mixture"][None].to(place),
                enrollment=None if enrollment is None else enrollment[None].to(place),
            )
        kept = hints[0].to(Triple.hint_dtype) if what == "hints" else estimates[0]
        return {HEARD + what: kept.cpu().contiguous()}

    keep(folder, len(data.train), make, tell)
    return HeardScenes(data.train, folder)


def _key(data: Data, remote: RemoteGridNet, bf16: bool) -> str:
    digest = hashlib.sha256(f"{data.words} {remote.speaks} {bf16}".encode())
    for name, value in sorted(remote.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
