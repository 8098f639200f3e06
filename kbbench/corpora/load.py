"""A recipe's corpora, given as folders, as one :class:`Corpus`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from kbbench.corpora import mini
from kbbench.corpora.base import Corpus, Head, NoiseRecording, Utterance, merge
from kbbench.corpora.index import Facts, facts_of, fingerprint
from kbbench.corpora.layout import Found, Layout, Part
from kbbench.corpora.reading import samples_at_16k
from kbbench.corpora.source import Corpora, Source
from kbbench.corpora.splits import assign
from kbbench.errors import InputError

LICENCE_NAMES = ("license", "licence", "attribution", "copying")
"""First part of the names of files, in a user's folder, that say what its licence is."""
ROLES: dict[Part, str] = {"speech": "talker", "babble": "babble"}


def load_corpora(corpora: Corpora, folders: Mapping[str, Path] | None = None) -> Corpus:
    """All that a recipe draws from.

    Args:
        corpora: the recipe's table.
        folders: of each corpus that does not come with kbbench, by name.

    Raises:
        InputError: a folder is missing, not used, or not what it should be.
    """
    folders = folders or {}
    check_folders(corpora, folders)
    return merge(
        _load_mini(part) if source.layout.find is None else _load(source, part, folders[source.key])
        for part, source in corpora.parts().items()
    )


def missing(corpora: Corpora, names: Collection[str]) -> list[Source]:
    """The sources that no folder is given for, in the order of the recipe's parts."""
    return [
        source
        for source in corpora.parts().values()
        if source.layout.find is not None and source.key not in names
    ]


def restrictions(corpora: Corpora) -> list[str]:
    """What the licences of a recipe's corpora forbid, a line each."""
    return [
        f"{key}: {layout.licence}, no commercial use; see {layout.home}"
        for key, layout in corpora.layouts().items()
        if layout.commercial is False
    ]


def check_folders(corpora: Corpora, folders: Mapping[str, Path]) -> None:
    """Every corpus has a folder that is there, and no folder is for nothing.

    Raises:
        InputError: it is not so.
    """
    check_names(corpora, folders)
    for key, folder in folders.items():
        if not folder.is_dir():
            raise InputError(
                f"--corpus {key}={folder}: no such folder; expected {corpora.layouts()[key].tree}"
            )


def check_names(corpora: Corpora, names: Collection[str]) -> None:
    """The names are those of the recipe's corpora, neither more nor fewer.

    Raises:
        InputError: they are not.
    """
    needed = [key for key, layout in corpora.layouts().items() if layout.find is not None]
    for key in names:
        if key not in needed:
            expected = " and ".join(needed) if needed else "none: its sound comes with kbbench"
            raise InputError(
                f"--corpus {key}: the recipe does not use it, expected {expected}; leave it out"
            )
    for source in missing(corpora, names):
        raise InputError(_how_to_get(source))


def _how_to_get(source: Source) -> str:
    layout, key = source.layout, source.key
    get = f"; get it from {layout.home}" if layout.home else ""
    if layout.archives:
        subsets = sorted({archive.subset for archive in layout.archives} & source.wanted)
        options = "".join(f" --subset {name}" for name in subsets)
        get = f"; fetch it with `kbbench download {layout.name} --to FOLDER{options}`"
    return (
        f"corpus {key}: no folder given; add --corpus {key}=FOLDER with {layout.tree} in it{get} "
        f"({layout.licence})"
    )


def _load(source: Source, part: Part, root: Path) -> Corpus:
    layout = source.layout
    assert layout.find is not None
    every = layout.find(root, part, source.wanted)
    if not every:
        _raise_empty(source, part, root)
    splits = assign(every, source, part, root)
    used = [(item, split) for item, split in zip(every, splits, strict=True) if split is not None]
    facts = facts_of(root, [item for item, _ in used])
    return _corpus(source, part, root, used, facts)


def _raise_empty(source: Source, part: Part, root: Path) -> None:
    get = ""
    if source.layout.archives:
        get = f", or fetch it with `kbbench download {source.corpus} --to {root}`"
    raise InputError(
        f"{root}: no {part} of {source.key} there, expected {source.layout.tree}; "
        f"give the folder that holds it{get}"
    )


def _corpus(
    source: Source,
    part: Part,
    root: Path,
    used: Sequence[tuple[Found, str]],
    facts: Sequence[Facts],
) -> Corpus:
    utterances, noises, heads = [], [], []
    for (item, split), fact in zip(used, facts, strict=True):
        name = f"{source.key}:{item.name}"
        if part == "heads":
            heads.append(Head(name, split, item.path))
            continue
        length, sha256 = samples_at_16k(fact.frames, fact.rate), fingerprint(item, fact)
        sound = (item.path, length, sha256, fact.rate, fact.channels)
        if part == "noise":
            noises.append(NoiseRecording(name, split, *sound))
        else:
            talker = f"{source.key}:{item.group}"
            utterances.append(Utterance(name, talker, split, ROLES[part], *sound))
    return Corpus(
        name=source.key,
        utterances=tuple(utterances),
        noises=tuple(noises),
        heads=tuple(heads),
        licence=_licence(source.layout),
        attribution=source.layout.attribution or _attribution(source.key, root),
    )


def _licence(layout: Layout) -> str:
    return layout.licence + ("" if layout.commercial is not False else ", no commercial use")


def _attribution(key: str, root: Path) -> str:
    """What a user's own folder says of its licence."""
    texts = [
        path.read_text(encoding="utf-8", errors="replace").strip()
        for path in sorted(root.iterdir())
        if path.is_file() and path.name.lower().startswith(LICENCE_NAMES)
    ]
    return "\n\n".join(texts) or f"{key}: its folder states no licence; ask its owner."


def _load_mini(part: Part) -> Corpus:
    """A part of the embedded corpus, with its own ids and splits."""
    corpus = mini.load()
    role = ROLES.get(part)
    return Corpus(
        name=corpus.name,
        utterances=tuple(item for item in corpus.utterances if item.role == role),
        noises=corpus.noises if part == "noise" else (),
        heads=corpus.heads if part == "heads" else (),
        licence=corpus.licence,
        attribution=corpus.attribution,
    )
