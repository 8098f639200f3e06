"""Messages as bytes: what is written is read, and nothing else is."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kbbench.live import wire
from kbbench.live.handshake import (
    Challenge,
    Ended,
    Hello,
    Identity,
    Refused,
    Welcome,
    disagreement,
    new_nonce,
    parse,
    proof,
    proven,
)

U32 = st.integers(0, 2**32 - 1)
MESSAGES = st.one_of(
    st.builds(wire.Said, st.sampled_from(wire.SAID), st.binary(max_size=60)),
    st.builds(wire.Begin, U32, st.binary(max_size=60)),
    st.builds(wire.Ready, U32),
    st.builds(wire.End, U32),
    st.builds(wire.Audio, U32, U32, st.integers(-1, 2**31 - 1), st.booleans(), st.binary()),
    st.builds(
        wire.Hint,
        epoch=U32,
        chunk=U32,
        heard=U32,
        history=st.integers(0, 2**wire.HISTORY_CHUNKS - 1),
        received_ns=st.integers(-(2**63), 2**63 - 1),
        queue_us=U32,
        remote_us=U32,
        held_us=U32,
        values=st.binary(),
    ),
)
IDENTITY = Identity(
    name="mine",
    task="separation",
    file_sha256="a" * 64,
    sources_sha256="b" * 64,
    weights_sha256="c" * 64,
    hint_dtype="float16",
    lookahead=64,
    delay_chunks=6,
)


@given(MESSAGES)
def test_what_is_written_is_read(message: wire.Message) -> None:
    assert wire.decode(wire.encode(message)) == message


@given(st.binary(max_size=120))
def test_other_bytes_are_no_message(data: bytes) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode(data if data[:2] != wire.MAGIC else b"xx" + data[2:])
    assert "\n" not in str(caught.value)


@given(st.integers(0, 255), st.binary(max_size=120))
def test_a_damaged_body_is_a_message_or_an_error(kind: int, body: bytes) -> None:
    """Nothing but a WireError is ever raised, whatever follows a good beginning."""
    try:
        message = wire.decode(wire.MAGIC + bytes([wire.VERSION, kind]) + body)
    except wire.WireError:
        return
    if isinstance(message, wire.Said):
        for model in (Challenge, Hello, Welcome, Refused, Ended):
            with pytest.raises(wire.WireError):
                parse(model, message)
    else:
        assert wire.decode(wire.encode(message)) == message


@given(MESSAGES, st.data())
def test_a_cut_message_is_never_read_as_another_kind(message: wire.Message, data: Any) -> None:
    encoded = wire.encode(message)
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    try:
        assert type(wire.decode(cut)) is type(message)
    except wire.WireError:
        return


def test_another_version_is_named() -> None:
    encoded = bytearray(wire.encode(wire.Ready(1)))
    encoded[2] = wire.VERSION + 1
    message = f"protocol {wire.VERSION + 1}, this kbbench speaks {wire.VERSION}; install the same"
    with pytest.raises(wire.WireError, match=message):
        wire.decode(bytes(encoded))


def test_numbers_out_of_range_are_refused_before_they_are_sent() -> None:
    for message in (wire.Ready(-1), wire.Ready(2**32), wire.Audio(0, 0, -(2**40), True, b"")):
        with pytest.raises(ValueError, match=type(message).__name__):
            wire.encode(message)


def test_long_times_are_the_longest_that_fit() -> None:
    hint = wire.Hint(1, 2, 0, 0, 5, 2**40, 7, 2**33, b"xy")
    again = wire.decode(wire.encode(hint))
    assert isinstance(again, wire.Hint)
    assert (again.queue_us, again.remote_us, again.held_us) == (2**32 - 1, 7, 2**32 - 1)


def test_a_hint_costs_the_link_little_more_than_its_values() -> None:
    hint = wire.Hint(1, 2, 0, 0, 0, 0, 0, 0, b"")
    assert len(wire.encode(hint)) == 4 + struct.calcsize("<III16sqIII") == 52


def test_a_token_is_proven_and_never_sent() -> None:
    challenge, nonce = new_nonce(), new_nonce()
    given = {"identity": IDENTITY, "channels": 2, "audio": "pcm16", "transport": "udp"}
    hello = Hello(nonce=nonce, proof=proof("secret", challenge, nonce), **given)  # type: ignore[arg-type]
    assert proven("secret", challenge, hello)
    assert not proven("other", challenge, hello)
    assert not proven("secret", new_nonce(), hello)
    assert not proven("secret", challenge, hello.model_copy(update={"proof": ""}))
    assert b"secret" not in wire.encode(hello.said())
    assert parse(Hello, wire.decode(wire.encode(hello.said()))) == hello


@pytest.mark.parametrize("name", list(Identity.model_fields))
def test_each_difference_is_told_in_one_line(name: str) -> None:
    value = getattr(IDENTITY, name)
    other = value + 1 if isinstance(value, int) else "d" * 64
    said = disagreement(IDENTITY.model_copy(update={name: other}), IDENTITY)
    assert said is not None and "\n" not in said
    assert said.startswith(f"{name.removesuffix('_sha256')}: the device has ")
    assert disagreement(IDENTITY, IDENTITY) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "welcome: content: Invalid JSON"),
        (b"\x80\x04\x95", "welcome: content: Invalid JSON"),  # how a pickle begins
        (b"[" * 10_000, "welcome: content: Invalid JSON"),
        (b"{}", "welcome: hint_shape: Field required"),
        (b'{"hint_shape": [-1]}', r"welcome: hint_shape.0: Input should be greater than"),
        (b'{"colour": 1}', "welcome: "),
    ],
)
def test_fields_are_checked(text: bytes, message: str) -> None:
    with pytest.raises(wire.WireError, match=message) as caught:
        parse(Welcome, wire.Said("welcome", text))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_reason_is_one_harmless_line_whatever_it_is() -> None:
    refused = Refused.because("\x1b[2J wrong\n" + "x" * 1000)
    assert refused.reason.startswith("?[2J wrong x") and len(refused.reason) == 500
    said = wire.Said("refused", b'{"reason": "\\u001b]0;title\\u0007", "later": false}')
    assert parse(Refused, said).reason == "?]0;title?"


def test_a_hint_of_any_size_is_not_made_room_for() -> None:
    given = {"key": "0" * 32, "udp_port": 1, "batch": 1, "queue": 1, "message_bytes": 1}
    text = json.dumps({**given, "torch": "2", "hint_shape": [4000, 4000]}).encode()
    with pytest.raises(wire.WireError, match="hints of more than 4194304 numbers"):
        parse(Welcome, wire.Said("welcome", text))


def test_a_message_of_another_kind_is_not_parsed() -> None:
    with pytest.raises(wire.WireError, match="expected welcome, got said"):
        parse(Welcome, wire.Said("hello", b"{}"))
    with pytest.raises(wire.WireError, match="expected welcome, got ready"):
        parse(Welcome, wire.Ready(1))
