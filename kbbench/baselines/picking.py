"""Target speech: of the talkers that a network separates, the wanted one.

Each candidate's voice so far is compared with the enrollment's. Where hints arrive, so is what the
device separated with what the remote knew of the same chunk: who is wanted does not change, so that
late hints tell it as well as fresh ones.

Separation, then selection, is the cascade that Zmolikova et al., "Neural target speech extraction:
an overview", IEEE Signal Processing Magazine 40(3), 2023 (arXiv 2301.13341), set beside networks
that a vector conditions; those need far more talkers to learn from than we have (docs/training.md).
Evidence from hints is ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from kbbench.baselines.config import CANDIDATES, GridNetConfig
from kbbench.baselines.dvector import DVectorEncoder, Remembered
from kbbench.baselines.merging import OLDEST, Heard
from kbbench.baselines.talker import SIZE, Listened, TalkerEncoder, powers
from kbbench.models.stft import ChunkSTFT

RECENT = 50
"""Chunks: agreement with hints counts so long."""
SHARPNESS = 12.0
SHARPNESS_OF_D_VECTORS = 25.0
"""Of the first guess: how much of a voice's likeness, -1 to 1, makes it certain."""
PATIENCE = 50.0
"""Of the first guess: after so many chunks a likeness counts half of what it ever will."""
SHARES = (0.5, 0.5)
"""Of the first guess: how much own evidence and a remote's count where there are both."""
QUICK = 20.0
"""These two are learnt so many times as fast as their logarithms would be."""
SURE = 0.98
"""A remote is believed to be as sure as this at most."""
FAINT = 1e-5
"""Less agreement than this, in the mean over recent chunks, says nothing."""


class Candidates(NamedTuple):
    """What is remembered of them.

    Voices as heard so far (2 B), and where there are d-vectors as those hear them; shares
    (B, M, F), who is louder in each bin of the last chunks; agreed (B, N, 2), with hints, and how
    far it could have been.
    """

    voices: Listened
    known: Remembered | None
    shares: Tensor
    agreed: Tensor


class Picked(NamedTuple):
    """The wanted talker's spectra (B, T, F, E, 2), and its share (B, T, F) of each bin, -1 to 1."""

    spectra: Tensor
    share: Tensor


