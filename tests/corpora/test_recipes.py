"""The paper-size recipes on small made-up corpora; mixtures of real and made-up folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from kbbench.cli import main
from kbbench.corpora import CORPORA, Corpora, Corpus, load_corpora
from kbbench.scenes.dataset import Dataset
from kbbench.scenes.make import make_dataset
from kbbench.scenes.plan import check_disjoint, plan_hash, recording_ids
from kbbench.scenes.recipe import SPLITS, Recipe, available, load_recipe
from kbbench.scenes.sampling import make_plan
from tests.conftest import tiny_recipe
from tests.corpora.conftest import Tree
from tests.scenes.test_dataset import write_recipe

PAPER_SIZE = [name for name in available() if name.startswith("kb-")]


def small(recipe: Recipe) -> Recipe:
    counts = recipe.splits.model_copy(update={"train": 12, "validation": 6, "test": 6})
    return recipe.model_copy(update={"splits": counts})


def folders_of(recipe: Recipe, tree: Tree) -> dict[str, Path]:
    return {name: tree(name) for name in recipe.corpora.layouts()}


def test_there_are_seven_of_paper_size() -> None:
    assert PAPER_SIZE == [
        "kb-enhancement-hard",
        "kb-enhancement",
        "kb-separation-3",
        "kb-separation-noisy",
        "kb-separation",
        "kb-target-speech-noisy",
        "kb-target-speech",
    ]
    for name in PAPER_SIZE:
        splits = load_recipe(name).splits
        assert (splits.train, splits.validation, splits.test) == (100_000, 5_000, 5_000)


@pytest.mark.parametrize("name", PAPER_SIZE)
def test_each_is_planned_with_its_splits_disjoint(name: str, tree: Tree) -> None:
    recipe = small(load_recipe(name))
    corpus = load_corpora(recipe.corpora, folders_of(recipe, tree))
    plan = list(make_plan(recipe, corpus))
    check_disjoint(plan)
    assert {row.split for row in plan} == set(SPLITS)
    for row in plan:
        assert len(row.talkers) == recipe.talkers.count
        assert bool(row.noises) == (recipe.noise is not None)
        assert corpus.head_by_id[row.head].split == row.split
    assert plan_hash(make_plan(recipe, corpus)) == plan_hash(plan)


def test_the_45_heads_are_each_in_one_split(tree: Tree) -> None:
    recipe = load_recipe("kb-separation")
    corpus = load_corpora(recipe.corpora, folders_of(recipe, tree))
    splits = [head.split for head in corpus.heads]
    assert [splits.count(split) for split in SPLITS] == [35, 5, 5]


def test_the_part_that_a_mixture_needs_is_small_and_enough(tree: Tree) -> None:
    recipe = small(load_recipe("kb-enhancement"))
    corpus = load_corpora(recipe.corpora, folders_of(recipe, tree))
    for row in make_plan(recipe, corpus):
        part = corpus.only(recording_ids(row), row.head)
        assert {item.id for item in (*part.utterances, *part.noises)} == recording_ids(row)
        assert [head.id for head in part.heads] == [row.head]


def mixed(tree: Tree) -> tuple[Recipe, dict[str, Path]]:
    """An enhancement recipe whose sound comes from four corpora, at several sample rates."""
    table = {
        "speech": {"corpus": "vctk", "train": ["p225"], "validation": ["p226"], "test": ["s5"]},
        "noise": {
            "corpus": "demand",
            "train": ["DKITCHEN"],
            "validation": ["NPARK"],
            "test": ["SCAFE", "TBUS"],
        },
        "babble": "librispeech",
        "heads": "mini",
    }
    corpora = Corpora.model_validate(table)
    return tiny_recipe("enhancement", corpora=corpora), {
        name: tree(name) for name, layout in corpora.layouts().items() if layout.find
    }


def test_a_dataset_of_several_corpora_does_not_depend_on_workers(
    tree: Tree, tmp_path: Path
) -> None:
    recipe, folders = mixed(tree)
    one = make_dataset(recipe, tmp_path / "one", workers=1, folders=folders)
    two = make_dataset(recipe, tmp_path / "two", workers=2, folders=folders)
    assert one.header == two.header
    assert Dataset.open(tmp_path / "one").header.recipe == recipe
    for text in ("vctk: CC BY 4.0", "demand: CC BY-SA 3.0", "librispeech: CC BY 4.0"):
        assert text in one.header.licence
    for text in ("Yamagishi", "Thiemann", "Panayotov"):
        assert text in one.header.attribution
    mixture = next(one.mixtures("test"))
    assert np.abs(mixture.read("mixture")).max() > 100


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_line_takes_folders_and_tells_restrictions(tree: Tree, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        "enhancement",
        corpora=Corpora.model_validate({"speech": "librispeech", "noise": "wham", "heads": "mini"}),
    )
    assert recipe.noise is not None
    noise = recipe.noise.model_copy(update={"kinds": ("recording",)})
    path = write_recipe(recipe.model_copy(update={"noise": noise}), tmp_path / "mine.toml")
    given = [f"--corpus={name}={tree(name)}" for name in ("librispeech", "wham")]
    out = tmp_path / "data"
    result = run("make-data", path, "--out", out, "--workers", 1, *given)
    assert result.exit_code == 0, result.output
    assert "note: wham: CC BY-NC 4.0, no commercial use" in result.stderr
    assert (out / "manifest.parquet").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "corpus librispeech: no folder given; add --corpus librispeech=FOLDER"),
        (["--corpus", "librispeech"], "expected NAME=FOLDER such as"),
        (["--corpus", "librispeech=nowhere", "--corpus", "cipic=."], "no such folder"),
        (["--corpus", "wham=x", "--corpus", "librispeech=x"], "the recipe does not use it"),
        (["--corpus", "cipic=a", "--corpus", "cipic=b"], "--corpus cipic: given twice"),
        (["--download", "store"], "corpus cipic: no folder given"),
    ],
)
def test_wrong_folders_are_one_line(options: list[str], message: str, tmp_path: Path) -> None:
    result = run("make-data", "kb-separation", "--out", tmp_path / "data", *options)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert message in line
    assert not (tmp_path / "data").exists()


def test_corpora_are_listed_with_licence_size_and_use() -> None:
    result = run("corpora")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    for name in CORPORA:
        assert name in text
    for part in ("CC BY-NC 4.0", "61 GB", "by hand", "train-clean-360", "ask its owner"):
        assert part in text


def test_download_says_what_it_cannot_do_in_one_line(tmp_path: Path) -> None:
    result = run("download", "cipic", "--to", tmp_path / "to")
    assert result.exit_code == 2
    assert "nothing to download; get it from https://" in result.stderr
    assert not (tmp_path / "to").exists()


# Real recordings, laid out as their corpora; they lie beside the checkout, for tests alone.


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


@pytest.fixture
def real(shared: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A folder in a corpus' own layout, of links to real recordings."""

    def make(name: str) -> Path:
        root = tmp_path / name
        if name == "librispeech":
            link(root / "SPEAKERS.TXT", shared / "speech" / "SPEAKERS.TXT")
            for subset in ("test-other", "train-clean-100"):
                folder = shared / "speech" / f"librispeech_{subset}"
                for path in sorted(folder.rglob("*.*")):
                    talker, chapter, _ = path.name.split("-", 2)
                    link(root / subset / talker / chapter / path.name, path)
        elif name == "vctk":
            for path in sorted((shared / "speech" / "vctk").rglob("*.opus")):
                link(root / "wav48" / path.parent.name / path.name, path)
        elif name == "cipic":
            for path in sorted((shared / "hrtf").glob("*.sofa")):
                link(root / path.name, path)
        else:
            link(root / "noise", shared / "noise")
        return root

    return make


