"""Who speaks, told by a network that has heard thousands of talkers: d-vectors as they come.

A remote can afford one. Its recurrent layers are those of Resemblyzer 0.1.4 (Corentin Jemine,
Apache-2.0), trained on talkers of LibriSpeech's train-other-500, VoxCeleb1 and VoxCeleb2 with the
loss of Wan et al., "Generalized End-to-End Loss for Speaker Verification", ICASSP 2018
(arXiv 1710.10467). They stay as they are; what a vector takes from them is learnt for rooms, and
for voices of which little was heard. Frames are of 400 samples as there, but a chunk apart: 8 ms in
place of 10.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torchaudio
from safetensors.torch import load_file
from torch import Tensor, nn

from kbbench.baselines.config import EARS
from kbbench.baselines.layers import Recurrent
from kbbench.baselines.level import Level, running_mean
from kbbench.baselines.spectra import at_level
from kbbench.models.stft import ChunkSTFT
from kbbench.units import CHUNK, LOOKAHEAD, SAMPLE_RATE

WEIGHTS = Path(__file__).parent / "pretrained" / "d-vector.safetensors"
WINDOW = 400
"""Samples, 25 ms."""
BINS = WINDOW // 2 + 1
MELS = 40
SIZE = 256
"""Units of each recurrent layer, and numbers that describe a talker."""
LAYERS = 3
LOUDNESS = 1e-3
"""Mean square of what the recurrent layers were trained on: -30 dBFS."""
SILENCE = 1e-8
"""Mean square, -80 dBFS: what is fainter is not made as loud."""
HASTE = 25.0
"""Frames: the states after so many count half of what they may."""
TINY = 1e-4


class Remembered(NamedTuple):
    """What is remembered of voices: recent sound at E ears, states, sums over the frames so far.

    Level of (N,), carry (N, E, 64), sound (N, E, 272), recurrent (3, N, 256) twice, weight (N, 1),
    sums (N, 256).
    """

    level: Level
    carry: Tensor
    sound: Tensor
    recurrent: Recurrent
    weight: Tensor
    sums: Tensor


class DVectorEncoder(nn.Module):
    """Mel spectra, three recurrent layers that stay as they are, weighted mean of all their states.

    (Resemblyzer takes the last state of 1.6 s.)
    """

    mels: Tensor
    waves: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stft = ChunkSTFT()
        self.lstm = nn.LSTM(MELS, SIZE, LAYERS, batch_first=True).requires_grad_(False)
        self.inner = nn.Linear(SIZE, SIZE)
        self.share = nn.Linear(SIZE, 1)
        self.vector = nn.Linear(SIZE, SIZE)
        mels = torchaudio.functional.melscale_fbanks(
            BINS, 0.0, SAMPLE_RATE / 2, MELS, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        waves = np.fft.rfft(np.hanning(WINDOW + 1)[:-1, None] * np.eye(WINDOW))
        pairs = torch.from_numpy(np.concatenate([waves.real, waves.imag], axis=1)).float()
        self.register_buffer("mels", mels, persistent=False)
        self.register_buffer("waves", pairs, persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """A whole utterance (B, 1, samples) to (B, 256)."""
        return self.known(self.heard(sound))

    def heard(self, sound: Tensor) -> Tensor:
        """What the recurrent layers make of an utterance (B, 1, samples): (B, K, 256)."""
        rest = -sound.shape[-1] % CHUNK
        whole = nn.functional.pad(sound, (0, rest))
        states, _ = self._states(whole, self.start(len(sound), ears=1))
        return states

    def known(self, states: Tensor) -> Tensor:
        """All that was heard, (B, K, 256), to (B, 256)."""
        vectors, _ = self._pooled(states, self.start(len(states), ears=1))
        return vectors[:, -1]

    def start(self, voices: int, ears: int = EARS) -> Remembered:
        """Before the first frame of so many voices."""
        zeros = self.vector.weight.new_zeros
        return Remembered(
            level=Level(zeros(voices), zeros(voices)),
            carry=zeros(voices, ears, LOOKAHEAD),
            sound=zeros(voices, ears, WINDOW - CHUNK),
            recurrent=(zeros(LAYERS, voices, SIZE), zeros(LAYERS, voices, SIZE)),
            weight=zeros(voices, 1),
            sums=zeros(voices, SIZE),
        )

    def follow(self, spectra: Tensor, level: Tensor, past: Remembered) -> tuple[Tensor, Remembered]:
        """Candidates' spectra (B, T, F, 2, E, 2) at their level (B, T): (2 B, T, 256), state."""
        bins = at_level(spectra.float(), level).flatten(0, 1)
        chunks, tails = self.stft.overlap_pairs(bins, bins.new_zeros(*bins.shape[:3], LOOKAHEAD))
        carried = torch.cat([past.carry[:, :, None], tails[:, :, :-1]], dim=2)
        sound = chunks + nn.functional.pad(carried, (0, CHUNK - LOOKAHEAD))
        states, after = self._states(sound.flatten(2), past)
        vectors, sums = self._pooled(states, past)
        return vectors, after._replace(carry=tails[:, :, -1], weight=sums.weight, sums=sums.sums)

    def _states(self, sound: Tensor, past: Remembered) -> tuple[Tensor, Remembered]:
        """Sound (N, E, 128 K) to (N, K, 256); in full precision always, as they were trained."""
        with torch.autocast(sound.device.type, enabled=False):
            known = torch.cat([past.sound, sound], dim=-1)
            chunks = sound.reshape(*sound.shape[:2], -1, CHUNK)
            first = CHUNK * torch.arange(chunks.shape[2], device=sound.device)
            places = first[:, None] + torch.arange(WINDOW, device=sound.device)
            real, imaginary = (known[..., places] @ self.waves).chunk(2, dim=-1)
            mels = (real.square() + imaginary.square()).mean(dim=1) @ self.mels
            mean, level = running_mean(chunks.square().mean(dim=(1, 3)), past.level)
            louder = LOUDNESS / (mean + SILENCE)
            states, recurrent = self.lstm(mels * louder[:, :, None], past.recurrent)
        sound = known[..., CHUNK - WINDOW :]
        return states, past._replace(level=level, sound=sound, recurrent=recurrent)

    def _pooled(self, states: Tensor, past: Remembered) -> tuple[Tensor, Remembered]:
        """States (N, K, 256) to the voice so far at each, (N, K, 256)."""
        y = self.inner(states).relu().float()
        count = torch.arange(1, states.shape[1] + 1, device=states.device)
        frames = (count + past.level.frames[:, None])[:, :, None]
        share = self.share(y).float().sigmoid() * frames / (frames + HASTE)
        weight = share.cumsum(dim=1) + past.weight[:, None]
        sums = (share * y).cumsum(dim=1) + past.sums[:, None]
        vectors: Tensor = self.vector(sums / (weight + TINY))
        return vectors, past._replace(weight=weight[:, -1], sums=sums[:, -1])


def pretrained() -> DVectorEncoder:
    """The one that comes with kbbench, in half precision.

    What is taken from Resemblyzer's layers was learnt from 2,048 mixtures of talkers of
    LibriSpeech's train-clean-100 and of the mini corpus's training split (docs/training.md).
    """
    encoder = DVectorEncoder()
    encoder.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    return encoder
