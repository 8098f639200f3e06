"""The [corpora] table: what is said in it, what is refused, and splits that never move."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from kbbench.corpora import Corpora, Source, load_corpora
from kbbench.corpora.layout import Found
from kbbench.corpora.splits import assign, hashed_split
from kbbench.errors import InputError
from kbbench.scenes.recipe import SPLITS, available, load_recipe

SHARES = (0.8, 0.1, 0.1)


def source(**fields: object) -> Source:
    return Source.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"corpus": "librispeach"}, "unknown, .* did you mean librispeech"),
        ({"corpus": "vctk", "colour": 1}, "Extra inputs are not permitted"),
        ({"corpus": "mini", "train": ["anna"]}, "split already; write its name alone"),
        ({"corpus": "mini", "shares": [0.8, 0.1, 0.1]}, "split already"),
        ({"corpus": "vctk", "train": ["p1"], "test": ["p1"]}, "p1: named twice"),
        ({"corpus": "vctk", "train": ["p1"], "shares": [1, 0, 0]}, "not both"),
        ({"corpus": "vctk", "shares": [0.8, 0.1, 0.2]}, r"sum to 1\.1, expected 1"),
        ({"corpus": "vctk", "shares": [1.5, -0.5, 0]}, "less than or equal to 1"),
        ({"corpus": "musan", "subsets": ["noise"]}, "subsets are for shares"),
        ({"corpus": "folder", "name": "My Folder"}, "should match pattern"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source(**fields)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"speech": "wham", "heads": "mini"}, "speech: corpus wham has noise only"),
        ({"speech": "mini"}, "heads"),
        ({"speech": "mini", "heads": "mini", "smell": "mini"}, "smell"),
        (
            {
                "speech": {"corpus": "folder", "name": "x"},
                "heads": {"corpus": "sofa", "name": "x"},
            },
            "x names two corpora",
        ),
    ],
)
def test_tables_that_make_no_sense_are_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Corpora.model_validate(table)


def test_a_name_alone_is_the_same_as_a_table_that_says_no_more() -> None:
    assert source(corpus="vctk") == Source.model_validate("vctk")
    assert source(corpus="vctk").model_dump() == "vctk"
    full = source(corpus="vctk", train=["p225"], test=["p226"])
    assert Source.model_validate(full.model_dump(mode="json")) == full


TEXT = available()["mini-enhancement"].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('speech = "mini"', 'speech = "minni"', "corpora.speech.*did you mean mini"),
        ('noise = "mini"', "", "corpora.noise is for noise.kinds of recording; here it is needed"),
        ('kinds = ["recording", ', "kinds = [", "corpora.noise .* here it is not used"),
        ('["recording", "babble", "speech-shaped"]', '["recording"]', "corpora.babble .* not used"),
        ('heads = "mini"', "", "corpora.heads: missing"),
        ('heads = "mini"', 'heads = "mini"\nnose = 1', "corpora.nose: unknown key"),
    ],
)
def test_a_recipe_s_table_is_checked_in_one_line(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in TEXT
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        load_recipe(str(path))
    assert "\n" not in str(caught.value)


def found(*groups: str) -> list[Found]:
    return [
        Found(Path(f"{group}-{index}.wav"), f"{group}-{index}", group, "", 1, 1)
        for group in groups
        for index in (0, 1)
    ]


def test_a_group_is_in_one_split_and_a_new_one_moves_none() -> None:
    few = found(*(f"p{index}" for index in range(100)))
    many = found("a", *(f"p{index}" for index in range(300)))
    by_few = dict(zip(few, assign(few, source(corpus="vctk"), "speech", Path()), strict=True))
    by_many = dict(zip(many, assign(many, source(corpus="vctk"), "speech", Path()), strict=True))
    assert all(by_many[item] == split for item, split in by_few.items())
    for item, split in by_many.items():
        assert {by_many[other] for other in many if other.group == item.group} == {split}


def test_shares_are_about_what_is_declared() -> None:
    splits = [hashed_split("vctk", f"p{index}", SHARES) for index in range(5000)]
    for split, share in zip(SPLITS, SHARES, strict=True):
        assert splits.count(split) / 5000 == pytest.approx(share, abs=0.02)


def test_larger_train_shares_move_talkers_into_train_only() -> None:
    for index in range(500):
        before = hashed_split("vctk", f"p{index}", (0.6, 0.2, 0.2))
        after = hashed_split("vctk", f"p{index}", (0.8, 0.1, 0.1))
        assert after == before or SPLITS.index(after) < SPLITS.index(before)


# The splits of everybody's VCTK: a change here would put test talkers into training.
# Drawn on Linux x86-64 on 2026-11-25.
GOLDEN = {"p225": "test", "p226": "train", "p227": "validation", "p228": "train"}


def test_hashed_splits_are_those_of_version_1() -> None:
    assert {name: hashed_split("vctk", name, SHARES) for name in GOLDEN} == GOLDEN


def test_missing_and_unused_folders_are_one_line(tmp_path: Path) -> None:
    table = Corpora.model_validate({"speech": "librispeech", "heads": "cipic"})
    with pytest.raises(InputError, match=r"no folder given; add --corpus librispeech=FOLDER") as it:
        load_corpora(table, {})
    for text in ("train-clean-360/TALKER", "kbbench download librispeech", "CC BY 4.0"):
        assert text in str(it.value)
    with pytest.raises(InputError, match=r"--corpus cipic=FOLDER with .* get it from"):
        load_corpora(table, {"librispeech": tmp_path})
    with pytest.raises(InputError, match="--corpus wham: the recipe does not use it, expected li"):
        load_corpora(table, {"librispeech": tmp_path, "cipic": tmp_path, "wham": tmp_path})