def real_corpora(speech: dict[str, object]) -> Corpora:
    heads = {"corpus": "cipic", "train": ["003", "008", "010"], "test": ["165"]}
    noise = {"corpus": "folder", "train": ["blanket/wind.opus"], "test": ["blanket/rain.opus"]}
    return Corpora.model_validate({"speech": speech, "noise": noise, "heads": heads})


SPEECH = {
    "librispeech": {
        "corpus": "librispeech",
        "train": ["train-clean-100"],
        "test": ["test-other"],
    },
    "vctk": {"corpus": "vctk", "train": ["p225"], "test": ["p226", "p227"]},
}


@pytest.mark.parametrize("name", sorted(SPEECH))
def test_real_recordings_make_mixtures(
    name: str, real: Callable[[str], Path], tmp_path: Path
) -> None:
    corpora = real_corpora(SPEECH[name])
    recipe = tiny_recipe("enhancement", corpora=corpora)
    assert recipe.noise is not None
    recipe = recipe.model_copy(
        update={
            "splits": recipe.splits.model_copy(update={"train": 1, "validation": 0, "test": 2}),
            "noise": recipe.noise.model_copy(update={"kinds": ("recording",)}),
        }
    )
    folders = {key: real(key) for key in corpora.layouts()}
    corpus: Corpus = load_corpora(corpora, folders)
    assert len(corpus.talkers("train", "talker")) == (227 if name == "librispeech" else 1)
    dataset = make_dataset(recipe, tmp_path / "data", workers=1, folders=folders)
    for mixture in dataset.mixtures("test"):
        assert np.abs(mixture.read("source-0")).max() > 100
        assert mixture.row["head"] == "cipic:165"


def test_the_seven_real_talkers_of_test_other_are_found(real: Callable[[str], Path]) -> None:
    table = {
        "speech": {"corpus": "librispeech", "test": ["test-other"]},
        "heads": {"corpus": "cipic", "shares": [0.5, 0.25, 0.25]},
    }
    corpora = Corpora.model_validate(table)
    corpus = load_corpora(corpora, {name: real(name) for name in corpora.layouts()})
    assert len(corpus.talkers("test", "talker")) == 7
    assert len(corpus.utterances) == 56
    assert {item.samples for item in corpus.utterances} <= set(range(16_000, 128_001))
    assert len(corpus.heads) == 8
