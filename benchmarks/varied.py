"""More heads and voices than were recorded, to train on: a large network learns few by heart.

What validates and scores stays as it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sofar
import soundfile as sf
import soxr

from kbbench.audio import Signal
from kbbench.corpora import mini
from kbbench.corpora.hrtf import Hrtf, fibonacci, rigid_sphere, sofa, unit_vector
from kbbench.units import SAMPLE_RATE

Splits = tuple[tuple[str, ...], ...]
"""Names of training, validation and test."""
SCALES = (85, 90, 95, 100, 105, 110, 115)
"""Sizes of measured heads of training, in percent: people's outer ears differ by about so much, and
a response of another size is one of another frequency (Middlebrooks, "Individual differences in
external-ear transfer functions reduced by scaling in frequency", JASA 106(3), 1999)."""
AS_IT_IS = 100
SPHERES = 48
SPHERE_RADII_M = (0.070, 0.105)
SPHERES_SCORED_M = (0.084, 0.092, 0.0875)
"""Spheres of validation, the last of tests: none to learn from is within ``APART_M`` of them."""
APART_M = 0.0007
EAR_AZIMUTH_DEG = (90.0, 110.0)
EAR_ELEVATION_DEG = (-15.0, 15.0)
SPHERE_DIRECTIONS = 2000
EMBEDDED_SHARE = 5
"""Voices of a talker of the embedded corpus, who says more, to those of one of LibriSpeech."""
HALF_S = 5.0
LOUDEST = 0.99
PITCH_HZ = (75, 500)
PRAAT_SEED = "random_initializeWithSeedUnsafelyButPredictably(5)"
"""Voiceless sounds are put together at random places: the same ones each time."""
SILENT_RMS = 1e-3
SILENT_S = 3


def scaled_heads(recordings: Path, subjects: Splits, folder: Path) -> Splits:
    """CIPIC's heads of training at several sizes, the others as they are; names of each split."""
    names: list[list[str]] = []
    for split, scales in zip(subjects, (SCALES, (AS_IT_IS,), (AS_IT_IS,)), strict=True):
        names.append([])
        for subject in split:
            (file,) = (recordings / "hrtf").glob(f"*{subject}*.sofa")
            head = sofa(file)
            flat = head.responses.reshape(-1, head.responses.shape[-1]).T
            for scale in scales:
                longer = soxr.resample(flat, AS_IT_IS, scale).T
                responses = longer.reshape(*head.responses.shape[:2], -1)
                names[-1].append(f"cipic-{subject}-{scale:03}")
                write_head(folder / f"{names[-1][-1]}.sofa", Hrtf(head.directions, responses))
    return tuple(map(tuple, names))


def sphere_heads(folder: Path) -> Splits:
    """Rigid spheres of many sizes, their ears in many places; names of each split."""
    *validation, test = SPHERES_SCORED_M
    spread = np.linspace(*SPHERE_RADII_M, 2 * SPHERES)
    apart = np.abs(spread[:, None] - SPHERES_SCORED_M).min(axis=1) > APART_M
    draw = np.random.default_rng(0)
    learnt = np.sort(draw.choice(spread[apart], SPHERES, replace=False))
    grid = fibonacci(SPHERE_DIRECTIONS)
    names: list[list[str]] = []
    for split, radii in enumerate((learnt, validation, [test])):
        names.append([])
        for radius in radii:
            ears = None
            if split == 0:
                azimuth, up = draw.uniform(*EAR_AZIMUTH_DEG), draw.uniform(*EAR_ELEVATION_DEG)
                ears = unit_vector(np.radians([azimuth, -azimuth]), np.radians([up, up]))
            names[-1].append(f"sphere-{radius * 1e5:05.0f}")
            write_head(folder / f"{names[-1][-1]}.sofa", rigid_sphere(float(radius), grid, ears))
    return tuple(map(tuple, names))


def write_head(path: Path, head: Hrtf) -> None:
    """As a SOFA file."""
    file = sofar.Sofa("SimpleFreeFieldHRIR")
    x, y, z = head.directions.T
    azimuth = np.degrees(np.arctan2(y, x)) % 360
    file.SourcePosition = np.stack([azimuth, np.degrees(np.arcsin(z)), np.ones_like(z)], axis=1)
    file.Data_IR = head.responses
    file.Data_SamplingRate = SAMPLE_RATE
    path.parent.mkdir(parents=True, exist_ok=True)
    sofar.write_sofa(str(path), file)


class Voice(NamedTuple):
    """How a voice differs from a talker's own: ratios."""

    formants: float
    pitch: float
    pitch_range: float
    duration: float

    @classmethod
    def drawn(cls, draw: np.random.Generator) -> Voice:
        """Another one, that could be a person's."""
        return cls(
            formants=float(np.exp(draw.uniform(-0.17, 0.17))),
            pitch=float(np.exp(draw.uniform(-0.4, 0.4))),
            pitch_range=float(draw.uniform(0.6, 1.5)),
            duration=float(np.exp(draw.uniform(-0.18, 0.18))),
        )

    def of(self, samples: Signal, rate: int) -> Signal:
        """An utterance in this voice; of silence where no pitch is found, at times.

        Source: PSOLA, as Praat's "Change gender" has it (Boersma and Weenink).
        """
        import parselmouth  # not of kbbench's own: pip install praat-parselmouth

        parselmouth.praat.run(PRAAT_SEED)
        sound = parselmouth.Sound(samples, rate)
        found = sound.to_pitch(pitch_floor=PITCH_HZ[0], pitch_ceiling=PITCH_HZ[1])
        hertz = found.selected_array["frequency"]
        median = float(np.median(hertz[hertz > 0])) if np.any(hertz > 0) else 0.0
        wanted = (self.formants, median * self.pitch, self.pitch_range, self.duration)
        changed = parselmouth.praat.call(sound, "Change gender", *PITCH_HZ, *wanted)
        return np.asarray(changed.values[0], dtype=np.float64)


class Talker(NamedTuple):
    """Where somebody's utterances lie, and the voice that they are to have."""

    name: str
    files: tuple[Path, ...]
    voice: Voice | None = None

    def lay_out(self, out: Path, in_two: bool = False) -> str | None:
        """Write the utterances to ``out/NAME``; the name, or none where one is too silent.

        ``in_two``: a talker's only utterance is cut, and one too short for that is left out.
        """
        written: dict[Path, tuple[Signal, int]] = {}
        for file in self.files:
            samples, rate = sf.read(file)
            if self.voice is not None:
                samples = self.voice.of(samples, rate)
            if is_silent(samples, rate):
                return None
            samples *= LOUDEST / max(LOUDEST, float(np.max(np.abs(samples))))
            cut = in_two and len(self.files) == 1
            for number, part in enumerate(halves(samples, rate) if cut else [samples]):
                written[out / self.name / f"{file.stem}-{number}.flac"] = part, rate
        for path, (part, rate) in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, part, rate)
        return self.name if written else None


