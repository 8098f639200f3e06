"""A measured network: times of a trace, or a live run exactly as it went."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbbench.channel.base import Channel, Option, from_latency, number
from kbbench.channel.index import Seen
from kbbench.channel.recording import is_recording, read_recording
from kbbench.channel.trace_file import Times, read_times
from kbbench.errors import InputError
from kbbench.rng import Stream
from kbbench.units import milliseconds

FORMS = ("auto", "step", "forward")
"""How models run; auto is through ``step`` what was recorded live, through ``forward`` all else."""


def trace(file: Path, remote_ms: float = 0.0, form: str = "auto") -> Channel:
    """Latencies read from a file of network times (:mod:`kbbench.channel.trace_file`).

    A file that ``kbbench evaluate --live`` wrote (:mod:`kbbench.channel.recording`) is replayed as
    it went: mixture by mixture, each hint at the very step at which it arrived, models chunk by
    chunk as they ran. With ``form=forward`` they run offline under the same schedule, the remote
    hearing every frame.

    Audio goes to the remote, a hint comes back: a hint's latency is the round-trip time when its
    audio is sent, or the sum of two one-way times, the way back being read when the way there
    ends; plus the time that the remote takes. Times between two packets are those of the earlier
    one. Each mixture starts at its own random, keyed time of the trace, which begins anew after
    its end.

    Args:
        file: CSV with the columns ``time_ms`` and ``rtt_ms`` or ``one_way_ms``; or a recording.
        remote_ms: what the remote takes to write a hint, added to every latency; not with a
            recording, which holds it.
        form: step, forward, or auto.

    Raises:
        InputError: the file is no such CSV or recording, nothing arrives, or no such form.
    """
    if form not in FORMS:
        raise InputError(f"form = {form!r}, expected one of {', '.join(FORMS)}")
    if is_recording(Path(file)):
        return _recorded(Path(file), remote_ms, form)
    times = read_times(Path(file))
    extra_ms = number("remote_ms", remote_ms)

    def latency_ms(chunks: int, stream: Stream) -> NDArray[np.float64]:
        start_ms = stream.uniform(0.0, times.period_ms)
        sent_ms = start_ms + np.arange(chunks, dtype=np.float64) * milliseconds(1)
        return _there_and_back(times, sent_ms, extra_ms)

    # The name has no folder in it, and the hash stands for the file: moving it changes no run.
    options: dict[str, Option] = {"file": Path(file).name, "remote_ms": extra_ms}
    options |= {} if form == "auto" else {"form": form}
    arguments = {**options, "file": Path(file).absolute()}
    channel = from_latency(trace, options, latency_ms, {"sha256": times.sha256}, arguments)
    return replace(channel, streamed=form == "step")


def _recorded(file: Path, remote_ms: float, form: str) -> Channel:
    """A live run as a channel."""
    if remote_ms:
        raise InputError(f"remote_ms = {remote_ms:g}: {file} holds what the remote took; leave it")
    recording, sha256 = read_recording(file)

    def schedule(chunks: int, stream: Stream) -> Seen:
        raise ValueError(f"{file}: a recording knows mixtures by their names alone")

    options: dict[str, Option] = {"file": file.name}
    options |= {} if form == "auto" else {"form": form}
    name = ",".join(f"{key}={value}" for key, value in options.items())
    return Channel(
        f"trace:{name}",
        schedule,
        recording.delay_chunks,
        definition={"channel": "trace", **options, "sha256": sha256},
        again=(trace, {**options, "file": file.absolute()}),
        recording=recording,
        streamed=form != "forward",
    )


def _there_and_back(
    times: Times, sent_ms: NDArray[np.float64], remote_ms: float
) -> NDArray[np.float64]:
    there = times.at(sent_ms)
    if times.round_trip:
        return there + remote_ms
    # Where the way there is lost there is no way back: any time will do.
    turn_ms = sent_ms + np.where(np.isfinite(there), there, 0.0) + remote_ms
    return there + remote_ms + times.at(turn_ms)
