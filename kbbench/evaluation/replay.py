"""Whether a recorded live run, replayed offline, gives the very bits that the device wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

from kbbench.live.record import estimates_sha256
from kbbench.runner import Estimates

REPLAY = "replay.json"


class Replay(BaseModel):
    """One recorded link of a run.

    Args:
        condition: it.
        mixtures: whose estimates were recorded.
        identical: that came out the same to the last bit.
        first_different: one that did not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    condition: str
    mixtures: int
    identical: int
    first_different: str | None = None

    @property
    def text(self) -> str:
        """In one line."""
        said = f"{self.condition}: {self.identical} of {self.mixtures} mixtures as live, to the bit"
        return f"{said}; first other one {self.first_different}" if self.first_different else said


class Replays(BaseModel):
    """``replay.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    links: tuple[Replay, ...]


def identical(
    wanted: Mapping[str, Mapping[str, str]], mixture: str, estimates: Mapping[str, Estimates]
) -> dict[str, bool]:
    """By condition, whether a mixture's estimates (S, C, T) are those of the live run."""
    return {
        name: hashes[mixture] == estimates_sha256(estimates[name])
        for name, hashes in wanted.items()
        if mixture in hashes
    }


def summed(parts: Iterable[tuple[str, Mapping[str, bool]]]) -> Replays | None:
    """Of all mixtures, by name; None where nothing was replayed."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for mixture, same in parts:
        for condition, value in same.items():
            found.setdefault(condition, []).append((mixture, value))
    links = tuple(
        Replay(
            condition=condition,
            mixtures=len(values),
            identical=sum(value for _, value in values),
            first_different=next((name for name, value in values if not value), None),
        )
        for condition, values in found.items()
    )
    return Replays(links=links) if links else None
