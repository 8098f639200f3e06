"""Who speaks? What encodes voices learns to tell talkers apart, before anybody is picked.

An enrollment shall be nearer to its own talker in a mixture, room and all, than to any other talker
of the batch. That needs no labels, and a minute or two. Source of the loss: van den Oord et al.,
"Representation Learning with Contrastive Predictive Coding" (arXiv 1807.03748), with cosines over a
learnt temperature.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Self

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import default_collate

from kbbench.baselines.talker import TalkerEncoder, log_spectra
from kbbench.baselines.training.clips import Data, Item, Scenes
from kbbench.baselines.training.settings import Settings
from kbbench.baselines.triples import seeded
from kbbench.files import write_bytes
from kbbench.models.stft import ChunkSTFT
from kbbench.pool import Progress, cores

FOLDER = "talkers"
BATCH = 64
"""Mixtures a step; now and then two of them have a talker in common, which does little harm."""
MOST_MIXTURES = 2048
"""Spectra of so many are held in memory: 0.7 GB at 5 s."""
RATE = 2e-3
WEIGHT_DECAY = 0.01
SHORTEST = 0.15
"""Excerpts are at least so much of what there is."""
TILTS = (0.5, 0.3, 0.2, 0.2)
"""Deviation of each cosine over frequency that is added to log spectra: microphones differ."""
WARP = 0.16
"""Logarithm of the most that a talker's frequencies are multiplied by: more talkers, for nothing.

Source: Jaitly and Hinton, "Vocal Tract Length Perturbation (VTLP) improves speech recognition",
ICML workshop on deep learning for audio, speech and language processing, 2013."""
TEMPERATURE = 0.1


class Voices(NamedTuple):
    """Log spectra of so many mixtures, (N, K, 97) each, float16."""

    enrolled: Tensor
    wanted: Tensor
    other: Tensor

    @classmethod
    def of(cls, scenes: Scenes) -> Self:
        """Those of the first mixtures, one ear of each."""
        stft = ChunkSTFT()

        def read(index: int) -> list[Tensor]:
            batch = default_collate([scenes[index]])
            return [log_spectra(stft(sound[:, 0]))[0].half() for sound in voices(batch, index % 2)]

        with ThreadPoolExecutor(cores()) as pool:
            parts = list(pool.map(read, range(min(len(scenes), MOST_MIXTURES))))
        return cls(*map(torch.stack, zip(*parts, strict=True)))


def voices(batch: Item, ear: int) -> tuple[Tensor, Tensor, Tensor]:
    """Enrollment, wanted talker and all else, as an ear hears them: (B, 1, samples) each."""
    wanted = batch["references"].sum(dim=1)[:, ear : ear + 1]
    return batch["enrollment"], wanted, batch["mixture"][:, ear : ear + 1] - wanted


def taught(
    width: int, data: Data, settings: Settings, out: Path, tell: Progress | None = None
) -> TalkerEncoder:
    """An encoder that tells the talkers of these mixtures apart, learnt once and kept in ``out``.

    Args:
        width: of the encoder.
        data: of target speech.
        settings: ``talker_steps`` and ``seed`` count.
        out: folder of all stages, which share what is kept.
        tell: called with (steps done, in all).
    """
    encoder = seeded(settings.seed, lambda: TalkerEncoder(width))
    words = f"{data.words} {width} {settings.talker_steps} {settings.seed}"
    path = out / FOLDER / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.safetensors"
    if not path.is_file():
        _learn(encoder, Voices.of(data.train), settings, tell)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, save(encoder.state_dict()))
    encoder.load_state_dict(load_file(path))
    return encoder


def _learn(
    encoder: TalkerEncoder, voices: Voices, settings: Settings, tell: Progress | None
) -> None:
    generator = torch.Generator().manual_seed(settings.seed)
    sharpness = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))
    steps, parameters = settings.talker_steps, [*encoder.parameters(), sharpness]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=max(2, steps))
    for step in range(steps):
        chosen = torch.randperm(len(voices.enrolled), generator=generator)[:BATCH]
        loss = _loss(encoder, [part[chosen].float() for part in voices], sharpness, generator)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if tell is not None:
            tell(step + 1, steps)


def _loss(
    encoder: TalkerEncoder, parts: Sequence[Tensor], sharpness: Tensor, generator: torch.Generator
) -> Tensor:
    """Each enrollment picks its talker out of all talkers of all mixtures."""
    enrolled, wanted, other = parts
    throats = _factors(len(enrolled), generator)
    own = _directions(encoder, _varied(enrolled, throats, generator))
    throats = torch.cat([throats, _factors(len(other), generator)])
    everyone = _directions(encoder, _varied(torch.cat([wanted, other]), throats, generator))
    likeness = own @ everyone.T * sharpness.exp()
    return functional.cross_entropy(likeness, torch.arange(len(own)))


def _factors(count: int, generator: torch.Generator) -> Tensor:
    """Lengths of so many vocal tracts, relative to those of the talkers themselves."""
    return (WARP * (2 * torch.rand(count, generator=generator) - 1)).exp()


def _varied(spectra: Tensor, throats: Tensor, generator: torch.Generator) -> Tensor:
    """Excerpts of log spectra (N, K, 97), each of a voice and through a microphone of its own."""
    whole = spectra.shape[1]
    share = SHORTEST + (1 - SHORTEST) * torch.rand((), generator=generator)
    length = max(1, int(share * whole))
    start = int(torch.randint(whole - length + 1, (), generator=generator))
    waves = torch.arange(1, len(TILTS) + 1)[:, None] * torch.linspace(0, math.pi, ChunkSTFT.bins)
    sizes = torch.randn(len(spectra), len(TILTS), generator=generator) * torch.tensor(TILTS)
    return _warped(spectra[:, start : start + length], throats) + (sizes @ waves.cos())[:, None]


def _warped(spectra: Tensor, factors: Tensor) -> Tensor:
    """Log spectra (N, K, 97) whose frequencies are multiplied by a factor each, (N,)."""
    last = ChunkSTFT.bins - 1
    places = (torch.arange(ChunkSTFT.bins) / factors[:, None]).clamp(max=last)
    below = places.long().clamp(max=last - 1)
    share = (places - below)[:, None]
    index = below[:, None].expand(spectra.shape)
    return spectra.gather(2, index) * (1 - share) + spectra.gather(2, index + 1) * share


def _directions(encoder: TalkerEncoder, spectra: Tensor) -> Tensor:
    return functional.normalize(encoder.known(spectra), dim=-1)
