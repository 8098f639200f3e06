"""What a hint rests on: told, lost, pieced together, or found wanting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbbench.channel.recording import NOT_HEARD
from kbbench.live.history import Known, Told
from kbbench.live.wire import HISTORY_CHUNKS

CHUNKS = 400


def test_a_gap_is_told() -> None:
    told = Told()
    assert [told.before(k) for k in (3, 4, 7)] == [(0, 0), (1, 0b1), (2, 0b1100)]
    assert told.heard == 3
    with pytest.raises(ValueError, match="chunk 7 after 7"):
        told.before(7)


@given(
    st.lists(st.sampled_from(["heard", "lost", "silent"]), min_size=1, max_size=CHUNKS),
    st.integers(0, 6),
)
def test_what_is_pieced_together_is_what_was_heard(fates: list[str], swap: int) -> None:
    """Hints get lost and overtake each other; while few enough in a row do, all is known.

    ``heard`` with its hint arriving, heard but the hint ``silent``, or the frame ``lost``.
    """
    told, hints = Told(), []
    for chunk, fate in enumerate(fates):
        if fate != "lost":
            heard, history = told.before(chunk)
            if fate == "heard":
                hints.append((chunk, heard, history))
    for n in range(0, len(hints) - 1, 7):
        other = min(n + swap, len(hints) - 1)
        hints[n], hints[other] = hints[other], hints[n]
    known, newest, unknown = Known(len(fates)), -1, False
    for chunk, heard, history in hints:
        since = [k for k in range(newest + 1, chunk) if fates[k] != "lost"]
        gap = bool(since) and chunk - since[0] > HISTORY_CHUNKS
        if not known.take(5, chunk, heard, history):
            unknown = True
            assert gap
            break
        newest = max(newest, chunk)
    if not unknown:
        expected = [5 if f != "lost" and k <= newest else NOT_HEARD for k, f in enumerate(fates)]
        assert known.sessions.tolist() == expected


@pytest.mark.parametrize(("silent", "whole"), [(HISTORY_CHUNKS, True), (HISTORY_CHUNKS + 1, False)])
def test_a_silence_of_more_than_a_second_is_not_known(silent: int, whole: bool) -> None:
    """All of them were heard, and the hint before them and that after them arrive."""
    told, known = Told(), Known(CHUNKS)
    assert known.take(1, 0, *told.before(0))
    for chunk in range(1, silent + 1):
        told.before(chunk)
    assert known.take(1, silent + 1, *told.before(silent + 1)) is whole
    assert (known.sessions == 1).sum() == (silent + 2 if whole else 1)


def test_sessions_count_up_and_share_no_frame() -> None:
    known = Known(10)
    assert known.take(2, 1, 1, 0b1)
    assert not known.take(1, 3, 0, 0)  # of an older stream
    assert known.take(4, 5, 0, 0)
    assert not known.take(4, 6, 3, 0b10000)  # that would make chunk 1 its own as well
    assert not known.take(4, 10, 1, 0b10000)  # past the end
    assert known.take(4, 7, 1, 0b10)
    assert known.sessions.tolist() == [2, 2, -1, -1, -1, 4, -1, 4, -1, -1]
    assert known.take(4, 5, 0, 0)  # overtaken, and known
    assert not known.take(4, 6, 0, 0)  # told as not heard


def test_arrays_are_of_whole_numbers() -> None:
    assert Known(3).sessions.dtype == np.int64
