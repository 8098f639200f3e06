"""Passes of the reference networks with freed memory kept, beside those where it is given back.

    python benchmarks/memory.py [--rounds 5] [--batch 4] [--seconds 5]

One thread a process, and for each network two processes in turn, so that both ways see the same
machine: one as the C library does it alone, one with :func:`kbbench.memory.keep_freed_memory`.
``pass`` is inference, ``step`` a loss and its gradient; medians, and the process's largest memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Literal

import torch

from kbbench.baselines.config import large, small
from kbbench.baselines.gridnet import GridNet
from kbbench.baselines.training.loss import separation_loss
from kbbench.memory import keep_freed_memory
from kbbench.rng import Stream
from kbbench.units import samples

SHAPES = {"small": small, "large": large}
Work = Literal["pass", "step"]
WORKS: tuple[Work, ...] = ("pass", "step")
KEPT = {"given back": False, "kept": True}
MEBIBYTE = 1024
"""KiB, in which Linux counts memory."""


def serve(pipe: Connection, network: str, work: Work, kept: bool, shape: tuple[int, int]) -> None:
    """Do the work each time that it is asked for, and say how long it took and what it held."""
    torch.set_num_threads(1)
    if kept and not keep_freed_memory():
        raise SystemExit("this C library cannot keep what is freed: there is nothing to compare")
    do = prepared(network, work, *shape)
    do()
    while pipe.recv():
        start = time.perf_counter()
        do()
        seconds = time.perf_counter() - start
        pipe.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBIBYTE))


def prepared(network: str, work: Work, batch: int, length: int) -> Callable[[], None]:
    """What is timed."""
    model = GridNet(SHAPES[network]("separation"))
    noise = Stream("benchmark", "memory").white(batch, 2, 2, length)
    references = 0.05 * torch.from_numpy(noise).float()
    mixture = references.sum(dim=1)

    def once() -> None:
        model.zero_grad(set_to_none=True)
        with torch.inference_mode(work == "pass"):
            estimates = model(mixture)
        if work == "step":
            torch.autograd.backward(separation_loss(estimates, references, 0.1))

    return once


def compare(network: str, work: Work, rounds: int, shape: tuple[int, int]) -> str:
    """A row of the table."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name, kept in KEPT.items():
        pipes[name], theirs = context.Pipe()
        arguments = (theirs, network, work, kept, shape)
        context.Process(target=serve, args=arguments, daemon=True).start()
    seconds: dict[str, list[float]] = {name: [] for name in KEPT}
    held = dict.fromkeys(KEPT, 0.0)
    for _ in range(rounds):
        for name, pipe in pipes.items():
            pipe.send(True)
            took, held[name] = pipe.recv()
            seconds[name].append(took)
    for pipe in pipes.values():
        pipe.send(False)
    before, after = (statistics.median(seconds[name]) for name in KEPT)
    memory = " / ".join(f"{held[name]:.0f}" for name in KEPT)
    return f"{network:8s}{work:6s}{before:10.2f} s{after:10.2f} s{before / after:8.2f}   {memory}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    shape = (arguments.batch, samples(arguments.seconds))
    print(f"{'network':8s}{'work':6s}{'given back':>12s}{'kept':>12s}{'ratio':>8s}   MiB at most")
    for network in SHAPES:
        for work in WORKS:
            print(compare(network, work, arguments.rounds, shape), flush=True)


if __name__ == "__main__":
    main()
