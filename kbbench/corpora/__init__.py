"""Where sound comes from: one file a corpus, all in the same form."""

from __future__ import annotations

from kbbench.corpora import mini
from kbbench.corpora.base import Corpus, Head, NoiseRecording, Utterance
from kbbench.corpora.known import CORPORA, layout_of
from kbbench.corpora.layout import Archive, Layout
from kbbench.corpora.load import check_folders, load_corpora, missing, restrictions
from kbbench.corpora.reading import read_mono
from kbbench.corpora.source import Corpora, Source
from kbbench.errors import InputError


def load_corpus(name: str) -> Corpus:
    """A corpus that comes with kbbench, whole.

    Raises:
        InputError: an unknown name, one that needs a folder, or a file of it is missing.
    """
    if layout_of(name).find is not None:
        raise InputError(f"corpus {name!r}: needs a folder, expected mini; use load_corpora")
    return mini.load()


__all__ = [
    "CORPORA",
    "Archive",
    "Corpora",
    "Corpus",
    "Head",
    "Layout",
    "NoiseRecording",
    "Source",
    "Utterance",
    "check_folders",
    "layout_of",
    "load_corpora",
    "load_corpus",
    "missing",
    "read_mono",
    "restrictions",
]
