# /// script
# requires-python = ">=3.11"
# dependencies = ["av==18.1.0", "numpy==2.4.6", "soundfile==0.14.0", "soxr==1.1.0"]
# ///
"""Build the embedded mini corpus from Debian packages, to the same bytes each time.

``sources.toml`` says which recordings are taken; this file carries it out. It needs
Debian 12's package archive and the Python packages above; using the corpus needs neither.

    python recipes/mini-corpus/build.py [--check]   (--check writes nothing, compares bytes)
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile as sf  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

Signal = NDArray[np.float64]
Table = dict[str, Any]

HERE = Path(__file__).resolve().parent
CACHE = Path(tempfile.gettempdir()) / "kbbench-mini-corpus"
SAMPLE_RATE = 16_000  # Hz
FRAME = 320  # samples: 20 ms
TRIM_DB = 36.0  # below the loudest frame: silence, cut from both ends
ACTIVE_DB = 35.0  # below the loudest frame: not counted in the speech level
MARGIN = 960  # samples: 60 ms kept around the speech
FADE = 80  # samples: 5 ms, so that a cut does not click
GAP = 3_200  # samples: 0.2 s of silence between prompts joined to one utterance
SPEECH_DBFS = -26.0  # RMS of the active frames
NOISE_DBFS = -30.0  # RMS of the whole recording
PEAK = 0.89  # full scale 1: about -1 dBFS, the louder limit of both levels
UTTERANCE_S = (3.0, 8.0)
GSM = {"format": "RAW", "subtype": "GSM610", "samplerate": 8_000, "channels": 1}  # no header
HAND_WRITTEN = {"build.py", "sources.toml", "licenses/GPL-2.txt"}
SPEECH_COLUMNS = "path,talker,sex,language,split,role,samples,sha256,package"
NOISE_COLUMNS = "path,noise,split,samples,sha256,package"
HEAD_COLUMNS = "head,split,kind,path,radius_m"


class BuildError(Exception):
    """Something that the person who runs the build has to look at; one line."""


@dataclass(frozen=True)
class Packages:
    """Debian packages: downloaded once, checked by SHA-256, unpacked when first asked for."""

    declared: dict[str, Table]
    cache: Path
    unpacked: Path

    def file(self, package: str, path: str) -> Path:
        """Return the path, on this machine, of one file of one package."""
        root = self.unpacked / package
        if not root.exists():
            root.mkdir(parents=True)
            run("dpkg-deb", "-x", str(self._archive(package)), str(root))
        found = root / path
        if not found.is_file():
            raise BuildError(f"{package}: holds no file {path}; look at root and files")
        return found

    def _archive(self, package: str) -> Path:
        version = self.declared[package]["version"]
        pattern = f"{package}_{version.replace(':', '%3a')}_*.deb"
        self.cache.mkdir(parents=True, exist_ok=True)
        if not list(self.cache.glob(pattern)):
            run("apt-get", "download", f"{package}={version}", cwd=self.cache)
        archive = next(self.cache.glob(pattern))
        got, expected = sha256(archive.read_bytes()), self.declared[package]["sha256"]
        if got != expected:
            raise BuildError(f"{archive}: SHA-256 is {got}, expected {expected}")
        return archive


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a program; its last line of complaint becomes the error."""
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        raise BuildError(f"{' '.join(command)}: {last}") from error


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def decode(path: Path) -> Signal:
    """Decode a recording to one channel (the mean of its channels) at 16 kHz."""
    if path.suffix == ".g722":  # ITU-T G.722 at 64 kbit/s, no header; always 16 kHz
        with av.open(path, format="g722") as container:
            frames = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
        return np.concatenate(frames).astype(np.float64) / 32768.0
    raw = GSM if path.suffix == ".gsm" else {}
    data, rate = sf.read(path, dtype="float64", always_2d=True, **raw)
    return np.asarray(soxr.resample(data.mean(axis=1), rate, SAMPLE_RATE, quality="VHQ"))