class Picker(nn.Module):
    """Two candidates and an enrollment to the wanted talker.

    Args:
        config: of the network whose candidates they are.
    """

    def __init__(self, config: GridNetConfig) -> None:
        super().__init__()
        self.encoder = TalkerEncoder(config.voice)
        self.d_vector = DVectorEncoder() if config.d_vector else None
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS).log())
        sharper = torch.tensor(SHARPNESS_OF_D_VECTORS).log()
        self.d_vector_sharpness = nn.Parameter(sharper) if config.d_vector else None
        self.patience = nn.Parameter(torch.tensor(PATIENCE).log())
        told = config.boosting in ("attention", "film")
        self.shares = nn.Parameter(torch.tensor(SHARES).log() / QUICK) if told else None

    def know(self, enrollment: Tensor) -> Tensor:
        """The wanted talker: an utterance (B, 1, samples) to all encoders' vectors (B, N)."""
        vector: Tensor = self.encoder(enrollment)
        if self.d_vector is None:
            return vector
        return torch.cat([vector, self.d_vector(enrollment)], dim=-1)

    def start(self, batch: int) -> Candidates:
        """Before the first frame."""
        zeros = self.sharpness.new_zeros
        return Candidates(
            self.encoder.start(CANDIDATES * batch),
            None if self.d_vector is None else self.d_vector.start(CANDIDATES * batch),
            zeros(batch, OLDEST, ChunkSTFT.bins),
            zeros(batch, RECENT - 1, 2),
        )

    def forward(
        self,
        spectra: Tensor,
        level: Tensor,
        talker: Tensor,
        heard: Heard | None,
        past: Candidates,
    ) -> tuple[Picked, Candidates]:
        """Candidates' spectra (B, T, F, 2, E, 2), their level (B, T) beside; talker (B, N).

        They do not learn from which one is picked: unsure, they would learn to be alike.
        """
        spectra = spectra.detach()
        power = powers(spectra)
        odds, voices, known = self._hear(spectra, power, level, talker, past)
        first, second = power.unbind(dim=-1)
        share = (first - second) / (first + second)
        loud = power.sum(dim=-1).sqrt()
        shares = torch.cat([past.shares, share * loud / loud.sum(dim=-1, keepdim=True)], dim=1)
        agreed = past.agreed
        if self.shares is not None and heard is not None:
            agreed = torch.cat([agreed, _agreement(shares, heard)], dim=1)
            told, says = _told(agreed)
            own, remote = (QUICK * self.shares).exp()
            odds = torch.where(says, own * odds + remote * told, odds)
        chance = odds.sigmoid()[:, :, None]
        sides = torch.stack([chance, 1 - chance], dim=-1)[..., None, None]
        wanted = Picked((sides * spectra).sum(dim=3), (2 * chance - 1) * share)
        return wanted, Candidates(voices, known, shares[:, -OLDEST:], agreed[:, 1 - RECENT :])

    def _hear(
        self, spectra: Tensor, power: Tensor, level: Tensor, talker: Tensor, past: Candidates
    ) -> tuple[Tensor, Listened, Remembered | None]:
        """Log odds at each frame, (B, T), that the first voice is the wanted one; voices so far."""
        vectors, voices = self.encoder.follow(power, level, past.voices)
        evidence, known = self.sharpness.exp() * _nearer(vectors, talker[:, :SIZE]), past.known
        if self.d_vector and self.d_vector_sharpness is not None and past.known:
            vectors, known = self.d_vector.follow(spectra, level, past.known)
            nearer = _nearer(vectors, talker[:, SIZE:])
            evidence = evidence + self.d_vector_sharpness.exp() * nearer
        count = torch.arange(1, spectra.shape[1] + 1, device=spectra.device)
        frames = past.voices.level.frames[::CANDIDATES, None] + count
        return evidence * frames / (frames + self.patience.exp()), voices, known


def _nearer(vectors: Tensor, talker: Tensor) -> Tensor:
    """How much nearer the first of two voices (2 B, T, N) is to the talker (B, N): (B, T)."""
    both = vectors.reshape(-1, CANDIDATES, *vectors.shape[1:])
    near = functional.cosine_similarity(both, talker[:, None, None], dim=-1)
    return near[:, 0] - near[:, 1]


def _agreement(shares: Tensor, heard: Heard) -> Tensor:
    """How far each step's hint calls the first candidate the wanted one, and could, (B, T, 2).

    Args:
        shares: weighted, of ``OLDEST`` chunks before the first and of all, (B, OLDEST + T, F).
        heard: hints whose last feature is the wanted talker's share.
    """
    steps = torch.arange(heard.age.shape[1], device=shares.device) + OLDEST
    batch = torch.arange(len(shares), device=shares.device)[:, None]
    late = shares[batch, steps - heard.age]
    agreed = (late * heard.hints[..., -1]).sum(dim=-1)
    return torch.stack([agreed, late.abs().sum(dim=-1) * heard.usable], dim=-1)


def _told(agreed: Tensor) -> tuple[Tensor, Tensor]:
    """What recent hints say: log odds (B, T) that the first is wanted, and where they say any.

    Args:
        agreed: of ``RECENT - 1`` steps before the first and of all, (B, RECENT - 1 + T, 2).
    """
    said, could = functional.avg_pool1d(agreed.transpose(1, 2), RECENT, stride=1).unbind(dim=1)
    known = could > FAINT
    sure = (said / could.clamp(min=FAINT)).clamp(-SURE, SURE)
    return ((1 + sure) / (1 - sure)).log(), known
