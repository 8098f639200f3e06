"""Rendered mixtures: they add up, and are as the plan says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from kbbench.audio import decibels, loudness_lufs, power, read_pcm, to_float
from kbbench.corpora import load_corpus
from kbbench.rng import Stream
from kbbench.scenes.plan import MixturePlan
from kbbench.scenes.recipe import load_recipe
from kbbench.scenes.render import Scene, render, speech_shaped, stem_hashes
from kbbench.scenes.sampling import plan_mixture
from tests.conftest import tiny_recipe


def scene(task: str, index: int = 0, **changes: object) -> tuple[MixturePlan, Scene]:
    corpus = load_corpus("mini")
    plan = plan_mixture(tiny_recipe(task, **changes), corpus, "test", index)
    return plan, render(plan, corpus)


@pytest.mark.parametrize("target", ["image", "early", "direct"])
@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_the_mixture_is_the_sum_of_its_parts_to_the_last_bit(task: str, target: str) -> None:
    plan, made = scene(task, target=target)
    parts = {k: v.astype(int) for k, v in made.stems.items() if k not in ("mixture", "enrollment")}
    np.testing.assert_array_equal(sum(parts.values()), made.stems["mixture"])
    assert all(stem.shape == (2, plan.samples) for stem in parts.values())
    assert ("reverberation-0" in parts) == (target != "image")
    assert ("noise" in parts) == (task == "enhancement")
    assert ("source-1" in parts) == (task == "separation")
    assert ("other-1" in parts) == (task == "target_speech")
    assert ("enrollment" in made.stems) == (task == "target_speech")


@pytest.mark.parametrize("index", range(3))
def test_levels_are_as_planned(index: int) -> None:
    plan, made = scene("separation", index)
    signals = {name: to_float(stem) for name, stem in made.stems.items()}
    sir = decibels(power(signals["source-0"]) / power(signals["source-1"]))
    assert sir == pytest.approx(plan.sir_db[0], abs=0.05)
    assert made.measured["sir_db"] == pytest.approx(sir, abs=0.001)
    loudness = loudness_lufs(signals["mixture"])
    peak_dbfs = 20 * np.log10(max(np.abs(stem).max() for stem in signals.values()))
    assert peak_dbfs <= plan.peak_dbfs + 0.01
    limited = peak_dbfs == pytest.approx(plan.peak_dbfs, abs=0.05)
    assert limited or loudness == pytest.approx(plan.level_lufs, abs=0.05)
    assert made.measured["level_lufs"] == pytest.approx(loudness, abs=0.001)


@pytest.mark.parametrize("index", range(6))
def test_noise_is_at_its_snr(index: int) -> None:
    plan, made = scene("enhancement", index)
    signals = {name: to_float(stem) for name, stem in made.stems.items()}
    snr = decibels(power(signals["source-0"]) / power(signals["noise"]))
    assert snr == pytest.approx(plan.snr_db, abs=0.05)
    assert made.measured["snr_db"] == pytest.approx(snr, abs=0.001)


@pytest.mark.parametrize("index", range(4))
def test_an_enrollment_may_be_in_noise(index: int) -> None:
    corpora = tiny_recipe("enhancement").corpora
    plain = tiny_recipe("target_speech")
    assert plain.enrollment is not None
    noisy = {
        "corpora": corpora,
        "noise": tiny_recipe("enhancement").noise,
        "enrollment": plain.enrollment.model_copy(update={"snr_db": (3.0, 9.0)}),
    }
    _, clean = scene("target_speech", index)
    plan, made = scene("target_speech", index, **noisy)
    assert plan.enrollment_noise is not None
    assert 3.0 <= plan.enrollment_noise.snr_db <= 9.0
    speech, heard = (to_float(item.stems["enrollment"])[0] for item in (clean, made))
    # The same utterance, perhaps turned down to the peak limit, and noise uncorrelated with it.
    speech = speech * np.dot(heard, speech) / np.dot(speech, speech)
    snr = decibels(power(speech) / power(heard - speech))
    assert snr == pytest.approx(plan.enrollment_noise.snr_db, abs=1.0)
    assert "enrollment_noise" not in scene("target_speech", index)[0].model_dump(exclude_none=True)


def test_direct_sound_is_in_the_early_is_in_the_image() -> None:
    energies, mixtures = [], []
    for target in ("direct", "early", "image"):
        _, made = scene("enhancement", target=target)
        signals = {name: to_float(stem) for name, stem in made.stems.items()}
        # Levels differ with the peak limit: relate to the same noise.
        energies.append(power(signals["source-0"]) / power(signals["noise"]))
        mixtures.append(made.stems["mixture"])
    assert energies[0] < energies[1] < energies[2]
    np.testing.assert_allclose(mixtures[0], mixtures[2], atol=2)


def test_the_nearer_ear_is_the_louder_one() -> None:
    recipe = tiny_recipe("enhancement")
    left = recipe.talkers.model_copy(update={"azimuth_deg": (60.0, 90.0)})
    room = recipe.room.model_copy(update={"kind": "anechoic"})
    _, made = scene("enhancement", talkers=left, room=room)
    ears = np.square(to_float(made.stems["source-0"])).mean(axis=1)
    assert decibels(ears[0] / ears[1]) > 5.0


def test_rendering_again_gives_the_same_bits() -> None:
    _, first = scene("target_speech")
    _, again = scene("target_speech")
    _, other = scene("target_speech", index=1)
    assert stem_hashes(first.stems) == stem_hashes(again.stems)
    assert not set(stem_hashes(first.stems).values()) & set(stem_hashes(other.stems).values())


def test_speech_shaped_noise_has_the_spectrum_of_speech_and_is_steady() -> None:
    utterance = load_corpus("mini").utterances[0]
    speech = to_float(read_pcm(utterance.path))[0]
    noise = speech_shaped(speech, 80_000, Stream("test"))

    def octaves_db(x: np.ndarray) -> np.ndarray:
        frames = x[: len(x) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
        spectrum = np.square(np.abs(np.fft.rfft(frames))).mean(0)
        edges = (8, 16, 32, 64, 128, 256, 448)
        bands = [spectrum[a:b].mean() for a, b in pairwise(edges)]
        return 10 * np.log10(np.array(bands) / power(x))

    np.testing.assert_allclose(octaves_db(noise), octaves_db(speech), atol=1.5)
    seconds = np.square(noise.reshape(5, -1)).mean(axis=1)
    assert np.ptp(10 * np.log10(seconds)) < 1.0


# The first test mixture of each mini recipe of version 2, rendered on Linux x86-64 on 2026-11-25
# with NumPy 2.4.6, SciPy 1.17.1, pyroomacoustics 0.10.1, soxr 1.1.0, pyloudnorm 0.2.0.
GOLDEN_MIXTURES = {
    "mini-separation": "24288ec4b7400c9199ec6e566988ccfef29d0f0e31a15892240712f8a8b9153b",
    "mini-target-speech": "6e2f84027f184e64b9e99afceca6eca4ecec789a10c7849a091b73a02b7f866f",
    "mini-enhancement": "a94b6f947f604b643645dab3d86904a16e382202fb7c3076a6bceef38d065f7d",
}


@pytest.mark.parametrize("name", sorted(GOLDEN_MIXTURES))
def test_the_mini_mixtures_are_those_of_version_2(name: str) -> None:
    corpus = load_corpus("mini")
    made = render(plan_mixture(load_recipe(name), corpus, "test", 0), corpus)
    assert stem_hashes(made.stems)["mixture"] == GOLDEN_MIXTURES[name]
