"""The honesty audit on itself: what it finds among generated triples, and what it costs.

    python benchmarks/audit.py table            # the confusion table of 200 triples, in Markdown
    python benchmarks/audit.py time             # seconds for a 25k / 500k-parameter triple

The table is that of docs/audit.md; any triple that is judged wrongly is named on standard error,
and the exit status is 1. The time is that of `kbbench audit` as a user runs it, on two threads.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from kbbench.audit import audit_triple
from kbbench.cost import fair_cost
from kbbench.models.loading import load_triple
from tests.audit.confusion import judge, table, wrong
from tests.audit.generator import specs

THREADS = 2
LARGE_FILE = """import torch
from kbbench.models import Boosted, Triple
from tests.audit.honest import {net}

def triple(task="enhancement"):
    torch.manual_seed(0)
    rest = ("{core}", "layer")
    small, device = {net}(*rest, {small}, 1, False), {net}(*rest, {small}, 1, False, hint_in=32)
    large = {net}(*rest, {large}, 1, False, hint_out=32)
    return Triple("{core}", task, small, large, Boosted(device, large))
"""
SIZES = {"gru": (39, 257), "conv": (45, 320), "attention": (50, 300)}
"""Units of small and large for about 25 000 and 500 000 parameters."""


def confusion(count: int, seed: int) -> int:
    """Print the table; 1 where a triple was judged wrongly."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        judged = []
        for number, spec in enumerate(specs(count, seed)):
            judged.append(judge(spec, Path(folder)))
            print(f"\r{number + 1}/{count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(judged), end="")
    mistakes = wrong(judged)
    print("\n".join(mistakes), file=sys.stderr)
    return 1 if mistakes else 0


def seconds() -> int:
    """Print one row a kind of model."""
    torch.set_num_threads(THREADS)
    print("| models | small | large | audit, s | its CPU time here, s |\n|---|---:|---:|---:|---:|")
    for core, (small, large) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.py"
            path.write_text(
                LARGE_FILE.format(net="StreamingNet", core=core, small=small, large=large)
            )
            loaded = load_triple(path, None)
            began, cpu = time.perf_counter(), time.process_time()
            audit, _ = audit_triple(loaded), fair_cost(loaded)
            took, busy = time.perf_counter() - began, time.process_time() - cpu
        sizes = [_parameters(model) for model in (loaded.triple.small, loaded.triple.large)]
        print(f"| {core} | {sizes[0]} | {sizes[1]} | {took:.0f} | {busy:.0f} |", flush=True)
        if audit.verdict != "honest":
            print([finding.what for finding in audit.failures], file=sys.stderr)
            return 1
    return 0


def _parameters(model: object) -> int:
    assert isinstance(model, nn.Module)
    return sum(parameter.numel() for parameter in model.parameters())


def main() -> int:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["table", "time"])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.what == "time":
        return seconds()
    return confusion(arguments.count, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
