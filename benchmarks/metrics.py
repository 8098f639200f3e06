"""Time of the whole metric suite beside PESQ alone, at equal workers.

Each job is a binaural mixture of a talker in noise under several conditions, as `kbbench evaluate`
scores it. PESQ alone scores the same jobs with nothing else. "One by one" is what one would write
instead: every metric's package called on every estimate, STOI and ESTOI each with a front end of
their own.

    python benchmarks/metrics.py [--mixtures 8] [--conditions 12] [--seconds 5] [--workers 1]
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import fast_bss_eval
import numpy as np
import pesq
import pystoi
import torch

from kbbench.audio import read_pcm, to_float
from kbbench.corpora import load_corpus
from kbbench.memory import keep_freed_memory
from kbbench.metrics import ild_error_db, itd_error_us, si_sdr, snr
from kbbench.pool import process_map
from kbbench.results import ScoringJob, score_mixture
from kbbench.units import SAMPLE_RATE

REPEATS = 2


def pesq_alone(job: ScoringJob) -> list[float]:
    """PESQ of every estimate at every ear."""
    return [
        pesq.pesq(SAMPLE_RATE, x.astype(float), y.astype(float), "wb")
        for values in job.estimates.values()
        for x, y in zip(job.references[0], values[0], strict=True)
    ]


def one_by_one(job: ScoringJob) -> list[Any]:
    """Every metric of every estimate by its package."""
    found: list[Any] = []
    for values in job.estimates.values():
        both, reference = torch.from_numpy(values[0]), torch.from_numpy(job.references[0])
        found += [ild_error_db(both, reference), itd_error_us(both, reference)]
        for x, y in zip(job.references[0].astype(float), values[0].astype(float), strict=True):
            found += [
                si_sdr(torch.from_numpy(y), torch.from_numpy(x)),
                snr(torch.from_numpy(y), torch.from_numpy(x)),
                fast_bss_eval.sdr_loss(y[None], x[None], pairwise=True),
                pesq.pesq(SAMPLE_RATE, x, y, "wb"),
                pystoi.stoi(x, y, SAMPLE_RATE),
                pystoi.stoi(x, y, SAMPLE_RATE, True),
            ]
    return found


def jobs(mixtures: int, conditions: int, seconds: float) -> list[ScoringJob]:
    """Mixtures of talkers of the mini corpus in white noise at 0 to 20 dB."""
    samples = round(seconds * SAMPLE_RATE)
    talkers = [item for item in load_corpus("mini").utterances if item.samples >= samples + 8]
    made = []
    for number in range(mixtures):
        rng = np.random.default_rng(number)
        sound = to_float(read_pcm(talkers[number % len(talkers)].path, 0, samples + 8))[0]
        reference = np.stack([sound[8:], 0.7 * sound[:-8]])[None].astype(np.float32)
        noise = rng.standard_normal(reference.shape) * reference.std()
        levels = 10 ** (-rng.uniform(0, 1, conditions))
        estimates = {
            f"condition {n}": (reference + level * noise).astype(np.float32)
            for n, level in enumerate(levels)
        }
        delays = dict.fromkeys(estimates)
        made.append(ScoringJob(f"test/{number:05d}", delays, estimates, reference, True))
    return made


def seconds_of(
    function: Callable[[ScoringJob], Any], work: Sequence[ScoringJob], workers: int
) -> float:
    """Time of all jobs; processes that start first score a job each, which is not timed.

    One worker works in this process, and its processor time is taken: others may use the machine.
    """
    clock = time.process_time if workers == 1 else time.perf_counter
    results = process_map(function, [*work[:1] * workers, *work], workers)
    for _ in range(workers):
        next(results)
    started = clock()
    for _ in results:
        pass
    return clock() - started


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, in turn so that a busy machine is unfair to none, and print the best of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mixtures", type=int, default=8)
    parser.add_argument("--conditions", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    keep_freed_memory()  # as in each of kbbench's own processes
    work = jobs(options.mixtures, options.conditions, options.seconds)
    ways = {"PESQ alone": pesq_alone, "one by one": one_by_one, "kbbench": score_mixture}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(REPEATS):
        for way, function in ways.items():
            times[way].append(seconds_of(function, work, options.workers))
    estimates = options.mixtures * options.conditions * 2
    print(
        f"{options.mixtures} binaural mixtures of {options.seconds:g} s, {options.conditions} "
        f"conditions, {options.workers} workers; best of {REPEATS}"
    )
    print("| way | ms an estimate and ear | times PESQ alone |\n|---|---:|---:|")
    pesq_s = min(times["PESQ alone"])
    for way, measured in times.items():
        each_ms = 1e3 * min(measured) * options.workers / estimates
        print(f"| {way} | {each_ms:.1f} | {min(measured) / pesq_s:.2f} |")
    who = resource.RUSAGE_SELF if options.workers == 1 else resource.RUSAGE_CHILDREN
    print(f"peak memory of a process: {resource.getrusage(who).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
