"""The chunk STFT: reconstruction, causality, streaming."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from kbbench.models import ChunkSTFT
from kbbench.units import CHUNK, LOOKAHEAD


@pytest.mark.parametrize("length", [1, 128, 129, 1000, 1280])
def test_untouched_frames_give_the_signal_back(
    length: int, signal: Callable[..., torch.Tensor]
) -> None:
    stft, x = ChunkSTFT(), signal(2, 3, length)
    frames = stft(x)
    assert frames.shape == (2, 3, -(-length // CHUNK), ChunkSTFT.bins)
    y = stft.inverse(frames, length)
    assert y.shape == x.shape
    torch.testing.assert_close(y[..., LOOKAHEAD:], x[..., LOOKAHEAD:], atol=1e-5, rtol=0)


def test_a_chunk_hears_64_samples_past_its_end_and_no_more(
    signal: Callable[..., torch.Tensor],
) -> None:
    stft, x = ChunkSTFT(), signal(1, 1280)
    before = stft.inverse(stft(x) * 0.5, 1280)
    poisoned = x.clone()
    poisoned[:, 5 * CHUNK + LOOKAHEAD :] = torch.nan
    after = stft.inverse(stft(poisoned) * 0.5, 1280)
    assert torch.equal(after[:, : 5 * CHUNK], before[:, : 5 * CHUNK])
    assert after[:, 5 * CHUNK :].isnan().all()


def test_streaming_gives_the_same_samples(signal: Callable[..., torch.Tensor]) -> None:
    stft, x = ChunkSTFT(), signal(2, 10 * CHUNK + LOOKAHEAD)
    offline = stft.inverse(stft(x) * 0.5, 10 * CHUNK)
    carry, chunks = torch.zeros(2, LOOKAHEAD), []
    for k in range(10):
        bins = stft.analyse(x[:, k * CHUNK : (k + 1) * CHUNK + LOOKAHEAD]) * 0.5
        chunk, carry = stft.overlap(bins, carry)
        chunks.append(chunk)
    torch.testing.assert_close(torch.cat(chunks, -1), offline, atol=1e-6, rtol=0)
