"""D-vectors stream, hear candidates as they sound, and compute what Resemblyzer's layers do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchaudio
from torch import Tensor

from kbbench.baselines.config import EARS, GridNetConfig
from kbbench.baselines.dvector import LAYERS, LOUDNESS, MELS, SIZE, WINDOW, DVectorEncoder
from kbbench.baselines.triples import seeded
from kbbench.models.stft import ChunkSTFT
from kbbench.units import CHUNK, LOOKAHEAD, SAMPLE_RATE
from tests.baselines.networks import make_voices_differ

Make = Callable[..., Tensor]
CHUNKS = 40


@pytest.fixture(scope="module")
def encoder() -> DVectorEncoder:
    made = seeded(0, DVectorEncoder).eval()
    make_voices_differ(made)
    return made


def sounds(signal: Make, count: int) -> Tensor:
    """(count, 1, samples), the second deep; nothing in the first 64, where frames fade in."""
    made = signal(count, 1, CHUNKS * CHUNK)
    made[1:] = 0.1 * made[1:].cumsum(dim=-1)
    made[..., :LOOKAHEAD] = 0
    return made


def candidates(sound: Tensor) -> Tensor:
    """Two voices (2, 1, samples), the same at both ears, to spectra (1, K, F, 2, E, 2)."""
    bins = torch.view_as_real(ChunkSTFT()(sound))  # 2, 1, K, F, 2
    return bins.permute(2, 3, 0, 1, 4).expand(-1, -1, -1, EARS, -1)[None]


@torch.inference_mode()
def test_the_states_are_those_of_mel_spectra_at_the_trained_loudness(
    encoder: DVectorEncoder, signal: Make
) -> None:
    sound = sounds(signal, 1)
    mel = torchaudio.transforms.MelSpectrogram(
        SAMPLE_RATE, WINDOW, hop_length=CHUNK, n_mels=MELS, center=False,
        norm="slaney", mel_scale="slaney",
    )  # fmt: skip
    frames = mel(torch.nn.functional.pad(sound[:, 0], (WINDOW - CHUNK, 0))).transpose(1, 2)
    power = sound[:, 0].square().cumsum(dim=-1)[:, CHUNK - 1 :: CHUNK]
    so_far = power / (CHUNK * torch.arange(1, CHUNKS + 1))
    expected, _ = encoder.lstm(frames * (LOUDNESS / so_far)[..., None])
    torch.testing.assert_close(encoder.heard(sound), expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.02
    assert encoder.lstm.num_layers == LAYERS


@torch.inference_mode()
def test_candidates_are_heard_as_they_sound(encoder: DVectorEncoder, signal: Make) -> None:
    sound, level = sounds(signal, 2), torch.linspace(0.5, 2, CHUNKS)[None]
    spectra = candidates(sound) / level[:, :, None, None, None, None]
    vectors, _ = encoder.follow(spectra, level, encoder.start(2))
    # of the last chunk, 64 samples still want the next frame
    for chunks in (1, 7, CHUNKS - 1):
        expected = encoder(sound[..., : chunks * CHUNK])
        torch.testing.assert_close(vectors[:, chunks - 1], expected, atol=1e-4, rtol=0)
    assert (vectors[0, -1] - vectors[1, -1]).abs().max() > 1e-3


@torch.inference_mode()
@pytest.mark.parametrize("piece", [1, 7])
def test_in_pieces_it_is_the_same(encoder: DVectorEncoder, signal: Make, piece: int) -> None:
    spectra, level = candidates(sounds(signal, 2)), torch.ones(1, CHUNKS)
    whole, _ = encoder.follow(spectra, level, encoder.start(2))
    state, parts = encoder.start(2), []
    for first in range(0, CHUNKS, piece):
        now = slice(first, first + piece)
        part, state = encoder.follow(spectra[:, now], level[:, now], state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_how_loud_a_talker_is_does_not_matter(encoder: DVectorEncoder, signal: Make) -> None:
    sound = sounds(signal, 1)
    torch.testing.assert_close(encoder(0.1 * sound), encoder(sound), atol=1e-3, rtol=0)
    assert encoder(torch.zeros_like(sound)).isfinite().all()


def test_its_recurrent_layers_stay_as_they_are(encoder: DVectorEncoder) -> None:
    learnt = {
        name.split(".")[0] for name, weight in encoder.named_parameters() if weight.requires_grad
    }
    assert learnt == {"inner", "share", "vector"}
    fixed = sum(weight.numel() for weight in encoder.lstm.parameters())
    assert fixed == 4 * SIZE * (MELS + SIZE + 2) + 2 * 4 * SIZE * (2 * SIZE + 2)


def test_without_an_enrollment_there_is_no_voice_to_know() -> None:
    with pytest.raises(ValueError, match="d_vector without an enrollment"):
        GridNetConfig(sources=2, features=4, hidden=4, d_vector=True)
