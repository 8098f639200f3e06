"""Small made-up corpora in every layout, each file a second or less of seeded noise."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import soundfile

Tree = Callable[[str], Path]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index cache of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("KBBENCH_CACHE", str(folder))
    return folder


def sound(path: Path, rate: int = 16_000, channels: int = 1, seconds: float = 0.3) -> Path:
    """Noise that its path seeds, in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(str(path.name).encode()))
    data = 0.1 * rng.standard_normal((round(rate * seconds), channels))
    subtype = {".opus": "OPUS", ".ogg": "VORBIS"}.get(path.suffix, "PCM_16")
    kind = {".opus": "OGG", ".ogg": "OGG"}.get(path.suffix, path.suffix[1:].upper())
    soundfile.write(path, data, rate, subtype=subtype, format=kind)
    return path


def sofa(path: Path, ears: int = 2, directions: int = 4) -> Path:
    """A head of noise, with as much of SOFA as reading it takes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    azimuths = np.linspace(0, 360, directions, endpoint=False)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in {"M": directions, "R": ears, "N": 32, "I": 1, "C": 3}.items():
            file.createDimension(name, size)
        response = file.createVariable("Data.IR", "f8", ("M", "R", "N"))
        response[:] = rng.standard_normal((directions, ears, 32))
        file.createVariable("Data.SamplingRate", "f8", ("I",))[:] = 16_000
        position = file.createVariable("SourcePosition", "f8", ("M", "C"))
        position[:] = np.stack([azimuths, 0 * azimuths, 1 + 0 * azimuths], axis=1)
        position.Type = "spherical"
    return path


def librispeech(
    root: Path, subsets: dict[str, tuple[str, ...]], count: int = 3, suffix: str = ".flac"
) -> Path:
    """Some talkers in some subsets, with SPEAKERS.TXT."""
    lines = [";ID  |SEX| SUBSET           |MINUTES| NAME"]
    for subset, talkers in subsets.items():
        for talker in talkers:
            lines.append(f"{talker:4} | F | {subset:16} | 25.03 | Name of {talker}")
            for index in range(count):
                name = f"{talker}-100-{index:04d}{suffix}"
                sound(root / subset / talker / "100" / name, seconds=0.3 + 0.05 * index)
            (root / subset / talker / "100" / f"{talker}-100.trans.txt").write_text("A B C\n")
    (root / "SPEAKERS.TXT").write_text("\n".join(lines) + "\n")
    return root


SUBSETS = {
    "train-clean-360": ("14", "16", "17", "28"),
    "dev-clean": ("84", "174", "251"),
    "test-clean": ("61", "121", "237"),
}


CIPIC_SUBJECTS = """
003 008 009 010 011 012 015 017 018 019 020 021 027 028 033 040 044 048 050 051 058 059 060 061 065
119 124 126 127 131 133 134 135 137 147 148 152 153 154 155 156 158 162 163 165
"""


def _librispeech(root: Path) -> None:
    librispeech(root / "LibriSpeech", SUBSETS)


def _vctk(root: Path) -> None:
    for talker in ("p225", "p226", "p315", "s5"):
        for take in ("001_mic1", "001_mic2", "002_mic1", "002_mic2"):
            sound(root / "wav48_silence_trimmed" / talker / f"{talker}_{take}.flac", 48_000)


def _wham(root: Path) -> None:
    for subset in ("tr", "cv", "tt"):
        for index in range(3):
            sound(root / "wham_noise" / subset / f"{subset}x_{index}.wav", 16_000, 2)


def _demand(root: Path) -> None:
    for place in ("DKITCHEN", "NPARK", "SCAFE", "TBUS"):
        for channel in (1, 2, 16):
            sound(root / place / f"ch{channel:02d}.wav", 48_000 if place == "SCAFE" else 16_000)


def _musan(root: Path) -> None:
    sound(root / "musan" / "noise" / "free-sound" / "noise-free-sound-0000.wav")
    sound(root / "musan" / "music" / "fma" / "music-fma-0001.wav")
    sound(root / "musan" / "speech" / "us-gov" / "speech-us-gov-0002.wav")


def _cipic(root: Path) -> None:
    for subject in CIPIC_SUBJECTS.split():
        sofa(root / f"CIPIC_subject_{subject}_16k.sofa")


def _folder(root: Path) -> None:
    for talker in ("anna", "bert"):
        sound(root / talker / "one.flac", 44_100)
        sound(root / talker / "deep" / "two.opus", 48_000, 2)
    sound(root / "noise" / "street" / "rain.ogg", 22_050)
    sofa(root / "heads" / "me.sofa")
    (root / "LICENSE.txt").write_text("Anna and Bert gave these to the world.\n")


BUILDERS = {
    "librispeech": _librispeech,
    "vctk": _vctk,
    "wham": _wham,
    "demand": _demand,
    "musan": _musan,
    "cipic": _cipic,
    "folder": _folder,
}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make a corpus' folder, by the corpus' name."""

    def make(name: str) -> Path:
        BUILDERS[name](tmp_path / name)
        return tmp_path / name

    return make
