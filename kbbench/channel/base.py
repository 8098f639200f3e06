"""A link as one integer vector, and how it follows from the latency of each hint."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kbbench.channel.index import NO_HINT, Seen
from kbbench.channel.recording import Recording
from kbbench.errors import InputError
from kbbench.rng import Stream
from kbbench.units import milliseconds

Latencies = Callable[[int, Stream], NDArray[np.float64]]
"""(number of chunks K, stream) -> milliseconds from sending to arrival (K,), infinite where lost;
the first values do not depend on K."""
Option = str | int | float

TYPICAL_RUNS, TYPICAL_CHUNKS = 16, 1250
"""What the typical age of hints is taken from: so many mixtures of ten seconds each."""


@dataclass(frozen=True)
class Channel:
    """A named link.

    Args:
        name: as it stands in tables, such as ``delay-6`` or ``jitter:mean_ms=24,std_ms=8``.
        schedule: (number of chunks, stream) -> seen (K,), int64, -1 <= seen[k] <= k.
        delay_chunks: what ``triple.boosted`` is asked for: the delay itself where it is fixed, else
            the rounded median age of hints (:func:`from_latency`).
        never: no hint arrives.
        definition: everything that decides the schedule, for a run's hash: kind, every option,
            and the hash of a file.
        again: what makes the same channel in another process: a function, and its arguments.
        recording: of a live run, which then decides the schedule of each mixture by its name.
        streamed: models go chunk by chunk, through ``start`` and ``step``, one mixture at a time.
    """

    name: str
    schedule: Callable[[int, Stream], Seen]
    delay_chunks: int
    never: bool = False
    definition: Mapping[str, Option] = field(default_factory=dict)
    again: tuple[Callable[..., Channel], Mapping[str, Any]] | None = field(
        default=None, compare=False, repr=False
    )
    recording: Recording | None = field(default=None, compare=False, repr=False)
    streamed: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Channels are sent as what makes them: a schedule is a function that cannot be sent.

        Raises:
            TypeError: nobody said what makes it.
        """
        if self.again is None:
            raise TypeError(f"channel {self.name} cannot be sent to another process")
        make, arguments = self.again
        return partial(make, **arguments), ()

    @property
    def kind(self) -> str:
        """What kind of link it is: ``fixed``, ``jitter``, ..."""
        return str(self.definition.get("channel", self.name))

    def seen(self, chunks: int, stream: Stream) -> Seen:
        """The schedule for one stream of random numbers, checked.

        Raises:
            ValueError: the schedule has another length, or hands out a hint from the future.
        """
        seen = self.schedule(chunks, stream)
        if seen.shape != (chunks,):
            raise ValueError(f"channel {self.name}: {seen.shape} steps, expected ({chunks},)")
        if chunks and (seen.min() < NO_HINT or (seen > np.arange(chunks)).any()):
            raise ValueError(f"channel {self.name}: a hint from the future, or one below {NO_HINT}")
        return seen

    def seen_by(self, mixture: str, chunks: int) -> Seen:
        """The schedule of a mixture: the same offline, streaming, and in the statistics.

        Randomness is keyed by the kind of link and the mixture alone, so two settings of one kind
        are compared under the same luck.

        Raises:
            InputError: the channel is a recording of other data.
        """
        if self.recording is not None:
            return self.recording.seen(mixture, chunks)
        return self.seen(chunks, Stream("channel", self.kind, mixture))

    def heard_by_remote(self, mixture: str, chunks: int) -> NDArray[np.int64] | None:
        """The session (K,) in which the remote heard each frame, -1 for none; None is all in one.

        Raises:
            InputError: the channel is a recording of other data.
        """
        return None if self.recording is None else self.recording.sessions(mixture, chunks)


def newest(latency_ms: NDArray[np.float64]) -> Seen:
    """Which hint is the newest to have arrived when each chunk is written.

    Hint k is sent when the device writes chunk k. With latency L it can be used from the first
    chunk whose writing starts at or after its arrival: chunk k + ceil(L / 8 ms), so a latency of
    exactly d chunks is a delay of d. A hint that was overtaken by a newer one is never used.

    Args:
        latency_ms: (K,), 0 or more; infinite where the hint is lost.

    Returns:
        seen (K,), int64, never falling.

    >>> newest(np.array([0.0, 8.1, 0.0, np.inf, 16.0])).tolist()
    [0, 0, 2, 2, 2]
    """
    sent = np.arange(len(latency_ms), dtype=np.int64)
    arrival = sent + np.ceil(latency_ms / milliseconds(1))
    in_time = arrival < len(latency_ms)
    seen = np.full(len(latency_ms), NO_HINT, dtype=np.int64)
    np.maximum.at(seen, arrival[in_time].astype(np.int64), sent[in_time])
    return np.maximum.accumulate(seen)


def from_latency(
    factory: Callable[..., Channel],
    options: Mapping[str, Option],
    latency_ms: Latencies,
    facts: Mapping[str, Option] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Channel:
    """The channel of a random link.

    Its ``delay_chunks`` is the median age of hints over 16 keyed mixtures of ten seconds, rounded
    to whole chunks, halves up.

    Args:
        factory: the function that makes channels of this kind; it gives the kind its name, and its
            defaults are left out of the channel's name.
        options: all of its options.
        latency_ms: the latency of each hint.
        facts: what else decides the schedule, such as the hash of a file.
        arguments: with which the factory makes the same channel elsewhere; the options, if None.

    Raises:
        InputError: no hint arrives in any of these mixtures.
    """
    kind = factory.__name__.replace("_", "-")
    parameters = inspect.signature(factory).parameters
    shown = {key: value for key, value in options.items() if value != parameters[key].default}
    name = ":".join(filter(None, [kind, ",".join(f"{k}={text(v)}" for k, v in shown.items())]))

    def schedule(chunks: int, stream: Stream) -> Seen:
        return newest(latency_ms(chunks, stream))

    steps = np.arange(TYPICAL_CHUNKS)
    runs = [schedule(TYPICAL_CHUNKS, Stream("typical", kind, n)) for n in range(TYPICAL_RUNS)]
    ages = np.concatenate([(steps - seen)[seen != NO_HINT] for seen in runs])
    if not len(ages):
        raise InputError(f"channel {name}: no hint arrives within ten seconds; use off instead")
    typical = int(np.floor(np.median(ages) + 0.5))
    definition = {"channel": kind, **options, **(facts or {})}
    again = (factory, options if arguments is None else arguments)
    return Channel(name, schedule, typical, definition=definition, again=again)


def text(value: Option | Path) -> str:
    """An option's value as a user writes it.

    >>> text(24.0), text(0.5), text("gamma")
    ('24', '0.5', 'gamma')
    """
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def number(
    name: str, value: float, low: float = 0.0, high: float = np.inf, above: bool = False
) -> float:
    """A finite number in [low, high], or above low.

    Raises:
        InputError: it is not.
    """
    if np.isfinite(value) and low <= value <= high and not (above and value == low):
        return float(value)
    least = f"more than {low:g}" if above else f"{low:g} or more"
    wanted = f"from {low:g} to {high:g}" if np.isfinite(high) else least
    raise InputError(f"{name} = {value:g}, expected a number {wanted}")
