"""The harness beside the loop that one would write instead, and beside its own bounds: one run.

- ``the user's loop``: small and large, and for each of seven delays both models of the boosted pair
  again, mixture by mixture as one would write it, hints moved by a shift.
- ``kbbench``: the same eight estimates by :class:`kbbench.runner.Runner`, the remote once.
- ``L + S + 7 B``: one pass each of large and small, seven of the boosted device; nothing else.
- ``streaming``: what :mod:`kbbench.streaming` adds to the steps of the models themselves.

All on one thread, in a process that keeps what memory it freed, as all of kbbench's do.

    python benchmarks/harness.py [--mixtures 2] [--seconds 5] [--rounds 3]

Networks are those of ``kbbench.baselines`` with random weights. Estimates of loop and harness are
compared bit by bit; the program fails where they differ.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import torch
from torch import Tensor

from kbbench.baselines.triples import untrained
from kbbench.channel import fixed
from kbbench.memory import keep_freed_memory
from kbbench.models import Boosted, Triple
from kbbench.models.loading import LoadedTriple
from kbbench.rng import Stream
from kbbench.runner import Batch, Condition, Runner
from kbbench.streaming import stream_alone, stream_boosted
from kbbench.units import OFFICIAL_DELAYS, chunk_count, samples

TASK = "enhancement"
Results = dict[str, Tensor]


def mixtures(count: int, seconds: float) -> Batch:
    """Noise."""
    length = samples(seconds)
    heard = 0.05 * torch.from_numpy(Stream("benchmark", "harness").white(count, 2, length)).float()
    ids = tuple(str(number) for number in range(count))
    return Batch(ids, heard, heard[:, None], None)


def users_loop(triple: Triple, batch: Batch) -> Results:
    """What one would write: a function of a delay, called for each."""
    boosted = triple.boosted_at(0)
    heard = batch.mixture

    def estimate(delay: int) -> Tensor:
        _, hints = boosted.remote(heard)
        hints = hints.to(triple.hint_dtype).to(torch.float32)
        late = torch.zeros_like(hints)
        late[:, delay:] = hints[:, : hints.shape[1] - delay]
        steps = torch.arange(hints.shape[1]).expand(len(heard), -1)
        seen = steps >= delay
        age = torch.where(seen, delay, -1)
        return boosted.device(heard, hints=late, seen_mask=seen, age=age)

    large = triple.large(heard)
    found = {"small": triple.small(heard), "large": large[0] if isinstance(large, tuple) else large}
    return {**found, **{f"boosted@{delay}": estimate(delay) for delay in OFFICIAL_DELAYS}}


def harness(triple: Triple, batch: Batch) -> Results:
    """The same through kbbench, without the controls of a run."""
    conditions = [Condition("small", "small"), Condition("large", "large")]
    conditions += [Condition(f"boosted@{d}", "boosted", fixed(d)) for d in OFFICIAL_DELAYS]
    runner = Runner(LoadedTriple(Path(__file__), triple, "", {}))
    return {c.name: torch.from_numpy(e.copy()) for c, e in runner.run(batch, conditions)}


def bound(triple: Triple, batch: Batch) -> float:
    """Seconds of one pass each of large and small, and seven of the device."""
    boosted = triple.boosted_at(0)
    assert isinstance(boosted, Boosted)
    _, hints = boosted.remote(batch.mixture)
    hints = hints.float()
    shape = hints.shape[:2]
    seen, age = torch.ones(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.int64)
    heard = batch.mixture
    taken = timed(lambda: triple.large(batch.mixture)) + timed(lambda: triple.small(heard))
    for _ in OFFICIAL_DELAYS:
        taken += timed(lambda: boosted.device(heard, hints=hints, seen_mask=seen, age=age))
    return taken


def timed(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def streaming_ms(triple: Triple, seconds: float) -> tuple[float, float]:
    """(alone, boosted): milliseconds a chunk that the harness adds to the models' own steps."""
    heard = mixtures(1, seconds).mixture
    chunks = chunk_count(heard.shape[-1])
    boosted = triple.boosted_at(6)
    added = []
    for run in (
        lambda: stream_alone(triple.small, heard, triple.lookahead),
        lambda: stream_boosted(
            boosted,
            heard,
            fixed(6).seen_by("0", chunks),
            triple.lookahead,
            triple.hint_dtype,
        ),
    ):
        started = time.perf_counter()
        streamed = run()
        whole_s = time.perf_counter() - started
        own_s = float(streamed.device_s.sum() + streamed.remote_s.sum())
        added.append(1000 * (whole_s - own_s) / chunks)
    return added[0], added[1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mixtures", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    triple = untrained(TASK)
    batch = mixtures(given.mixtures, given.seconds)
    loop_s, ours_s, bound_s = [], [], []
    with torch.inference_mode():
        harness(triple, mixtures(1, 0.5))  # warm
        for _ in range(given.rounds):
            started = time.perf_counter()
            theirs = users_loop(triple, batch)
            loop_s.append(time.perf_counter() - started)
            started = time.perf_counter()
            ours = harness(triple, batch)
            ours_s.append(time.perf_counter() - started)
            bound_s.append(bound(triple, batch))
            for name, estimate in theirs.items():
                if not torch.equal(estimate, ours[name]):
                    raise SystemExit(f"{name}: kbbench and the loop differ")
    mine = statistics.median(ours_s)
    print(f"{given.mixtures} mixtures of {given.seconds:g} s, medians of {given.rounds} rounds\n")
    print("| who | seconds | over kbbench |\n|---|---:|---:|")
    for name, taken in (("the user's loop", loop_s), ("kbbench", ours_s), ("L + S + 7 B", bound_s)):
        middle = statistics.median(taken)
        print(f"| {name} | {middle:.2f} | {middle / mine:.2f} |")
    alone_ms, boosted_ms = streaming_ms(triple, given.seconds)
    print(
        f"\nEstimates are identical to the bit. Streaming adds {alone_ms:.3f} ms a chunk to the "
        f"small model's step, {boosted_ms:.3f} ms to those of device and remote."
    )


if __name__ == "__main__":
    main()
