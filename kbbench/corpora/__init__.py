"""Where sound comes from: one file a corpus, all in the same form."""

from __future__ import annotations

from collections.abc import Callable

from kbbench.corpora import mini
from kbbench.corpora.base import Corpus, Head, NoiseRecording, Utterance
from kbbench.errors import InputError

CORPORA: dict[str, Callable[[], Corpus]] = {"mini": mini.load}
"""Every corpus by name."""


def load_corpus(name: str) -> Corpus:
    """The corpus of a name.

    Raises:
        InputError: an unknown name, or a file of the corpus is missing.
    """
    if name not in CORPORA:
        raise InputError(f"corpus {name!r}: unknown, expected one of {', '.join(sorted(CORPORA))}")
    return CORPORA[name]()


__all__ = ["CORPORA", "Corpus", "Head", "NoiseRecording", "Utterance", "load_corpus"]
