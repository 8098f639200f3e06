"""Trains the networks of the reference triples side by side on one device, in so many minutes.

    python benchmarks/train_reference.py TASK=DATASET[,DATASET...]... --out OUT --minutes 13

Each network of PLAN has a process and a share of the time, and all share the device; it begins as
another one, trained here before or in --start, and waits for it. Three quarters of its time the
rate is steady, then it falls to nearly nothing in so many steps as its pace says fit in the rest.

OUT/TASK holds the last weights of each stage and its log. A network that is there stays: the same
command carries on, with time of its own. `--began`: tasks whose data is there later join the
others' time by a call of their own.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from kbbench.baselines.stages import BOOSTINGS, weights_name
from kbbench.baselines.training import (
    Data,
    Outcome,
    Settings,
    decoded_in,
    joined,
    open_data,
    train,
)
from kbbench.memory import keep_freed_memory


class Link(NamedTuple):
    """A network to train, between two shares of the time; ``begin``: TASK/STAGE, or of --start."""

    task: str
    stage: str
    begins: float
    ends: float
    begin: str = ""


FIRST, SECOND = 0.42, 0.72
"""When the large network for separation is there, from which the others begin; when all are."""
PLAN = (
    Link("separation", "large", 0, FIRST),
    Link("separation", "small", 0, FIRST),
    Link("separation", "baseline", 0, 1),
    Link("separation", "boosted", FIRST, 1),
    *(
        link
        for task in ("target-speech", "enhancement")
        for link in (
            Link(task, "large", FIRST, SECOND, "separation/large"),
            Link(task, "small", FIRST, SECOND, "separation/small"),
            Link(task, "baseline", FIRST, 1),
            Link(task, "boosted", SECOND, 1),
        )
    ),
)
RATES = {"large": 1e-3, "boosted": 1e-3, "small": 2e-3, "baseline": 2e-3}
STEADY = 0.72
"""Share of a link's time at a steady rate."""
SAFE = 0.85
"""Of the steps that fit, so many are planned."""
FOREVER = 1_000_000
"""Steps of a run that time ends: its rate is steady."""
SEPARATOR = "="
GRACE_S = 30.0
"""A link waits so long beyond its time for the network that it begins as."""


def run(given: argparse.Namespace, link: Link) -> None:
    """Train one network, steady and then settling."""
    keep_freed_memory()
    out = given.out / link.task
    if (out / weights_name(link.stage)).is_file():
        return
    data = read_data(given, link.task)
    start, end = (given.began + 60 * given.minutes * share for share in (link.begins, link.ends))
    begin = begins_as(given, link)
    needed = [begin, *([out / weights_name("large")] if link.stage in BOOSTINGS else [])]
    time.sleep(max(0.0, start - time.time()))
    if missing := awaited(needed, start + GRACE_S):
        print(f"{link.task}: {missing} is not there: {link.stage} is left out", flush=True)
        return
    runs: list[Outcome] = []
    left = end - time.time()
    for part, until in (("steady", end - (1 - STEADY) * left), ("settle", end)):
        folder = out / link.stage / part
        folder.mkdir(parents=True, exist_ok=True)
        if link.stage in BOOSTINGS:
            shutil.copy(out / weights_name("large"), folder)
        steps = FOREVER
        if runs:
            steps = max(given.every, int(SAFE * (until - time.time()) * pace(runs[-1])))
        outcome = train(
            settings(given, link, steps, first=not runs),
            data,
            folder,
            start=begin,
            device=given.device,
            workers=given.workers,
            minutes=max(0.0, until - time.time()) / 60,
        )
        print(f"{link.task}: {outcome.text}", flush=True)
        runs.append(outcome)
        if outcome.weights.is_file():
            begin = outcome.weights
    write_up(out, link.stage, runs)


