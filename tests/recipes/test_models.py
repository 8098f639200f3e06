"""The example triples: bounds that bound, and a Wiener filter that streams and works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kbbench.audio import read_pcm, to_float
from kbbench.channel import deliver, fixed
from kbbench.metrics import si_sdr
from kbbench.models import Triple
from kbbench.models.loading import load_triple
from kbbench.rng import Stream
from kbbench.units import CHUNK, LOOKAHEAD

Make = Callable[..., Tensor]
Example = Callable[[str], Path]
CHUNKS = 125
LENGTH = CHUNKS * CHUNK


def load(example: Example, name: str, task: str = "enhancement") -> Triple:
    return load_triple(example(name), task).triple


def run(model: Any, mixture: Tensor, **arguments: Any) -> Any:
    with torch.inference_mode():
        return model(mixture, **arguments)


def boosted(triple: Triple, mixture: Tensor, delay: int, **arguments: Any) -> Tensor:
    parts = triple.boosted_at(delay)
    _, hints = run(parts.remote, mixture, **arguments)
    sent = hints.to(triple.hint_dtype).float()
    delivered = deliver(sent, fixed(delay).seen(hints.shape[1], Stream("test")))
    estimates: Tensor = run(parts.device, mixture, **delivered.as_arguments(), **arguments)
    return estimates


def speech_like(signal: Make, batch: int = 2) -> Tensor:
    """Noise below 3 kHz that comes in syllables with pauses, at two ears."""
    spectrum = torch.fft.rfft(signal(batch, 1, LENGTH))
    spectrum[..., int(3000 / 8000 * spectrum.shape[-1]) :] = 0
    time_s = torch.arange(LENGTH) / 16_000
    syllables = torch.sin(2 * torch.pi * 4 * time_s).clamp(min=0) * (time_s % 0.8 < 0.5)
    return 0.2 * torch.fft.irfft(spectrum, LENGTH) * syllables * torch.tensor([[1.0], [0.7]])


@pytest.mark.parametrize(
    ("task", "sources"), [("separation", 2), ("target_speech", 1), ("enhancement", 1)]
)
def test_passthrough_gives_the_mixture(
    task: str, sources: int, example: Example, signal: Make
) -> None:
    triple, mixture = load(example, "passthrough", task), signal(2, 2, 1000)
    for estimates in (run(triple.small, mixture), run(triple.large, mixture)[0]):
        assert estimates.shape == (2, sources, 2, 1000)
        assert torch.equal(estimates, mixture[:, None].expand_as(estimates))


@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_the_oracle_is_worth_less_the_older_its_hints(
    task: str, example: Example, signal: Make
) -> None:
    triple = load(example, "oracle", task)
    assert triple.oracle
    sources = [speech_like(signal), 0.1 * signal(2, 2, LENGTH, seed=5)]
    mixture = sources[0] + sources[1]
    references = torch.stack(sources[: 2 if task == "separation" else 1], dim=1)
    given = {"reference": references}
    large, _ = run(triple.large, mixture, **given)
    scores = [
        float(si_sdr(boosted(triple, mixture, delay, **given), references).mean())
        for delay in (0, 1, 3, 6)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(float(si_sdr(large, references).mean()), abs=0.1)
    small = si_sdr(run(triple.small, mixture, **given), references).mean()
    assert scores[-1] > float(small) + 0.5


def noisy(signal: Make) -> tuple[Tensor, Tensor]:
    clean = speech_like(signal)
    return clean + 0.03 * signal(*clean.shape, seed=3), clean


def test_wiener_truly_works_and_hints_help(example: Example, signal: Make) -> None:
    triple, (mixture, clean) = load(example, "wiener"), noisy(signal)
    unprocessed = float(si_sdr(mixture, clean).mean())
    small = float(si_sdr(run(triple.small, mixture)[:, 0], clean).mean())
    large = float(si_sdr(run(triple.large, mixture)[0][:, 0], clean).mean())
    late = float(si_sdr(boosted(triple, mixture, 6)[:, 0], clean).mean())
    assert small > unprocessed + 1.0
    assert large > small + 0.5
    assert late > small + 0.25 * (large - small)


def test_wiener_works_on_real_speech(shared: Path, example: Example, signal: Make) -> None:
    triple = load(example, "wiener")
    gains = []
    for talker in sorted((shared / "speech/librispeech_test-other").iterdir())[:4]:
        pcm = read_pcm(max(talker.glob("*.flac"), key=lambda path: path.stat().st_size))
        clean = torch.from_numpy(np.repeat(to_float(pcm), 2, axis=0)).float()[None]
        level = clean.square().mean().sqrt() * 10 ** (-5 / 20)
        mixture = clean + level * signal(*clean.shape, seed=1)
        before = si_sdr(mixture, clean).mean()
        gains.append(float(si_sdr(boosted(triple, mixture, 6)[:, 0], clean).mean() - before))
    assert min(gains) > 1.5


@pytest.mark.parametrize("part", ["small", "large", "boosted"])
def test_wiener_hears_64_samples_past_a_chunk_and_no_more(
    part: str, example: Example, signal: Make
) -> None:
    triple, (mixture, _) = load(example, "wiener"), noisy(signal)

    def estimate(heard: Tensor) -> Tensor:
        if part == "boosted":
            return boosted(triple, heard, 2)
        output = run(getattr(triple, part), heard)
        return output[0] if isinstance(output, tuple) else output

    border = 60 * CHUNK
    poisoned = mixture.clone()
    poisoned[..., border + LOOKAHEAD :] += 0.1 * signal(LENGTH - border - LOOKAHEAD, seed=8)
    before, after = estimate(mixture), estimate(poisoned)
    assert torch.equal(after[..., :border], before[..., :border])
    assert not torch.equal(after[..., border:], before[..., border:])


def test_wiener_streams_what_it_gives_offline(example: Example, signal: Make) -> None:
    triple, (mixture, _) = load(example, "wiener"), noisy(signal)
    delay = 3
    offline = boosted(triple, mixture, delay)
    device, remote = triple.boosted_at(delay).device, triple.boosted_at(delay).remote
    padded = torch.nn.functional.pad(mixture, (0, LOOKAHEAD))
    states = [device.start(2), remote.start(2)]  # type: ignore[attr-defined]
    chunks, told = [], []
    with torch.inference_mode():
        for k in range(CHUNKS):
            frame = padded[..., k * CHUNK : (k + 1) * CHUNK + LOOKAHEAD]
            _, hint, states[1] = remote.step(frame, states[1])  # type: ignore[attr-defined]
            told.append(hint.to(triple.hint_dtype).float())
            seen = k - delay
            hint = told[seen] if seen >= 0 else torch.zeros_like(told[0])
            age = torch.full((2,), delay if seen >= 0 else -1)
            chunk, states[0] = device.step(frame, states[0], hint, age)  # type: ignore[attr-defined]
            chunks.append(chunk)
    torch.testing.assert_close(torch.cat(chunks, -1), offline, atol=1e-6, rtol=0)


def test_wiener_without_hints_is_its_small_model(example: Example, signal: Make) -> None:
    triple, (mixture, _) = load(example, "wiener"), noisy(signal)
    hints = torch.zeros(2, CHUNKS, 2, 97)
    none = {
        "hints": hints,
        "seen_mask": torch.zeros(2, CHUNKS, dtype=torch.bool),
        "age": torch.full((2, CHUNKS), -1),
    }
    device = triple.boosted_at(6).device
    assert torch.equal(run(device, mixture, **none), run(triple.small, mixture))


def test_wiener_s_neighbours_in_a_batch_do_not_matter(example: Example, signal: Make) -> None:
    triple, (mixture, _) = load(example, "wiener"), noisy(signal)
    alone = run(triple.large, mixture[:1])[0]
    torch.testing.assert_close(run(triple.large, mixture)[0][:1], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["silence", "clipped", "one chunk and a bit"])
def test_wiener_survives(name: str, example: Example, signal: Make) -> None:
    mixture = {
        "silence": torch.zeros(1, 2, 2000),
        "clipped": 10 * signal(1, 2, 2000).sign(),
        "one chunk and a bit": signal(1, 2, 129),
    }[name]
    triple = load(example, "wiener")
    for delay in (0, 1):
        estimates = boosted(triple, mixture, delay)
        assert estimates.shape == (1, 1, *mixture.shape[1:])
        assert estimates.isfinite().all()
