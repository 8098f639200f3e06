"""Every corpus that kbbench knows, by name."""

from __future__ import annotations

import difflib

from kbbench.corpora.demand import DEMAND
from kbbench.corpora.folder import FOLDER
from kbbench.corpora.layout import Layout
from kbbench.corpora.librispeech import LIBRISPEECH
from kbbench.corpora.mini import MINI
from kbbench.corpora.musan import MUSAN
from kbbench.corpora.sofa import CIPIC, SOFA
from kbbench.corpora.vctk import VCTK
from kbbench.corpora.wham import WHAM
from kbbench.errors import InputError

CORPORA: dict[str, Layout] = {
    layout.name: layout
    for layout in (MINI, LIBRISPEECH, VCTK, WHAM, DEMAND, MUSAN, CIPIC, SOFA, FOLDER)
}


def layout_of(name: str) -> Layout:
    """What is known of a corpus.

    Raises:
        InputError: an unknown name.
    """
    if name not in CORPORA:
        close = difflib.get_close_matches(name, CORPORA, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "see `kbbench corpora`"
        raise InputError(
            f"corpus {name!r}: unknown, expected one of {', '.join(sorted(CORPORA))}; {hint}"
        )
    return CORPORA[name]
