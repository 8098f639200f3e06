"""Real recordings of a folder (speech, noise, heads) as corpora, and recipes that draw from them.

Talkers are of LibriSpeech and VCTK, noise is recorded ambience, heads are of CIPIC; those that are
for scoring only are in the test split alone.

    python benchmarks/recordings.py separation --recordings ../shared/data --work data/reference

links them below --work, writes the recipe `reference-separation.toml` there, and prints the
`--corpus` options that go with it. For target speech, utterances of talkers who have one alone are
cut in two, so that enrollment and mixture share no sound.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import soundfile as sf

from kbbench.resources import recipes_folder
from kbbench.scenes.recipe import load_recipe

SPLITS = {"train": 4000, "validation": 50, "test": 100}
"""Mixtures of a recipe to train on."""
VALIDATION_TALKERS = 27
HALF_S = 5.0
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


def lay_out(recordings: Path, work: Path, in_two: bool = False) -> dict[str, Path]:
    """Link the recordings as their corpora lie, and say where each is.

    Args:
        recordings: the folder of all.
        work: where the corpora are to lie.
        in_two: a talker's only utterance is cut into two of ``HALF_S`` or more; talkers of less
            are left out.
    """
    corpora = work / "corpora"
    speech = recordings / "speech"
    for subset in ("train-clean-100", "test-other"):
        for folder in sorted((speech / f"librispeech_{subset}").iterdir()):
            files = sorted(folder.iterdir())
            for file in files:
                talker, chapter, _ = file.stem.split("-")
                path = corpora / "librispeech" / subset / talker / chapter / file.name
                if in_two and len(files) == 1:
                    cut_in_two(path, file)
                else:
                    link(path, file)
    for file in sorted((speech / "vctk").glob("*/*")):
        link(corpora / "vctk" / "wav48" / file.parent.name / file.name, file)
    for file in sorted((recordings / "noise").glob("*/*")):
        link(corpora / "folder" / "noise" / file.parent.name / file.name, file)
    for file in sorted((recordings / "hrtf").glob("*.sofa")):
        number = re.search(r"[0-9]{3}", file.name)
        if number:
            link(corpora / "cipic" / f"subject_{number[0]}.sofa", file)
    return {name: corpora / name for name in ("librispeech", "vctk", "folder", "cipic")}


def link(path: Path, target: Path) -> None:
    """A link to a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target.resolve())


def cut_in_two(path: Path, source: Path) -> None:
    """Write both halves of an utterance as two, where they are long enough."""
    samples, rate = sf.read(source, dtype="float32")
    middle = len(samples) // 2
    if middle < HALF_S * rate:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate((samples[:middle], samples[middle:])):
        name = f"{path.stem.rpartition('-')[0]}-{number:04d}.flac"
        sf.write(path.with_name(name), part, rate)


def write_recipe(
    task: str, name: str, splits: Mapping[str, int], folders: Mapping[str, Path], work: Path
) -> Path:
    """Recipe ``mini-TASK`` with those corpora instead of the embedded one."""
    text = (recipes_folder() / f"mini-{task}.toml").read_text(encoding="utf-8")
    train = sorted(folder.name for folder in (folders["librispeech"] / "train-clean-100").iterdir())
    test = sorted(folder.name for folder in (folders["librispeech"] / "test-other").iterdir())
    talkers = (train[VALIDATION_TALKERS:], train[:VALIDATION_TALKERS], test)
    everyone = {
        "speech": ("librispeech", talkers),
        "babble": ("vctk", tuple((voice,) for voice in VOICES)),
        "noise": ("folder", NOISES),
        "heads": ("cipic", HEADS),
    }
    parts = {part: given for part, given in everyone.items() if f'{part} = "mini"' in text}
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
    text = re.sub(r"(?s)\[splits\].*?(?=\[room\])", f"[splits]\n{counts}\n{corpora}", text)
    path = work / f"{name}.toml"
    path.write_text(text.replace(f'"mini-{task}"', f'"{name}"'), encoding="utf-8")
    return path


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["separation", "enhancement", "target-speech"])
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    in_two = arguments.task == "target-speech"
    folders = lay_out(arguments.recordings, arguments.work, in_two)
    recipe = write_recipe(
        arguments.task, f"reference-{arguments.task}", SPLITS, folders, arguments.work
    )
    used = {source.corpus for source in load_recipe(str(recipe)).corpora.parts().values()}
    print(recipe, *(f"--corpus {name}={folders[name]}" for name in sorted(used)))


if __name__ == "__main__":
    main()
