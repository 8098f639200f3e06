"""Which split a talker, a recording or a head is in: by lists, or by a hash of its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kbbench.corpora.layout import Found, Part
from kbbench.corpora.source import SHARES, SPLITS, Source
from kbbench.errors import InputError
from kbbench.rng import Stream

SPLIT_VERSION = 1
"""Key of the hash: to raise it would move talkers between splits of everybody's corpora."""


def assign(found: Sequence[Found], source: Source, part: Part, root: Path) -> list[str | None]:
    """The split of each file; None where the recipe does not use it.

    A group is in one split with all its files, or it is an error.

    Raises:
        InputError: a group would be in two splits, or a list names what is not there.
    """
    lists = source.lists
    if not lists:
        return _by_hash(found, source, root)
    owner = {name: split for split, names in lists.items() for name in names}
    missing = owner.keys() - {item.subset for item in found} - {item.group for item in found}
    if missing:
        raise _absent(sorted(missing), found, source, root)
    splits: list[str | None] = []
    where: dict[str, tuple[str, str]] = {}
    for item in found:
        for name in {item.subset, item.group} & owner.keys():
            first_split, first = where.setdefault(item.group, (owner[name], name))
            if first_split != owner[name]:
                raise InputError(
                    f"{root}: {item.group} is in {first} ({first_split}) and in {name} "
                    f"({owner[name]}), expected each of {source.key} in one split; remove one "
                    f"of the two, or change corpora.{part} in the recipe"
                )
        splits.append(where[item.group][0] if _named(item, owner) else None)
    return splits


def _named(item: Found, owner: dict[str, str]) -> bool:
    return item.subset in owner or item.group in owner


def _by_hash(found: Sequence[Found], source: Source, root: Path) -> list[str | None]:
    """No group's split depends on any other, so a new file moves none."""
    if missing := set(source.subsets) - {item.subset for item in found}:
        raise _absent(sorted(missing), found, source, root)
    shares = source.shares or SHARES
    split_of = {
        group: hashed_split(source.corpus, group, shares) for group in {f.group for f in found}
    }
    return [
        split_of[item.group] if not source.subsets or item.subset in source.subsets else None
        for item in found
    ]


def hashed_split(corpus: str, group: str, shares: tuple[float, float, float]) -> str:
    """The split of a group, the same in every recipe with these shares, on every machine.

    >>> hashed_split("vctk", "p225", (1.0, 0.0, 0.0))
    'train'
    """
    at = float(Stream("split", SPLIT_VERSION, corpus, group).units(1)[0])
    train, validation, _ = shares
    if at < train:
        return SPLITS[0]
    return SPLITS[1] if at < train + validation else SPLITS[2]


def _absent(names: list[str], found: Sequence[Found], source: Source, root: Path) -> InputError:
    there = sorted({item.subset for item in found} - {""}) or sorted({f.group for f in found})
    listed = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
    subsets = {archive.subset for archive in source.layout.archives} & set(names)
    options = "".join(f" --subset {name}" for name in sorted(subsets))
    what = (
        f"fetch it with `kbbench download {source.corpus} --to {root}{options}`"
        if subsets
        else "give the whole corpus, or change the recipe's list"
    )
    return InputError(
        f"{root}: no {', '.join(names)} of {source.key} there, found {listed or 'nothing'}; {what}"
    )