def halves(samples: Signal, rate: int) -> list[Signal]:
    """An utterance as two of ``HALF_S`` or more; none, where it is too short."""
    middle = len(samples) // 2
    return [] if middle < HALF_S * rate else [samples[:middle], samples[middle:]]


def is_silent(samples: Signal, rate: int) -> bool:
    """Whether nothing is heard for ``SILENT_S``."""
    seconds = samples[: len(samples) // rate * rate].reshape(-1, rate)
    loud = np.sqrt(np.mean(np.square(seconds), axis=1)) > SILENT_RMS
    run = np.convolve(loud, np.ones(SILENT_S), mode="valid") if len(loud) >= SILENT_S else loud
    return not bool(np.all(run > 0))


def many_voices(
    folders: Sequence[Sequence[Path]], count: int, out: Path, in_two: bool = False
) -> Splits:
    """Talkers in their own voice, and those of training in so many others too.

    Args:
        folders: of the utterances of each talker, of training, validation and test; those of the
            embedded corpus that it has for training join the first, in ``EMBEDDED_SHARE`` times as
            many voices.
        count: voices.
        out: ``TALKER/*.flac`` go here.
        in_two: as for :meth:`Talker.lay_out`.

    Returns:
        the talkers' names of each split.
    """
    draw = np.random.default_rng(5)

    def in_voices(talker: Talker, voices: int) -> Iterator[Talker]:
        yield talker
        for number in range(voices):
            yield Talker(f"{talker.name}-v{number}", talker.files, Voice.drawn(draw))

    learnt, *scored = (
        [Talker(f"libri-{path.name}", tuple(sorted(path.iterdir()))) for path in split]
        for split in folders
    )
    learning = [voice for talker in learnt for voice in in_voices(talker, count)]
    for talker in embedded_talkers():
        learning += in_voices(talker, EMBEDDED_SHARE * count)
    with ProcessPoolExecutor() as pool:
        lay_out = partial(Talker.lay_out, out=out, in_two=in_two)
        done = [[*pool.map(lay_out, talkers, chunksize=8)] for talkers in (learning, *scored)]
    return tuple(tuple(sorted(name for name in split if name)) for split in done)


def embedded_talkers() -> list[Talker]:
    """Those that the embedded corpus has for training."""
    files: dict[str, tuple[Path, ...]] = {}
    for item in mini.load().utterances:
        if (item.split, item.role) == ("train", "talker"):
            files[item.talker] = (*files.get(item.talker, ()), item.path)
    return [Talker(f"mini-{name}", paths) for name, paths in files.items()]
