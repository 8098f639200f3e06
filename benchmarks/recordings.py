"""Real recordings of a folder (speech, noise, heads) as corpora, and recipes that draw from them.

Talkers are of LibriSpeech and VCTK, noise is recorded ambience, heads are of CIPIC; those that are
for scoring only are in the test split alone.

    python benchmarks/recordings.py separation --recordings ../shared/data --work data/reference

links them below --work, writes the recipe `reference-separation.toml` there, and prints the
`--corpus` options that go with it. For target speech, utterances of talkers who have one alone are
cut in two, so that enrollment and mixture share no sound. `--speeds 90 110`: training has each of
its talkers at these speeds too, in percent, as talkers of their own. `--name`: of the recipe;
another one draws other mixtures.

`--heads`: in place of CIPIC's four of training, `mini`, those of the embedded corpus; `scaled`, the
four at seven sizes each; `spheres`, 48 of every size, with ears in every place. `--voices 8`:
training has each of its talkers with 8 other voices too, and those of the embedded corpus with five
times as many, in place of `--speeds`; needs Praat (`pip install praat-parselmouth`).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import soundfile as sf
import soxr
from varied import Splits, halves, many_voices, scaled_heads, sphere_heads

from kbbench.baselines.training.settings import OWN_SPEED
from kbbench.resources import recipes_folder
from kbbench.scenes.recipe import load_recipe

SPLITS = {"train": 4000, "validation": 50, "test": 100}
"""Mixtures of a recipe to train on."""
LEARNT = "librispeech_train-clean-100"
SCORED = "librispeech_test-other"
VALIDATION_TALKERS = 27
HEADS = (("003", "008", "010", "011"), ("012", "015"), ("027", "165"))
VOICES = ("p225", "p226", "p227")
NOISES = tuple(
    tuple(f"{name}.opus" for name in names)
    for names in (
        ("blanket/birds", "blanket/boat", "blanket/waves", "ibm_max_freesound/typing"),
        ("blanket/fireplace", "blanket/wind"),
        ("blanket/coffee-shop", "blanket/rain"),
    )
)


def lay_out(
    recordings: Path, work: Path, in_two: bool = False, speeds: Sequence[int] = ()
) -> dict[str, Path]:
    """Link the recordings as their corpora lie, and say where each is.

    Args:
        recordings: the folder of all.
        work: where the corpora are to lie.
        in_two: a talker's only utterance is cut into two halves; talkers of a short one are left
            out.
        speeds: in percent; talkers of training are there at these too.
    """
    corpora = work / "corpora"
    speech = recordings / "speech"
    learnt, validation, test = talkers_of(recordings)
    subset = corpora / "librispeech" / "train-clean-100"
    for folder in validation:
        lay_out_talker(folder, subset, in_two, OWN_SPEED)
    for folder in learnt:
        for speed in (OWN_SPEED, *speeds):
            lay_out_talker(folder, subset, in_two, speed)
    for folder in test:
        lay_out_talker(folder, corpora / "librispeech" / "test-other", in_two, OWN_SPEED)
    for file in sorted((speech / "vctk").glob("*/*")):
        link(corpora / "vctk" / "wav48" / file.parent.name / file.name, file)
    for file in sorted((recordings / "noise").glob("*/*")):
        link(corpora / "folder" / "noise" / file.parent.name / file.name, file)
    for file in sorted((recordings / "hrtf").glob("*.sofa")):
        number = re.search(r"[0-9]{3}", file.name)
        if number:
            link(corpora / "cipic" / f"subject_{number[0]}.sofa", file)
    return {name: corpora / name for name in ("librispeech", "vctk", "folder", "cipic")}


def talkers_of(recordings: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Folders of the talkers of training, validation and test."""
    speech = recordings / "speech"
    known = sorted((speech / LEARNT).iterdir())
    scored = sorted((speech / SCORED).iterdir())
    return known[VALIDATION_TALKERS:], known[:VALIDATION_TALKERS], scored


def lay_out_talker(folder: Path, subset: Path, in_two: bool, speed: int) -> None:
    """Utterances of one talker, at a speed that is part of the talker's number: 90026 is 26."""
    files = sorted(folder.iterdir())
    for file in files:
        talker, chapter, number = file.stem.split("-")
        if speed == OWN_SPEED and not (in_two and len(files) == 1):
            link(subset / talker / chapter / file.name, file)
            continue
        if speed != OWN_SPEED:
            talker = f"{speed}{talker:0>4}"
        samples, rate = sf.read(file, dtype="float32")
        samples = soxr.resample(samples, speed, OWN_SPEED)
        parts = {number: samples}
        if in_two and len(files) == 1:
            parts = dict(zip(("0000", "0001"), halves(samples, rate), strict=False))
        for name, part in parts.items():
            path = subset / talker / chapter / f"{talker}-{chapter}-{name}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, part, rate)