def frame_levels(signal: Signal) -> Signal:
    """Return the level in dB of each whole 20 ms frame, relative to the loudest."""
    power = np.mean(signal[: len(signal) // FRAME * FRAME].reshape(-1, FRAME) ** 2, axis=1)
    return np.asarray(10 * np.log10(power / power.max() + 1e-12))


def trim(signal: Signal) -> Signal:
    """Cut silence from both ends and fade what is left in and out."""
    heard = np.flatnonzero(frame_levels(signal) > -TRIM_DB) * FRAME
    return fade(signal[max(0, heard[0] - MARGIN) : heard[-1] + FRAME + MARGIN])


def fade(signal: Signal) -> Signal:
    """Fade 5 ms in and out."""
    ramp = np.sin(np.pi / 2 * (np.arange(FADE) + 0.5) / FADE) ** 2
    return np.concatenate([signal[:FADE] * ramp, signal[FADE:-FADE], signal[-FADE:] * ramp[::-1]])


def level(signal: Signal, active: Signal, target_dbfs: float) -> NDArray[np.int16]:
    """Scale so that ``active`` has the target RMS, or less where the peak would pass -1 dBFS."""
    gain = 10 ** (target_dbfs / 20) / np.sqrt(np.mean(active**2))
    gain = min(gain, PEAK / np.max(np.abs(signal)))
    return np.asarray(np.round(signal * gain * 32767), dtype=np.int16)


def utterance(paths: Iterable[Path]) -> NDArray[np.int16]:
    """Make one utterance from one prompt, or from several of the same talker."""
    parts: list[Signal] = []
    for path in paths:
        signal = decode(path)
        parts += [np.zeros(GAP), trim(signal - signal.mean())]
    signal = np.concatenate(parts[1:])
    frames = signal[: len(signal) // FRAME * FRAME].reshape(-1, FRAME)
    pcm = level(signal, frames[frame_levels(signal) > -ACTIVE_DB], SPEECH_DBFS)
    if not UTTERANCE_S[0] <= len(pcm) / SAMPLE_RATE <= UTTERANCE_S[1]:
        raise BuildError(f"{path}: utterance of {len(pcm) / SAMPLE_RATE:.2f} s, expected 3 to 8 s")
    return pcm


def ambience(path: Path, start_s: float, length_s: float) -> NDArray[np.int16]:
    """Cut one stretch out of a recording of noise."""
    signal = decode(path)
    start, end = round(start_s * SAMPLE_RATE), round((start_s + length_s) * SAMPLE_RATE)
    if end > len(signal):
        raise BuildError(f"{path}: lasts {len(signal) / SAMPLE_RATE:.2f} s, too short for its cut")
    signal = fade(signal[start:end])
    return level(signal, signal, NOISE_DBFS)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file under a temporary name and rename it, so that it is never half there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def write_flac(path: Path, pcm: NDArray[np.int16]) -> Table:
    """Write 16 kHz mono FLAC; return the columns that describe it."""
    buffer = io.BytesIO()
    sf.write(buffer, pcm, SAMPLE_RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
    write_bytes(path, buffer.getvalue())
    return {"samples": len(pcm), "sha256": sha256(pcm.astype("<i2").tobytes())}


def write_csv(path: Path, columns: str, rows: Iterable[Table]) -> None:
    """Write a table with these columns, whatever else the rows hold, and Unix line ends."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns.split(","), "", "ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, buffer.getvalue().encode())


def build_speech(sources: Table, packages: Packages, out: Path) -> None:
    """Write all utterances and speech.csv."""
    rows: list[Table] = []
    who: dict[str, list[str]] = {}
    count: dict[str, int] = {}
    for entry in sources["talkers"]:
        talker, *facts = (entry[key] for key in ("talker", "sex", "split", "role"))
        if who.setdefault(talker, facts) != facts:
            raise BuildError(f"{talker}: two entries differ in sex, split or role")
        for files in entry["utterances"]:
            paths = [packages.file(entry["package"], entry["root"] + name) for name in files]
            count[talker] = count.get(talker, 0) + 1
            path = f"speech/{talker}/{talker}-{count[talker]:02d}.flac"
            rows.append({"path": path, **entry, **write_flac(out / path, utterance(paths))})
    write_csv(out / "speech.csv", SPEECH_COLUMNS, rows)


def build_noise(sources: Table, packages: Packages, out: Path) -> None:
    """Write all recordings of noise and noise.csv."""
    rows: list[Table] = []
    for entry in sources["noises"]:
        source = packages.file(entry["package"], entry["file"])
        path = f"noise/{entry['noise']}.flac"
        pcm = ambience(source, entry["start_s"], entry["length_s"])
        rows.append({"path": path, **entry, **write_flac(out / path, pcm)})
    write_csv(out / "noise.csv", NOISE_COLUMNS, rows)


def build_heads(sources: Table, packages: Packages, out: Path) -> None:
    """Copy the measured heads as they are and write heads.csv."""
    for entry in sources["heads"]:
        if entry["kind"] == "sofa":
            entry["path"] = f"hrtf/{Path(entry['file']).name}"
            data = packages.file(entry["package"], entry["file"]).read_bytes()
            write_bytes(out / entry["path"], data)
    write_csv(out / "heads.csv", HEAD_COLUMNS, sources["heads"])


def build_licenses(sources: Table, packages: Packages, out: Path) -> None:
    """Copy each package's copyright file (equal ones once) and write LICENSES.md."""
    lines = [sources["licenses"]["introduction"].strip()]
    kept: dict[str, str] = {}
    for package, declared in sources["packages"].items():
        text = packages.file(package, f"usr/share/doc/{package}/copyright").read_bytes()
        path = kept.setdefault(sha256(text), f"licenses/{package}.copyright")
        write_bytes(out / path, text)
        parts = sources["talkers"] + sources["noises"] + sources["heads"]
        mine = [e for e in parts if e.get("package") == package]
        ids = [e.get("talker") or e.get("noise") or e["head"] for e in mine]
        facts = {
            "Used for": ", ".join(dict.fromkeys(ids)),
            "Licence": declared["licence"],
            "Attribution": declared["attribution"],
            "Terms": f"<{declared['url']}>",
            "The package's own notice, in full": f"[{path}]({path})",
            "Changes": sources["licenses"][declared["changes"]],
            "Note": declared.get("note", "none."),
        }
        lines += ["", f"## {package} {declared['version']}", ""]
        lines += [f"- {name}: {fact}" for name, fact in facts.items()]
    write_bytes(out / "LICENSES.md", ("\n".join(lines) + "\n").encode())


def generated(folder: Path) -> set[str]:
    """List the files that a build writes, relative to the corpus."""
    files = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {p.relative_to(folder).as_posix() for p in files} - HAND_WRITTEN


def differences(fresh: Path) -> list[str]:
    """Name each committed file that is missing, left over, or has other bytes."""
    old, new = generated(HERE), generated(fresh)
    same = {name for name in old & new if (HERE / name).read_bytes() == (fresh / name).read_bytes()}
    kinds = {"missing": new - old, "left over": old - new, "differs": (old & new) - same}
    return [f"{kind}: {name}" for kind, names in kinds.items() for name in sorted(names)]


def main() -> int:
    """Build, or check; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the embedded mini corpus.")
    parser.add_argument("--check", action="store_true", help="compare a rebuild, write nothing")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where packages are kept")
    options = parser.parse_args()
    sources = tomllib.loads((HERE / "sources.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "corpus"
        packages = Packages(
            sources["packages"], options.cache.resolve(), Path(scratch) / "unpacked"
        )
        try:
            for step in (build_speech, build_noise, build_heads, build_licenses):
                step(sources, packages, fresh)
        except BuildError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        wrong = differences(fresh) if options.check else []
        if not options.check:
            for name in generated(HERE) - generated(fresh):
                (HERE / name).unlink()
            for name in generated(fresh):
                write_bytes(HERE / name, (fresh / name).read_bytes())
    sizes = [(HERE / name).stat().st_size for name in generated(HERE)]
    print(*wrong, f"{len(sizes)} files, {sum(sizes)} bytes, {len(wrong)} differences", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
