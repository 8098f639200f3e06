"""Recipes: what is declared, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbbench.errors import InputError
from kbbench.scenes.recipe import available, load_recipe

TEXT = available()["mini-separation"].read_text(encoding="utf-8")


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", sorted(available()))
def test_every_recipe_loads_and_is_called_as_its_file(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe == load_recipe(str(available()[name]))


def test_the_mini_recipes_cover_the_three_tasks() -> None:
    recipes = [load_recipe(name) for name in available() if name.startswith("mini-")]
    assert {recipe.task for recipe in recipes} == {"separation", "target_speech", "enhancement"}
    for recipe in recipes:
        counts = recipe.splits
        assert (counts.train, counts.validation, counts.test) == (200, 50, 100)


def test_comments_do_not_change_the_hash_but_values_do(tmp_path: Path) -> None:
    original = load_recipe("mini-separation").sha256
    assert load_recipe(write(tmp_path, "# a comment\n" + TEXT)).sha256 == original
    changed = TEXT.replace("rt60_s = [0.15, 0.6]", "rt60_s = [0.15, 0.61]")
    assert load_recipe(write(tmp_path, changed)).sha256 != original


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("count = 2", "count = 2\ncolour = 1", "talkers.colour: unknown key"),
        ("duration_s = 5.0", "", "duration_s: missing"),
        ("[3.5, 8.0]", "[8.0, 3.5]", "room.length_m = .*write the lower value first"),
        ("[3.5, 8.0]", '"wide"', "room.length_m = 'wide'"),
        ("version = 2", "version = 0", "version = 0"),
        ('task = "separation"', 'task = "dancing"', "task = 'dancing'"),
        ('task = "separation"', 'task = "target_speech"', "needs .enrollment."),
        ('task = "separation"', 'task = "enhancement"', "enhancement needs .noise."),
        ("count = 2", "count = 1", "talkers.count of 2 or more"),
        ("sir_db = [-10.0, 10.0]", "", "talkers.sir_db"),
        ("[room]", "[room", "not TOML"),
        ("[level]", "[enrollment]\nduration_s = 5.0\nsnr_db = [0.0, 1.0]\n[level]", "has no"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in TEXT
    path = write(tmp_path, TEXT.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        load_recipe(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_close_ones() -> None:
    with pytest.raises(InputError, match=r"'mini-seperation': .* did you mean mini-separation"):
        load_recipe("mini-seperation")
    with pytest.raises(InputError, match="see `kbbench recipes`"):
        load_recipe("zzz")
