"""What a live run recorded of its link: of each hint the step at which it arrived.

```
{"format": "kbbench-arrivals", "version": 1, "delay_chunks": 6, "oldest_chunks": 125, ...,
 "mixtures": {"test/00000": {"chunks": 250, "arrival": [2, 4, 4, -1, ...],
                             "heard": [[0, 0, 120], [1, 140, 249]], "estimates_sha256": "..."}}}
```

Hint j could be used from step ``arrival[j]`` on; -1 where it never came. ``heard`` says which
frames the remote heard, as runs (session, first, last): a new session begins from the remote's
state before the first chunk. Both together decide every bit of what the device wrote.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kbbench.channel.index import NO_HINT, Seen
from kbbench.errors import InputError, one_line

NOT_HEARD = -1
"""The session of a frame that no remote heard."""
OLDEST_CHUNKS = 125
"""A hint older than one second is none: hints are off while the link is lost."""
LONGEST_CHUNKS = 1 << 20
"""Of one mixture: more than two hours."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RecordedMixture(_Part):
    """One mixture over the link.

    Args:
        chunks: K.
        arrival: (K,), the first step that could use each hint, at least its own; -1 for never.
        heard: runs (session, first chunk, last chunk) of what the remote heard, ascending.
        estimates_sha256: of the device's estimates (S, C, T), float32, little-endian.
    """

    chunks: int = Field(ge=1, le=LONGEST_CHUNKS)
    arrival: tuple[int, ...]
    heard: tuple[tuple[int, int, int], ...]
    estimates_sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _possible(self) -> RecordedMixture:
        if len(self.arrival) != self.chunks:
            raise ValueError(f"{len(self.arrival)} arrivals for {self.chunks} chunks")
        session, after = -1, 0
        for run in self.heard:
            if run[0] < max(session, 0) or not after <= run[1] <= run[2] < self.chunks:
                raise ValueError(f"heard {list(run)} is no run of frames after the one before it")
            session, after = run[0], run[2] + 1
        arrival, sessions = np.array(self.arrival), self.sessions()
        came = arrival != NO_HINT
        if (arrival[came] < np.flatnonzero(came)).any() or (arrival[came] >= self.chunks).any():
            raise ValueError("a hint arrives before its chunk, or after the last one")
        if (sessions[came] == NOT_HEARD).any():
            raise ValueError("a hint arrives of a frame that the remote did not hear")
        return self

    def sessions(self) -> NDArray[np.int64]:
        """(K,), the session in which the remote heard each frame; -1 where it did not."""
        sessions = np.full(self.chunks, NOT_HEARD, dtype=np.int64)
        for session, first, last in self.heard:
            sessions[first : last + 1] = session
        return sessions


class Recording(_Part):
    """A recorded run, mixture by mixture.

    Args:
        delay_chunks: what ``triple.boosted`` was asked for.
        oldest_chunks: a hint that is older counts as none.
        file_sha256: of the user's file.
        weights_sha256: of the models that were run.
        data_sha256: of the dataset.
        mixtures: by id.
    """

    format: Literal["kbbench-arrivals"] = "kbbench-arrivals"
    version: Literal[1] = 1
    delay_chunks: int = Field(ge=0)
    oldest_chunks: int = Field(ge=0)
    file_sha256: Sha256
    weights_sha256: Sha256
    data_sha256: Sha256
    mixtures: dict[str, RecordedMixture] = Field(min_length=1)

    def mixture(self, name: str, chunks: int) -> RecordedMixture:
        """What was recorded of a mixture.

        Raises:
            InputError: it was not recorded, or is of another length.
        """
        found = self.mixtures.get(name)
        if found is None:
            raise InputError(f"the trace holds no mixture {name}; replay it on the data it is of")
        if found.chunks != chunks:
            raise InputError(
                f"mixture {name} has {chunks} chunks, the trace of it {found.chunks}; "
                "replay it on the data it is of"
            )
        return found

    @property
    def hashes(self) -> dict[str, str]:
        """Of the estimates of each mixture, where they were kept."""
        hashes = {name: item.estimates_sha256 for name, item in self.mixtures.items()}
        return {name: sha256 for name, sha256 in hashes.items() if sha256 is not None}

    def seen(self, name: str, chunks: int) -> Seen:
        """The hint that the device used at each step, (K,)."""
        return seen_of(np.array(self.mixture(name, chunks).arrival), self.oldest_chunks)

    def sessions(self, name: str, chunks: int) -> NDArray[np.int64]:
        """As :meth:`RecordedMixture.sessions`."""
        return self.mixture(name, chunks).sessions()


def seen_of(arrival: NDArray[np.int64], oldest_chunks: int = OLDEST_CHUNKS) -> Seen:
    """The newest hint that has arrived by each step, unless it is too old.

    Args:
        arrival: (K,), the first step that may use each hint; -1 for never.
        oldest_chunks: the greatest age.

    >>> seen_of(np.array([1, 3, 2, -1, -1]), oldest_chunks=1).tolist()
    [-1, 0, 2, 2, -1]
    """
    steps = np.arange(len(arrival), dtype=np.int64)
    seen = np.full(len(arrival), NO_HINT, dtype=np.int64)
    came = arrival != NO_HINT
    np.maximum.at(seen, arrival[came], steps[came])
    seen = np.maximum.accumulate(seen)
    return np.where(steps - seen > oldest_chunks, NO_HINT, seen)


def runs_of(sessions: NDArray[np.int64]) -> tuple[tuple[int, int, int], ...]:
    """Sessions (K,) as runs (session, first, last); frames that nobody heard are in none.

    >>> runs_of(np.array([0, 0, -1, 0, 2]))
    ((0, 0, 1), (0, 3, 3), (2, 4, 4))
    """
    ends = np.flatnonzero(np.diff(sessions)) + 1
    starts = [0, *ends.tolist()]
    stops = [*ends.tolist(), len(sessions)]
    return tuple(
        (int(sessions[first]), first, stop - 1)
        for first, stop in zip(starts, stops, strict=True)
        if first < stop and sessions[first] != NOT_HEARD
    )


def is_recording(path: Path) -> bool:
    """A file holds a recording, not a table of network times."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False


def read_recording(path: Path) -> tuple[Recording, str]:
    """A recording, and the hash of its file.

    Raises:
        InputError: the file cannot be read, or is not one.
    """
    try:
        data = path.read_bytes()
        return Recording.model_validate_json(data), hashlib.sha256(data).hexdigest()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: {place or 'content'}: {first['msg']}; expected a trace that "
            "`kbbench evaluate --live` wrote"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: {one_line(error)}") from error
