"""Which one is wanted? A picker learns it from what its network separates, before all else.

What the network makes of each mixture is computed once and kept. The picker then learns, at every
moment, which of both candidates the enrollment is of, and that an enrollment is nearer to its own
talker than to all others of the batch. That takes minutes, where the network would take days.
Source of the second loss: van den Oord et al., "Representation Learning with Contrastive
Predictive Coding" (arXiv 1807.03748), with cosines over a learnt temperature.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple, Self

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from kbbench.baselines.config import CANDIDATES
from kbbench.baselines.gridnet import GridNet
from kbbench.baselines.picking import Picker, beside, voices_of
from kbbench.baselines.talker import log_spectra
from kbbench.baselines.training.clips import Data, Item, Scenes
from kbbench.baselines.training.kept import Tensors, digest_of, keep, load_kept
from kbbench.baselines.training.loss import pairs
from kbbench.baselines.training.settings import Settings
from kbbench.files import write_bytes
from kbbench.models.stft import ChunkSTFT
from kbbench.pool import Progress, Show, cores

FOLDER = "talkers"
BATCH = 24
"""Mixtures a step; now and then two of them have a talker in common, which does little harm."""
MOST_MIXTURES = 2048
"""Spectra of so many are held in memory: 0.7 GB at 5 s."""
RATE = 2e-3
WEIGHT_DECAY = 0.02
CLIP_NORM = 5.0
SHORTEST = 0.3
"""Excerpts are at least so much of what there is."""
TILTS = (0.5, 0.3, 0.2, 0.2)
"""Deviation of each cosine over frequency that is added to log spectra: microphones differ."""
TEMPERATURE = 0.1
APART = 0.5
"""Weight of being told apart from all others, beside that of being picked."""


class Separated(NamedTuple):
    """Log spectra of so many mixtures, float16: enrollments (N, K_e, 97), candidates (N, 2, K, 97).

    ``wanted`` (N,) is the number of the candidate that is wanted.
    """

    enrolled: Tensor
    candidates: Tensor
    wanted: Tensor

    @classmethod
    def by(cls, network: GridNet, scenes: Scenes, folder: Path, tell: Progress) -> Self:
        """What a network makes of the first mixtures; kept in a folder."""
        count = min(len(scenes), MOST_MIXTURES)
        keep(folder, count, lambda index: _separate(network, scenes[index]), tell, cores())
        parts = [load_kept(folder, index) for index in range(count)]
        return cls(*(torch.stack([part[name] for part in parts]) for name in cls._fields))


def teach(network: GridNet, data: Data, settings: Settings, out: Path, show: Show) -> None:
    """Let a network's picker tell these mixtures' talkers apart; learnt once, kept in ``out``.

    Args:
        network: that separates; its picker changes.
        data: of target speech.
        settings: ``talker_steps`` and ``seed`` count.
        out: folder of all stages.
        show: how far it is: with the mixtures, with the steps.
    """
    picker = network.picker
    if picker is None:
        raise ValueError("a network that has nobody to pick")
    digest = digest_of(network, f"{data.words} {settings.seed}")
    path = out / FOLDER / f"{digest}-{settings.talker_steps}.safetensors"
    if not path.is_file():
        with show("mixtures separated") as tell:
            separated = Separated.by(network, data.train, out / FOLDER / digest, tell)
        with show("steps of telling talkers apart") as tell:
            _learn(picker, separated, settings, tell)
        write_bytes(path, save(picker.state_dict()))
    picker.load_state_dict(load_file(path))


def _separate(network: GridNet, item: Item) -> Tensors:
    """What is kept of a mixture."""
    mixture, enrollment = item["mixture"][None], item["enrollment"][None]
    with torch.inference_mode():
        frames = torch.view_as_real(network.stft(mixture))
        separated, _ = network.separate(frames, network.start(1, enrollment), None)
        voices, _ = voices_of(separated.spectra, separated.level)
        bins = separated.spectra[0].permute(2, 3, 0, 1, 4).contiguous()
        estimates = network.stft.inverse(torch.view_as_complex(bins), mixture.shape[-1])
        likeness = pairs(estimates[None], item["references"][None, :1], 0)[0, 0].mean(-1)
    return {
        "enrolled": log_spectra(network.stft(enrollment[:, 0]))[0].half(),
        "candidates": voices.half().contiguous(),
        "wanted": likeness.argmax(),
    }


def _learn(picker: Picker, separated: Separated, settings: Settings, tell: Progress) -> None:
    generator = torch.Generator().manual_seed(settings.seed)
    apart = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))
    steps, parameters = settings.talker_steps, [*picker.parameters(), apart]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=max(2, steps))
    for step in range(steps):
        chosen = torch.randperm(len(separated.wanted), generator=generator)[:BATCH]
        loss = _loss(picker, Separated(*(part[chosen] for part in separated)), apart, generator)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
        optimizer.step()
        schedule.step()
        tell(step + 1, steps)


def _loss(picker: Picker, batch: Separated, apart: Tensor, generator: torch.Generator) -> Tensor:
    """Which candidate is wanted, at every frame; and whose the enrollment is, of all talkers."""
    encoder = picker.encoder
    enrolled = _excerpt(batch.enrolled, generator) + _tilts(len(batch.enrolled), generator)
    talkers = encoder.known(enrolled)
    ears = _tilts(len(batch.candidates), generator)[:, None]
    voices = (_excerpt(batch.candidates, generator) + ears).flatten(0, 1)
    vectors = beside(encoder.listen(voices, encoder.start(len(voices)))[0])
    odds = picker.odds(vectors, talkers, torch.arange(1, voices.shape[1] + 1))
    first = (batch.wanted == 0).float()[:, None].expand_as(odds)
    picked = functional.binary_cross_entropy_with_logits(odds, first)
    everyone = functional.normalize(vectors[:, :, -1].flatten(0, 1), dim=-1)
    likeness = functional.normalize(talkers, dim=-1) @ everyone.T * apart.exp()
    own = torch.arange(len(talkers)) * CANDIDATES + batch.wanted
    return picked + APART * functional.cross_entropy(likeness, own)


def _excerpt(spectra: Tensor, generator: torch.Generator) -> Tensor:
    """A part of log spectra (..., K, 97), drawn at random, float32."""
    whole = spectra.shape[-2]
    share = SHORTEST + (1 - SHORTEST) * torch.rand((), generator=generator)
    length = max(1, int(share * whole))
    start = int(torch.randint(whole - length + 1, (), generator=generator))
    return spectra[..., start : start + length, :].float()


def _tilts(count: int, generator: torch.Generator) -> Tensor:
    """So many microphones, (N, 1, 97), to be added to log spectra."""
    waves = torch.arange(1, len(TILTS) + 1)[:, None] * torch.linspace(0, math.pi, ChunkSTFT.bins)
    sizes = torch.randn(count, len(TILTS), generator=generator) * torch.tensor(TILTS)
    return (sizes @ waves.cos())[:, None]