def link(path: Path, target: Path) -> None:
    """A link to a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target.resolve())


def write_recipe(
    task: str,
    name: str,
    splits: Mapping[str, int],
    recordings: Path,
    folders: Mapping[str, Path],
    work: Path,
    embedded: Sequence[str] = (),
    made: Mapping[str, tuple[str, Splits]] = MappingProxyType({}),
) -> Path:
    """Recipe ``mini-TASK`` with those corpora instead of the embedded one, but for some parts.

    ``made``: corpus and names of parts that are not drawn as they were recorded.
    """
    text = (recipes_folder() / f"mini-{task}.toml").read_text(encoding="utf-8")
    train = sorted(folder.name for folder in (folders["librispeech"] / "train-clean-100").iterdir())
    kept = {folder.name for folder in talkers_of(recordings)[1]}
    validation = [name for name in train if name in kept]
    test = sorted(folder.name for folder in (folders["librispeech"] / "test-other").iterdir())
    talkers = ([name for name in train if name not in validation], validation, test)
    everyone = {
        "speech": ("librispeech", talkers),
        "babble": ("vctk", tuple((voice,) for voice in VOICES)),
        "noise": ("folder", NOISES),
        "heads": ("cipic", HEADS),
        **made,
    }
    used = [part for part in everyone if f'{part} = "mini"' in text]
    left = "".join(f'{part} = "mini"\n' for part in embedded)
    parts = {part: everyone[part] for part in used if part not in embedded}
    corpora = "".join(
        f'[corpora.{part}]\ncorpus = "{corpus}"\n'
        + "".join(
            f"{split} = {list(names)}\n".replace("'", '"')
            for split, names in zip(splits, lists, strict=True)
        )
        + "\n"
        for part, (corpus, lists) in parts.items()
    )
    counts = "".join(f"{split} = {count}\n" for split, count in splits.items())
    given = f"[splits]\n{counts}\n[corpora]\n{left}\n{corpora}"
    text = re.sub(r"(?s)\[splits\].*?(?=\[room\])", given, text)
    path = work / f"{name}.toml"
    path.write_text(text.replace(f'"mini-{task}"', f'"{name}"'), encoding="utf-8")
    return path


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["separation", "enhancement", "target-speech"])
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    changed = parser.add_mutually_exclusive_group()
    changed.add_argument("--speeds", type=int, nargs="*", default=[], metavar="PERCENT")
    changed.add_argument("--voices", type=int, default=0, metavar="NUMBER")
    parser.add_argument("--name")
    parser.add_argument("--heads", choices=["cipic", "mini", "scaled", "spheres"], default="cipic")
    parser.add_argument(
        "--splits", type=int, nargs=3, default=list(SPLITS.values()), help="mixtures of each split"
    )
    arguments = parser.parse_args()
    task, recordings, work = arguments.task, arguments.recordings, arguments.work
    folders = lay_out(recordings, work, task == "target-speech", arguments.speeds)
    splits = dict(zip(SPLITS, arguments.splits, strict=True))
    embedded = ("heads",) if arguments.heads == "mini" else ()
    made: dict[str, tuple[str, Splits]] = {}
    if arguments.heads in ("scaled", "spheres"):
        folders["sofa"] = folders["cipic"].with_name(arguments.heads)
        scaled = partial(scaled_heads, recordings, HEADS)
        make = scaled if arguments.heads == "scaled" else sphere_heads
        made["heads"] = "sofa", make(folders["sofa"])
    if arguments.voices:
        talkers = many_voices(
            talkers_of(recordings), arguments.voices, folders["folder"], task == "target-speech"
        )
        made["speech"] = "folder", talkers
    name = arguments.name or "-".join(("reference", task, *embedded))
    recipe = write_recipe(task, name, splits, recordings, folders, work, embedded, made)
    used = {source.corpus for source in load_recipe(str(recipe)).corpora.parts().values()}
    print(recipe, *(f"--corpus {name}={folders[name]}" for name in sorted(used & {*folders})))


if __name__ == "__main__":
    main()
