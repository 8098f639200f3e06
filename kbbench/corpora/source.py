"""Where a recipe's sound comes from: the ``[corpora]`` table.

```toml
[corpora]
speech = "librispeech"        # the corpus, split as it splits itself or by a hash of names
noise = "wham"
heads = { corpus = "cipic", shares = [0.8, 0.1, 0.1] }

[corpora.speech]              # or in full: its subsets, talkers, recordings or heads by name
corpus = "librispeech"
train = ["train-clean-100", "train-clean-360"]
validation = ["dev-clean"]
test = ["test-clean"]
```
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from kbbench.corpora.known import layout_of
from kbbench.corpora.layout import Layout, Part

SPLITS = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)
"""Of the groups in train, validation and test, where nothing else is said."""

Share = Annotated[float, Field(ge=0, le=1)]


class Source(BaseModel):
    """One corpus, and which of its groups (talkers, recordings, heads) make which split.

    Args:
        corpus: its name, as `kbbench corpora` lists it.
        name: what `--corpus NAME=FOLDER` calls it; the corpus' name where it is not given.
        train, validation, test: subsets or groups; what no list names is not used.
        shares: of the groups in each split, by a hash of their names, instead of lists.
        subsets: what ``shares`` divides; all of the corpus where it is empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpus: str
    name: str = Field(default="", pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$")
    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    shares: tuple[Share, Share, Share] | None = None
    subsets: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"corpus": value} if isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _shortest(self, handler: SerializerFunctionWrapHandler) -> Any:
        """As a recipe would write it: what says nothing is left out."""
        full = {key: value for key, value in handler(self).items() if value}
        return self.corpus if full.keys() == {"corpus"} else full

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        layout = layout_of(self.corpus)
        named = [name for split in SPLITS for name in getattr(self, split)]
        if layout.find is None and (named or self.shares or self.subsets or self.name):
            raise ValueError(f"corpus {self.corpus} is split already; write its name alone")
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)}: named twice, expected in one split")
        if named and (self.shares or self.subsets):
            raise ValueError("give lists (train, validation, test) or shares, not both")
        if self.shares and not math.isclose(sum(self.shares), 1.0, abs_tol=1e-9):
            raise ValueError(f"shares sum to {sum(self.shares):g}, expected 1")
        if self.subsets and not self.shares:
            raise ValueError("subsets are for shares; write shares, or lists instead")
        return self

    @property
    def layout(self) -> Layout:
        """What is known of its corpus."""
        return layout_of(self.corpus)

    @property
    def key(self) -> str:
        """What the command line and ids call it."""
        return self.name or self.corpus

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """Subsets or groups of each split, the corpus' own where the recipe says nothing."""
        lists = {split: getattr(self, split) for split in SPLITS}
        if not any(lists.values()) and self.shares is None:
            return dict(self.layout.official)
        return {split: names for split, names in lists.items() if names}

    @property
    def wanted(self) -> frozenset[str]:
        """Subsets or groups that are used at all; empty: all."""
        return frozenset(name for names in self.lists.values() for name in names) or frozenset(
            self.subsets
        )


class Corpora(BaseModel):
    """All parts of a recipe's sound."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    speech: Source
    heads: Source
    noise: Source | None = None
    babble: Source | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        corpora: dict[str, str] = {}
        for part, source in self.parts().items():
            if part not in source.layout.parts:
                there = ", ".join(sorted(source.layout.parts))
                raise ValueError(f"{part}: corpus {source.corpus} has {there} only")
            if corpora.setdefault(source.key, source.corpus) != source.corpus:
                raise ValueError(f"{source.key} names two corpora; give them different names")
        return self

    def parts(self) -> dict[Part, Source]:
        """The sources that are there."""
        every: dict[Part, Source | None] = {
            "speech": self.speech,
            "babble": self.babble,
            "noise": self.noise,
            "heads": self.heads,
        }
        return {part: source for part, source in every.items() if source is not None}

    def layouts(self) -> dict[str, Layout]:
        """Each corpus by what the command line calls it, without repetition."""
        return {source.key: source.layout for source in self.parts().values()}
