"""Rendering decides nothing: a plan's row and the corpus' sound give one mixture, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft, signal

from kbbench.audio import (
    Pcm,
    Signal,
    decibels,
    loudness_lufs,
    pcm_sha256,
    power,
    to_float,
    to_pcm,
)
from kbbench.corpora import Corpus, Head, NoiseRecording, Utterance, read_mono
from kbbench.corpora.hrtf import Hrtf, load_head
from kbbench.errors import InputError
from kbbench.rng import Stream
from kbbench.scenes.plan import Clip, EnrollmentNoise, MixturePlan, SourcePlan
from kbbench.scenes.room import Brir, binaural_response

DRY_RMS = 0.05
"""Root mean square of each source before its room, full scale 1."""
SPECTRUM_TAPS = 512
"""Window of a talker's long-term spectrum, and length of the filter made from it: 32 ms."""


@dataclass(frozen=True)
class Scene:
    """A rendered mixture: 16-bit samples (channels, samples), and what was measured.

    The mixture is exactly the sum of ``source-k`` (wanted talkers' references), ``reverberation-k``
    (what of a wanted talker's sound its reference leaves out; not there for ``target = image``),
    ``other-k`` (other talkers) and ``noise``. ``enrollment`` is no part of it.
    """

    stems: dict[str, Pcm]
    measured: dict[str, float]


def render(plan: MixturePlan, corpus: Corpus) -> Scene:
    """One mixture.

    Raises:
        InputError: a recording is missing, damaged, or silent where the plan uses it.
    """
    head = _head(corpus.head_by_id[plan.head])
    talkers = [
        _talker(plan, source, number, corpus, head) for number, source in enumerate(plan.talkers)
    ]
    gains = [1.0] + [
        _gain(talkers[0][0] + talkers[0][1], parts[0] + parts[1], -sir)
        for parts, sir in zip(talkers[1:], plan.sir_db, strict=True)
    ]
    stems: dict[str, Signal] = {}
    for number, (gain, (reference, rest)) in enumerate(zip(gains, talkers, strict=True)):
        if number < plan.wanted:
            stems[f"source-{number}"] = gain * reference
            if plan.target != "image":
                stems[f"reverberation-{number}"] = gain * rest
        else:
            stems[f"other-{number}"] = gain * (reference + rest)
    speech = sum(stems.values(), start=np.zeros((2, plan.samples)))
    if plan.noises and plan.snr_db is not None:
        noise = np.zeros_like(speech)
        for number, source in enumerate(plan.noises):
            brir = _brir(plan, source, f"noise-{number}", head)
            dry = _dry_noise(plan, source, number, plan.samples, corpus)
            noise += _convolve(dry, brir.whole)
        stems["noise"] = noise * _gain(speech, noise, -plan.snr_db)
    return _finish(plan, stems, corpus)


def _finish(plan: MixturePlan, stems: dict[str, Signal], corpus: Corpus) -> Scene:
    """Level, quantize, add up, measure."""
    mixture = sum(stems.values(), start=np.zeros((2, plan.samples)))
    gain = 10 ** ((plan.level_lufs - loudness_lufs(mixture)) / 20)
    peak = max(float(np.abs(stem).max()) for stem in [mixture, *stems.values()])
    gain = min(gain, 10 ** (plan.peak_dbfs / 20) / peak)
    pcm = {name: to_pcm(gain * stem) for name, stem in stems.items()}
    total = np.sum([stem.astype(np.int64) for stem in pcm.values()], axis=0)
    ready = {"mixture": np.clip(total, -32768, 32767).astype(np.int16), **pcm}
    if plan.enrollment:
        ready["enrollment"] = to_pcm(_enrollment(plan, corpus)[None])
    return Scene(ready, measure(ready))


def measure(stems: dict[str, Pcm]) -> dict[str, float]:
    """Levels of what was written, in dB: the mixture's loudness and peak, ratios of its parts.

    ``sir_db`` is talker 0 over all others, ``snr_db`` all talkers over noise, both as heard at the
    two ears together.
    """
    signals = {name: to_float(stem) for name, stem in stems.items()}
    mixture = signals["mixture"]
    measured = {
        "level_lufs": loudness_lufs(mixture),
        "peak_dbfs": 2 * decibels(float(np.abs(mixture).max())),
    }
    images: list[Signal] = []
    while talker := [name for name in signals if name.endswith(f"-{len(images)}")]:
        images.append(sum((signals[name] for name in talker), start=np.zeros_like(mixture)))
    if len(images) > 1:
        measured["sir_db"] = decibels(power(images[0]) / sum(map(power, images[1:])))
    if "noise" in signals:
        noise = signals["noise"]
        measured["snr_db"] = decibels(power(mixture - noise) / power(noise))
    return {name: round(value, 3) for name, value in measured.items()}


