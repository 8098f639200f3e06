"""What device and remote must agree on before a stream, and who may ask.

The remote speaks first (a nonce), the device answers with what it runs and a proof that it knows
the token, and the remote welcomes it or says in one line why not. The token itself is never sent.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kbbench.live.wire import VERSION, Said, WireError
from kbbench.models.loading import LoadedTriple
from kbbench.scenes.recipe import canonical_json

Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Line = Annotated[str, Field(max_length=500), AfterValidator(lambda text: printable(text))]
Part = TypeVar("Part", bound="_Part")
MOST_CHANNELS = 8
"""Ears and microphones."""
LONGEST_NAME, LONGEST_LINE = 200, 500
"""Characters."""
MOST_NUMBERS = 1 << 22
"""Of a hint: what a device makes room for, whoever tells it the shape."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def said(self) -> Said:
        """As a message."""
        return Said(type(self).__name__.lower(), self.model_dump_json().encode())


class Identity(_Part):
    """What a triple is, at one delay: the same files and weights have the same.

    Args:
        name: of the triple.
        task: separation, target_speech or enhancement.
        file_sha256: of the user's file.
        sources_sha256: of what it imports and reads, whatever those files are called.
        weights_sha256: of all weights.
        hint_dtype: what hints are sent as.
        lookahead: samples of a frame past its chunk.
        delay_chunks: what ``triple.boosted`` is asked for.
    """

    name: Line
    task: Line
    file_sha256: Sha256
    sources_sha256: Sha256
    weights_sha256: Sha256
    hint_dtype: Line
    lookahead: int
    delay_chunks: int

    @classmethod
    def of(cls, loaded: LoadedTriple, delay_chunks: int) -> Self:
        """Of a triple that is loaded.

        Raises:
            ModelError: it has no boosted model for the delay.
        """
        delays = [delay_chunks]
        files = sorted(loaded.files_sha256(delays).values())
        sources = canonical_json([sorted(loaded.imports_sha256.values()), files])
        return cls(
            name=loaded.triple.name[:LONGEST_NAME],
            task=loaded.triple.task,
            file_sha256=loaded.file_sha256,
            sources_sha256=hashlib.sha256(sources.encode()).hexdigest(),
            weights_sha256=loaded.weights_sha256(delays),
            hint_dtype=str(loaded.triple.hint_dtype).removeprefix("torch."),
            lookahead=loaded.triple.lookahead,
            delay_chunks=delay_chunks,
        )


class Challenge(_Part):
    """Remote: who are you?

    Args:
        nonce: never used again.
        token: one is asked for.
        machine: as :func:`kbbench.live.clock.machine` gives it for the nonce.
    """

    protocol: int = VERSION
    nonce: Hex32
    token: bool
    machine: Line


class Hello(_Part):
    """Device: what it runs, how it sends, and the proof that it knows the token.

    Args:
        nonce: never used again.
        proof: as :func:`proof` gives it; empty without a token.
        identity: of the triple.
        channels: C of what it hears.
        audio: how samples are written.
        transport: of frames and hints.
    """

    protocol: int = VERSION
    nonce: Hex32
    proof: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    identity: Identity
    channels: Annotated[int, Field(ge=1, le=MOST_CHANNELS)]
    audio: Literal["pcm16", "float32"]
    transport: Literal["websocket", "udp"]


class Welcome(_Part):
    """Remote: come in.

    Args:
        hint_shape: of a hint, without the mixtures' axis.
        key: of this session's datagrams.
        udp_port: where they go.
        batch: sessions that the remote computes at once; 1 is exact.
        queue: frames that wait for the remote, at most.
        message_bytes: of the longest message that the remote takes.
        torch: version there; other versions may round otherwise.
    """

    hint_shape: tuple[Annotated[int, Field(ge=0, le=MOST_NUMBERS)], ...]
    key: Hex32
    udp_port: Annotated[int, Field(ge=0, le=65535)]
    batch: Annotated[int, Field(ge=1)]
    queue: Annotated[int, Field(ge=1)]
    message_bytes: Annotated[int, Field(ge=1)]
    torch: Line

    @model_validator(mode="after")
    def _small(self) -> Welcome:
        if math.prod(self.hint_shape) > MOST_NUMBERS:
            raise ValueError(f"hints of more than {MOST_NUMBERS} numbers")
        return self


class Refused(_Part):
    """Remote: no, or no longer, and why; ``later`` says that it may be worth another try."""

    reason: Line
    later: bool = False

    @classmethod
    def because(cls, reason: object, later: bool = False) -> Refused:
        """For any reason, in one line that is not too long."""
        return cls(reason=" ".join(str(reason).split())[:LONGEST_LINE], later=later)


class Ended(_Part):
    """Remote: what became of a stream.

    Args:
        epoch: which one.
        heard: frames that the remote heard.
        dropped_frames: the oldest that waited, dropped since the remote was slow.
        late_frames: that came after a later one was heard, or whose samples were not all there.
        dropped_hints: the oldest that waited, dropped since the link was slow.
    """

    epoch: int
    heard: int
    dropped_frames: int
    late_frames: int
    dropped_hints: int


def printable(text: str) -> str:
    r"""Text that does nothing to a terminal.

    >>> printable("a\x1b[2J b")
    'a?[2J b'
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def parse(kind: type[Part], message: object) -> Part:
    """A message of a kind.

    Raises:
        WireError: it is another one, or its fields are not those of this kind.
    """
    name = kind.__name__.lower()
    if not isinstance(message, Said) or message.kind != name:
        raise WireError(f"expected {name}, got {type(message).__name__.lower()}")
    try:
        return kind.model_validate_json(message.text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise WireError(f"{name}: {place or 'content'}: {first['msg']}") from error


def new_nonce() -> str:
    """32 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(16)


def proof(token: str, challenge: str, nonce: str) -> str:
    """That one knows the token: HMAC-SHA-256 (RFC 2104) over both nonces."""
    return hmac.new(token.encode(), f"{challenge}:{nonce}".encode(), "sha256").hexdigest()


def proven(token: str, challenge: str, hello: Hello) -> bool:
    """The device knows the token; compared in constant time."""
    return hmac.compare_digest(proof(token, challenge, hello.nonce), hello.proof)


def disagreement(device: Identity, remote: Identity) -> str | None:
    """Why the two do not fit, in one line; None where they do."""
    for name in Identity.model_fields:
        values = [getattr(device, name), getattr(remote, name)]
        if values[0] != values[1]:
            what = name.removesuffix("_sha256")
            short = [value[:12] if what != name else value for value in values]
            same = "delay" if what == "delay_chunks" else "model"
            return f"{what}: the device has {short[0]}, the remote {short[1]}; give both one {same}"
    return None
