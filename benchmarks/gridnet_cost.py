"""What the reference networks cost, beside the figures that issue and paper give for orientation.

    python benchmarks/gridnet_cost.py [--task separation] [--seconds 5]

Weights are random, which changes no cost. MACs are those of one streaming step, times are of eager
PyTorch on one thread.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

from kbbench.baselines.config import baseline
from kbbench.baselines.gridnet import GridNet
from kbbench.baselines.stages import BOOSTINGS
from kbbench.baselines.triples import untrained
from kbbench.cost import Cost, profile_triple
from kbbench.models import Triple
from kbbench.models.loading import LoadedTriple

EXPECTED = {"small": "2.2", "baseline": "3.4", "boosted": "2.7-2.9", "large": "39"}
"""MACs a chunk in millions, of the separation models of Srinivas et al., Interspeech 2024."""
FIGURES = ("parameters", "step_macs_per_chunk", "state_bytes", "chunk_ms_p50", "chunk_ms_p99")


def measure(triple: Triple, seconds: float) -> Cost:
    """Cost at the headline delay."""
    return profile_triple(LoadedTriple(Path(__file__), triple, "", {}), seconds=seconds)


def show(name: str, cost: Cost, model: str, link: bool = False) -> None:
    """One row of the table."""
    values = [cost.models[model].figures[figure].value for figure in FIGURES]
    parameters, macs, state, p50, p99 = (float(value or 0) for value in values)
    kbit = f"{cost.hint_kbit_per_s.value:.0f}" if link else "-"
    print(
        f"| {name} | {parameters:.0f} | {macs / 1e6:.2f} | {EXPECTED.get(name, '-')} | "
        f"{state / 1000:.0f} | {p50:.2f} | {p99:.2f} | {kbit} |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="separation")
    parser.add_argument("--seconds", type=float, default=5.0)
    args = parser.parse_args()
    print(
        "| network | parameters | MMAC/chunk | orientation | state kB | p50 ms | p99 ms | kbit/s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for boosting in BOOSTINGS:
        triple = untrained(args.task, boosting)
        cost = measure(triple, args.seconds)
        if boosting == "boosted":
            matched = Triple(
                "matched",
                triple.task,
                GridNet(baseline(triple.task)).eval(),
                triple.large,
                triple.boosted,
            )
            show("small", cost, "small")
            show("baseline", measure(matched, args.seconds), "small")
            show("large", cost, "large")
        show(boosting, cost, "device", link=True)


if __name__ == "__main__":
    main()
