"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """One model that does what the contract asks.

    Args:
        part: small, large, or of which boosted model it is device or remote.
        parameters: how many; None where that cannot be told.
        streams: it has ``start`` and ``step``, and they give what ``forward`` gives.
        sources: that it estimates.
    """

    part: str
    parameters: int | None
    streams: bool
    sources: int


@dataclass(frozen=True)
class Link:
    """The hints: axes after (B, K), the type that they are sent as, and what that costs."""

    shape: tuple[int, ...]
    dtype: str
    kbit_per_s: float


@dataclass(frozen=True)
class Report:
    """Everything that a check has to say.

    Args:
        name: of the triple; None where the file gave none.
        task: of the triple.
        problems: what is wrong, one line each.
        notes: what could not be tried, and marks.
        found: the models that are right.
        link: the hints; None where there are none.
    """

    name: str | None = None
    task: str | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()
    link: Link | None = None

    @property
    def right(self) -> bool:
        """Nothing is wrong."""
        return not self.problems
