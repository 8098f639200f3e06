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

from kbbench.baselines.dvector import DVectorEncoder, pretrained
from kbbench.baselines.talker import TalkerEncoder
from kbbench.baselines.training.clips import Data, Item, Scenes
from kbbench.baselines.training.settings import Settings
from kbbench.baselines.triples import seeded
from kbbench.files import write_bytes
from kbbench.models.stft import ChunkSTFT
from kbbench.pool import Progress, cores

Encoder = TalkerEncoder | DVectorEncoder

FOLDER = "talkers"
BATCH = 64
"""Mixtures a step; now and then two of them have a talker in common, which does little harm."""
MOST_MIXTURES = 2048
"""What is heard of so many is held in memory: 0.7 GB at 5 s, 2 GB for d-vectors."""
TOGETHER = 16
"""Mixtures that are heard at once."""
D_VECTOR_STEPS = 150
"""More only learn the talkers of training by heart: there is little to learn."""
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
    """What an encoder hears of so many mixtures, (N, K, features) each, float16."""

    enrolled: Tensor
    wanted: Tensor
    other: Tensor

    @classmethod
    def of(cls, scenes: Scenes, encoder: Encoder) -> Self:
        """Those of mixtures from all over, one ear of each."""
        count = min(len(scenes), MOST_MIXTURES)
        chosen = [number * len(scenes) // count for number in range(count)]

        @torch.no_grad()
        def read(first: int) -> list[Tensor]:
            part = chosen[first : first + TOGETHER]
            batch = default_collate([scenes[index] for index in part])
            ears = torch.tensor(part) % 2
            return [encoder.heard(sound).half() for sound in voices(batch, ears)]

        with ThreadPoolExecutor(cores()) as pool:
            parts = list(pool.map(read, range(0, count, TOGETHER)))
        return cls(*map(torch.cat, zip(*parts, strict=True)))


def voices(batch: Item, ears: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Enrollment, wanted talker and all else, as one ear each (B,) hears it: (B, 1, samples)."""
    every = torch.arange(len(ears))
    wanted = batch["references"].sum(dim=1)[every, ears, None]
    return batch["enrollment"], wanted, batch["mixture"][every, ears, None] - wanted


def taught(
    width: int | None, data: Data, settings: Settings, out: Path, tell: Progress | None = None
) -> Encoder:
    """An encoder that tells the talkers of these mixtures apart, learnt once and kept in ``out``.

    Args:
        width: of the encoder; None, d-vectors, which begin as :func:`pretrained` and take
            ``D_VECTOR_STEPS`` at most.
        data: of target speech.
        settings: ``talker_steps`` and ``seed`` count.
        out: folder of all stages, which share what is kept.
        tell: called with (steps done, in all).
    """
    steps = settings.talker_steps
    if width is None:
        encoder: Encoder = pretrained()
        steps = min(steps, D_VECTOR_STEPS)
    else:
        encoder = seeded(settings.seed, lambda: TalkerEncoder(width))
    words = f"{data.words} {width or 'd-vector'} {steps} {settings.seed}"
    path = out / FOLDER / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.safetensors"
    if not path.is_file():
        _learn(encoder, Voices.of(data.train, encoder), steps, settings.seed, tell)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, save(encoder.state_dict()))
    encoder.load_state_dict(load_file(path))
    return encoder


def _learn(encoder: Encoder, voices: Voices, steps: int, seed: int, tell: Progress | None) -> None:
    generator = torch.Generator().manual_seed(seed)
    sharpness = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))
    learnt = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    parameters = [*learnt, sharpness]
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
    encoder: Encoder, parts: Sequence[Tensor], sharpness: Tensor, generator: torch.Generator
) -> Tensor:
    """Each enrollment picks its talker out of all talkers of all mixtures."""
    enrolled, wanted, other = parts
    everyone = torch.cat([wanted, other])
    enrolled, everyone = _excerpt(enrolled, generator), _excerpt(everyone, generator)
    if isinstance(encoder, TalkerEncoder):
        throats = _factors(len(enrolled), generator)
        enrolled = _varied(enrolled, throats, generator)
        throats = torch.cat([throats, _factors(len(other), generator)])
        everyone = _varied(everyone, throats, generator)
    own, everyone = _directions(encoder, enrolled), _directions(encoder, everyone)
    likeness = own @ everyone.T * sharpness.exp()
    return functional.cross_entropy(likeness, torch.arange(len(own)))


def _factors(count: int, generator: torch.Generator) -> Tensor:
    """Lengths of so many vocal tracts, relative to those of the talkers themselves."""
    return (WARP * (2 * torch.rand(count, generator=generator) - 1)).exp()


def _excerpt(heard: Tensor, generator: torch.Generator) -> Tensor:
    """The same of all voices, (N, K, features) to fewer frames."""
    whole = heard.shape[1]
    share = SHORTEST + (1 - SHORTEST) * torch.rand((), generator=generator)
    length = max(1, int(share * whole))
    start = int(torch.randint(whole - length + 1, (), generator=generator))
    return heard[:, start : start + length]


def _varied(spectra: Tensor, throats: Tensor, generator: torch.Generator) -> Tensor:
    """Log spectra (N, K, 97), each of a voice and through a microphone of its own."""
    waves = torch.arange(1, len(TILTS) + 1)[:, None] * torch.linspace(0, math.pi, ChunkSTFT.bins)
    sizes = torch.randn(len(spectra), len(TILTS), generator=generator) * torch.tensor(TILTS)
    return _warped(spectra, throats) + (sizes @ waves.cos())[:, None]


def _warped(spectra: Tensor, factors: Tensor) -> Tensor:
    """Log spectra (N, K, 97) whose frequencies are multiplied by a factor each, (N,)."""
    last = ChunkSTFT.bins - 1
    places = (torch.arange(ChunkSTFT.bins) / factors[:, None]).clamp(max=last)
    below = places.long().clamp(max=last - 1)
    share = (places - below)[:, None]
    index = below[:, None].expand(spectra.shape)
    return spectra.gather(2, index) * (1 - share) + spectra.gather(2, index + 1) * share


def _directions(encoder: Encoder, heard: Tensor) -> Tensor:
    return functional.normalize(encoder.known(heard), dim=-1)