def _talker(
    plan: MixturePlan, source: SourcePlan, number: int, corpus: Corpus, head: Hrtf
) -> tuple[Signal, Signal]:
    """A talker at the ears: what the reference holds, and the rest; (2, T) each."""
    dry = _clips(source.clips, plan.samples, corpus.utterance_by_id)
    dry = _to_rms(dry, plan, f"talker {source.name}")
    brir = _brir(plan, source, f"talker-{number}", head)
    whole = _convolve(dry, brir.whole)
    if plan.target == "image":
        return whole, np.zeros_like(whole)
    wanted = brir.direct if plan.target == "direct" else brir.direct + brir.early
    reference = _convolve(dry, wanted)
    return reference, whole - reference


def _brir(plan: MixturePlan, source: SourcePlan, stage: str, head: Hrtf) -> Brir:
    return binaural_response(
        plan.room_m,
        plan.rt60_s,
        plan.listener_m,
        plan.yaw_deg,
        source.position_m,
        head,
        Stream(plan.recipe, plan.split, plan.index, "tail", stage),
    )


def _enrollment(plan: MixturePlan, corpus: Corpus) -> Signal:
    """The enrollment (T_e,), in noise where the plan says so."""
    speech = _clips(plan.enrollment, plan.enrollment_samples, corpus.utterance_by_id)
    speech = _to_rms(speech, plan, "enrollment")
    if plan.enrollment_noise is None:
        return speech
    length = plan.enrollment_samples
    noise = _dry_noise(plan, plan.enrollment_noise, "enrollment", length, corpus)
    noisy = speech + noise * _gain(speech, noise, -plan.enrollment_noise.snr_db)
    peak = float(np.abs(noisy).max())
    return noisy * min(1.0, 10 ** (plan.peak_dbfs / 20) / peak)


def _dry_noise(
    plan: MixturePlan,
    source: SourcePlan | EnrollmentNoise,
    key: int | str,
    length: int,
    corpus: Corpus,
) -> Signal:
    if source.kind == "recording":
        dry = _clips(source.clips, length, corpus.noise_by_id)
    else:
        dry = _clips(source.clips, length, corpus.utterance_by_id)
    if source.kind == "speech-shaped":
        stream = Stream(plan.recipe, plan.split, plan.index, "speech-shaped", key)
        dry = speech_shaped(dry, length, stream)
    return _to_rms(dry, plan, f"noise {source.name}")


def speech_shaped(speech: Signal, length: int, stream: Stream) -> Signal:
    """Stationary noise (length,) with the long-term spectrum of speech (T,)."""
    _, density = signal.welch(speech, nperseg=SPECTRUM_TAPS)
    taps = np.fft.fftshift(np.fft.irfft(np.sqrt(density))) * np.hanning(SPECTRUM_TAPS)
    white = stream.white(length + SPECTRUM_TAPS - 1)
    return np.asarray(signal.oaconvolve(white, taps, mode="valid"))


def _clips(
    clips: Sequence[Clip], length: int, recordings: dict[str, Utterance] | dict[str, NoiseRecording]
) -> Signal:
    """Lay clips side by side, (length,), zeros between."""
    dry = np.zeros(length)
    for clip in clips:
        sound = read_mono(recordings[clip.id], clip.start, clip.samples)
        dry[clip.onset : clip.onset + clip.samples] = sound
    return dry


def _to_rms(dry: Signal, plan: MixturePlan, what: str) -> Signal:
    level = power(dry)
    if level == 0:
        raise InputError(
            f"mixture {plan.id}: {what} is silent where the plan uses it; "
            "remove silent recordings from the corpus"
        )
    return dry * (DRY_RMS / math.sqrt(level))


def _convolve(dry: Signal, response: Signal) -> Signal:
    """(T,) through (2, N), cut to (2, T)."""
    size = fft.next_fast_len(len(dry) + response.shape[1] - 1, real=True)
    wet = fft.irfft(fft.rfft(dry, size) * fft.rfft(response, size), size)
    cut: Signal = wet[:, : len(dry)]
    return cut


def _gain(reference: Signal, other: Signal, level_db: float) -> float:
    """What puts ``other`` so many dB over ``reference``."""
    return float(np.sqrt(power(reference) / power(other)) * 10 ** (level_db / 20))


@lru_cache(maxsize=8)
def _head(head: Head) -> Hrtf:
    return load_head(head)


def stem_hashes(stems: dict[str, Pcm]) -> dict[str, str]:
    """SHA-256 of each stem's PCM."""
    return {name: pcm_sha256(pcm) for name, pcm in stems.items()}
