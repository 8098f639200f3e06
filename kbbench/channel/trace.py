"""A measured network: each hint takes what a packet took at that time of a trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbbench.channel.base import Channel, Option, from_latency, number
from kbbench.channel.trace_file import Times, read_times
from kbbench.rng import Stream
from kbbench.units import milliseconds


def trace(file: Path, remote_ms: float = 0.0) -> Channel:
    """Latencies read from a file of network times (:mod:`kbbench.channel.trace_file`).

    Audio goes to the remote, a hint comes back: a hint's latency is the round-trip time when its
    audio is sent, or the sum of two one-way times, the way back being read when the way there
    ends; plus the time that the remote takes. Times between two packets are those of the earlier
    one. Each mixture starts at its own random, keyed time of the trace, which begins anew after
    its end.

    Args:
        file: CSV with the columns ``time_ms`` and ``rtt_ms`` or ``one_way_ms``.
        remote_ms: what the remote takes to write a hint, added to every latency.

    Raises:
        InputError: the file is no such CSV, or nothing arrives.
    """
    times = read_times(Path(file))
    extra_ms = number("remote_ms", remote_ms)

    def latency_ms(chunks: int, stream: Stream) -> NDArray[np.float64]:
        start_ms = stream.uniform(0.0, times.period_ms)
        sent_ms = start_ms + np.arange(chunks, dtype=np.float64) * milliseconds(1)
        return _there_and_back(times, sent_ms, extra_ms)

    # The name has no folder in it, and the hash stands for the file: moving it changes no run.
    options: dict[str, Option] = {"file": Path(file).name, "remote_ms": extra_ms}
    arguments = {"file": Path(file).absolute(), "remote_ms": extra_ms}
    return from_latency(trace, options, latency_ms, {"sha256": times.sha256}, arguments)


def _there_and_back(
    times: Times, sent_ms: NDArray[np.float64], remote_ms: float
) -> NDArray[np.float64]:
    there = times.at(sent_ms)
    if times.round_trip:
        return there + remote_ms
    # Where the way there is lost there is no way back: any time will do.
    turn_ms = sent_ms + np.where(np.isfinite(there), there, 0.0) + remote_ms
    return there + remote_ms + times.at(turn_ms)
