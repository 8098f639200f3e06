"""Trains the networks of reference triples side by side on one device, within a budget of minutes.

    python benchmarks/train_reference.py TASK=DATASET... --out OUT --minutes 60 --device cuda

Each task has three chains, a process each, and all share the device: large, then the boosted device
with it; small, twice; baseline, twice, so that it has heard no fewer clips than small and boosted
device together. A link of a chain is a run at a steady rate for three quarters of its time, and
one in which the rate falls to nearly nothing, of so many steps as its pace says fit in the rest.

OUT/TASK holds the last weights of each stage and its log. `--starts TASK=FOLDER`: the large network
there is where that task's begins. A link that is there stays: the same command carries on, with
time of its own.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from kbbench.baselines.stages import weights_name
from kbbench.baselines.training import Data, Outcome, Settings, decoded_in, open_data, train
from kbbench.memory import keep_freed_memory

CHAINS = (("large", "boosted"), ("small", "small"), ("baseline", "baseline"))
RATES = {"large": 1e-3, "boosted": 1e-3, "small": 2e-3, "baseline": 2e-3}
STEADY = 0.72
"""Share of a link's time at a steady rate."""
SAFE = 0.87
"""Of the steps that fit, so many are planned."""
FOREVER = 1_000_000
"""Steps of a run that time ends: its rate is steady."""
SEPARATOR = "="


def chain(given: argparse.Namespace) -> None:
    """Train one chain of one task, link by link."""
    keep_freed_memory()
    task, folder = given.data[0].split(SEPARATOR)
    stages = given.chain.split(",")
    data = open_data(folder)
    if given.decoded is not None:
        data = decoded_in(given.decoded, data)
    out = given.out / task
    first = given.began + given.first * 60 * given.minutes
    ends = (first, given.began + 60 * given.minutes)
    starts = dict(start.split(SEPARATOR) for start in given.starts)
    known = {}
    if task in starts:
        known["large"] = Path(starts[task]) / weights_name("large")
    for number, (stage, end) in enumerate(zip(stages, ends, strict=True)):
        if stage == "boosted":
            known[stage] = await_file(out / weights_name("small"), end)
        elif number:
            known[stage] = out / weights_name(stage)
        begin = known.get(stage)
        if begin is not None and not begin.is_file():
            print(f"{task}: {begin} is not there, so nothing was left to {stage}", flush=True)
            return
        link(given, out, f"{number + 1}-{stage}", stage, data, begin, end)


def link(
    given: argparse.Namespace,
    out: Path,
    name: str,
    stage: str,
    data: Data,
    begin: Path | None,
    end: float,
) -> None:
    """Train a stage until a time: steady, then settling."""
    if (out / name / "settle" / weights_name(stage)).is_file():
        return
    runs = []
    left = end - time.time()
    for part, until in (("steady", end - (1 - STEADY) * left), ("settle", end)):
        folder = out / name / part
        folder.mkdir(parents=True, exist_ok=True)
        if stage == "boosted":
            shutil.copy(out / weights_name("large"), folder)
        steps = FOREVER
        if runs:
            steps = max(given.every, int(SAFE * (until - time.time()) * pace(runs[-1])))
        settings = Settings.of(
            stage=stage,
            steps=steps,
            batch_size=given.batch_size,
            clip_s=given.clip,
            gain_db=given.gain,
            learning_rate=RATES[stage],
            warm_up_steps=given.warm_up if begin is None else given.warm_up // 4,
            validate_every=given.every,
            validation_mixtures=given.validation_mixtures,
            log_every=20,
            bf16=given.bf16,
        )
        outcome = train(
            settings,
            data,
            folder,
            start=begin,
            device=given.device,
            workers=given.workers,
            minutes=max(0.0, until - time.time()) / 60,
        )
        print(f"{out.name}: {outcome.text}", flush=True)
        runs.append(outcome)
        if outcome.weights.is_file():
            begin = outcome.weights
    write_up(out, stage, runs)


def write_up(out: Path, stage: str, runs: list[Outcome]) -> None:
    """The last weights of a stage, and the log of all its runs, one after the other."""
    last = [run.weights for run in runs if run.weights.is_file()][-1:]
    for weights in last:
        shutil.copy(weights, out)
    log = out / stage / "log.csv"
    log.parent.mkdir(parents=True, exist_ok=True)
    logs = [pd.read_csv(log)] if log.is_file() else []
    for run in runs:
        rows = pd.DataFrame(run.progress.rows)
        if logs and len(rows):
            rows[["step", "seconds"]] += logs[-1][["step", "seconds"]].iloc[-1]
        logs.append(rows)
    pd.concat(logs).to_csv(log, index=False)


def pace(run: Outcome) -> float:
    """Steps a second in the later half of a run."""
    rows = run.progress.rows
    later = rows[len(rows) // 2 :]
    if len(later) < 2:
        return run.progress.step / max(run.progress.seconds, 1e-9)
    steps = later[-1]["step"] - later[0]["step"]
    return float(steps / (later[-1]["seconds"] - later[0]["seconds"]))


def await_file(path: Path, until: float) -> Path:
    """Wait for what another chain writes, at most until a time."""
    while not path.is_file() and time.time() < until:
        time.sleep(0.5)
    return path


def arguments() -> argparse.ArgumentParser:
    """What can be said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", metavar="TASK=FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--starts", nargs="*", default=[], metavar="TASK=FOLDER")
    parser.add_argument("--decoded", type=Path, help="folder of mixtures as plain samples")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--first", type=float, default=0.65, help="share of a chain's first link")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--clip", type=float, default=2.0)
    parser.add_argument("--gain", type=float, default=6.0)
    parser.add_argument("--warm-up", type=int, default=200)
    parser.add_argument("--every", type=int, default=200, help="steps between validations")
    parser.add_argument("--validation-mixtures", type=int, default=16)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--began", type=float, default=None, help="time of the clock, in seconds")
    parser.add_argument("--chain", help="this one alone, in this process")
    return parser


def main() -> int:
    """Train all chains at once, or one."""
    given = arguments().parse_args()
    given.began = time.time() if given.began is None else given.began
    if given.chain:
        chain(given)
        return 0
    began = str(given.began)
    options = [word for word in sys.argv[1:] if word not in given.data]
    children = [
        subprocess.Popen(
            [
                sys.executable,
                __file__,
                data,
                *options,
                "--began",
                began,
                "--chain",
                ",".join(stages),
            ]
        )
        for data in given.data
        for stages in CHAINS
    ]
    return max(child.wait() for child in children)


if __name__ == "__main__":
    sys.exit(main())