def begins_as(given: argparse.Namespace, link: Link) -> Path:
    """The weights that a link begins with."""
    if not link.begin:
        return Path(given.start / weights_name(link.stage))
    task, stage = link.begin.split("/")
    return Path(given.out / task / weights_name(stage))


def awaited(paths: list[Path], until: float) -> Path | None:
    """Wait for files, at most until a time; one that is still missing."""
    while missing := [path for path in paths if not path.is_file()]:
        if time.time() > until:
            return missing[0]
        time.sleep(0.2)
    return None


def settings(given: argparse.Namespace, link: Link, steps: int, first: bool) -> Settings:
    """Those of a run; weights of its own task know talkers already."""
    ignorant = first and link.task == "target-speech" and not link.begin.startswith(link.task)
    return Settings.of(
        stage=link.stage,
        talker_steps=given.talker_steps if ignorant else 0,
        steps=steps,
        batch_size=given.batch_size,
        clip_s=given.clip,
        gain_db=given.gain,
        mirror=True,
        learning_rate=RATES[link.stage],
        warm_up_steps=given.warm_up if first else 0,
        validate_every=given.every,
        validation_mixtures=given.validation_mixtures,
        log_every=20,
        bf16=given.bf16,
    )


def read_data(given: argparse.Namespace, task: str) -> Data:
    """Of a task: all its datasets."""
    folders = dict(pair.split(SEPARATOR) for pair in given.data)[task].split(",")
    parts = [open_data(folder) for folder in folders]
    if given.decoded is not None:
        parts = [decoded_in(given.decoded, part) for part in parts]
    return joined(parts)


def write_up(out: Path, stage: str, runs: list[Outcome]) -> None:
    """The last weights of a stage, and the log of all its runs, one after the other."""
    logs: list[pd.DataFrame] = []
    for outcome in runs:
        rows = pd.DataFrame(outcome.progress.rows)
        if logs and len(rows):
            rows[["step", "seconds"]] += logs[-1][["step", "seconds"]].iloc[-1]
        logs.append(rows)
    pd.concat(logs).to_csv(out / stage / "log.csv", index=False)
    for weights in [run.weights for run in runs if run.weights.is_file()][-1:]:
        shutil.copy(weights, out / "coming")
        (out / "coming").rename(out / weights.name)


def pace(outcome: Outcome) -> float:
    """Steps a second in the later half of a run."""
    rows = outcome.progress.rows
    later = rows[len(rows) // 2 :]
    if len(later) < 2:
        return outcome.progress.step / max(outcome.progress.seconds, 1e-9)
    steps = later[-1]["step"] - later[0]["step"]
    return float(steps / (later[-1]["seconds"] - later[0]["seconds"]))


def arguments() -> argparse.ArgumentParser:
    """What can be said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", metavar="TASK=FOLDER,FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True, help="weights of a separation triple")
    parser.add_argument("--decoded", type=Path, help="folder of mixtures as plain samples")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--clip", type=float, default=2.0)
    parser.add_argument("--gain", type=float, default=6.0)
    parser.add_argument("--warm-up", type=int, default=50)
    parser.add_argument("--talker-steps", type=int, default=1200)
    parser.add_argument("--every", type=int, default=200, help="steps between validations")
    parser.add_argument("--validation-mixtures", type=int, default=48)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--began", type=float, default=time.time(), help="seconds of the clock")
    parser.add_argument("--link", type=int, help="this one of PLAN alone, in this process")
    return parser


def main() -> int:
    """Train all networks of the tasks whose data was given, or one."""
    given = arguments().parse_args()
    if given.link is not None:
        run(given, PLAN[given.link])
        return 0
    tasks = {pair.split(SEPARATOR)[0] for pair in given.data}
    again = [sys.executable, *sys.argv, "--began", str(given.began), "--link"]
    children = [
        subprocess.Popen([*again, str(number)])
        for number, link in enumerate(PLAN)
        if link.task in tasks
    ]
    return max(child.wait() for child in children)


if __name__ == "__main__":
    sys.exit(main())
