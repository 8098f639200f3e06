"""Messages in pieces: put together in any order, or given up; never more than a few at a time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbbench.live.datagrams import (
    DATAGRAM_BYTES,
    INCOMPLETE,
    MOST_BYTES,
    PIECE_BYTES,
    Joined,
    cut,
    read_piece,
    with_heads,
)

KEY = bytes(range(16))


@given(st.binary(max_size=3 * PIECE_BYTES), st.integers(0, 2**40), st.randoms())
def test_a_message_survives_its_pieces(message: bytes, number: int, order: random.Random) -> None:
    datagrams = cut(KEY, number, message)
    assert all(len(datagram) <= DATAGRAM_BYTES for datagram in datagrams)
    assert sum(map(len, datagrams)) == with_heads(len(message))
    order.shuffle(datagrams)
    joined, found = Joined(), []
    for datagram in [*datagrams[:-1], *datagrams]:  # some come twice
        piece = read_piece(datagram)
        assert piece is not None and piece.key == KEY
        whole = joined.add(piece)
        if whole is not None:
            found.append(whole)
            break
    assert found == [message]


def test_old_messages_are_given_up_for_new_ones() -> None:
    joined = Joined()
    message = bytes(2 * PIECE_BYTES)
    for number in range(1000):
        piece = read_piece(cut(KEY, number, message)[0])
        assert piece is not None
        assert joined.add(piece) is None
        assert len(joined._parts) <= INCOMPLETE
    assert joined.given_up == 1000 - INCOMPLETE


@given(st.binary(max_size=80))
def test_other_datagrams_are_none(data: bytes) -> None:
    piece = read_piece(data)
    assert piece is None or data[:2] == b"kD"


def test_datagrams_that_are_too_long_or_contradict_themselves_are_none() -> None:
    (good,) = cut(KEY, 1, b"abc")
    assert read_piece(good) is not None
    assert read_piece(good + bytes(DATAGRAM_BYTES)) is None
    damaged = bytearray(good)
    damaged[22] = 1  # piece 1 of 1
    assert read_piece(bytes(damaged)) is None


def test_a_message_that_is_too_long_is_refused() -> None:
    assert len(cut(KEY, 1, bytes(MOST_BYTES))) == 255
    with pytest.raises(ValueError, match="datagrams carry"):
        cut(KEY, 1, bytes(MOST_BYTES + 1))
