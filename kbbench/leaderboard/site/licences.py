"""Whose recordings the site's sound is made from: a page must name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kbbench.corpora import mini
from kbbench.corpora.layout import Layout
from kbbench.scenes.recipe import available, load_recipe


@dataclass(frozen=True)
class Credit:
    """A corpus: what it is, under which licence, whom to name, and which recipes draw from it."""

    title: str
    licence: str
    attribution: str
    home: str
    recipes: tuple[str, ...]


def credits_of(recipes: Iterable[str]) -> list[Credit]:
    """Of all corpora that these recipes draw from; recipes that kbbench does not know have none."""
    found: dict[str, tuple[Layout, list[str]]] = {}
    for name in sorted(set(recipes)):
        for layout in _layouts(name):
            found.setdefault(layout.name, (layout, []))[1].append(name)
    return [
        Credit(
            title=layout.title,
            licence=layout.licence,
            attribution=_attribution(layout),
            home=layout.home,
            recipes=tuple(dict.fromkeys(names)),
        )
        for layout, names in found.values()
    ]


def _layouts(name: str) -> list[Layout]:
    if name not in available():  # a stranger's word: it may be a path
        return []
    recipe = load_recipe(name)
    parts = (getattr(recipe.corpora, part) for part in type(recipe.corpora).model_fields)
    return [part.layout for part in parts if part is not None]


def _attribution(layout: Layout) -> str:
    return mini.load().attribution if layout.name == mini.MINI.name else layout.attribution
