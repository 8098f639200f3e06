"""2,000 mixtures of real recordings, made in every way there is: all must end in one data hash.

In one go; in three shards in folders of their own, copied together; on a Dask cluster of which one
worker is killed; with ten kills (SIGKILL, at random moments); and as tar shards. Talkers are of
LibriSpeech and VCTK, noise is recorded ambience, heads are of CIPIC, laid out as those corpora.

    pip install 'kbbench[dask]'
    python benchmarks/one_hash.py --recordings ../shared/data --work /tmp/one-hash

Prints a line each with data hash, seconds and kills, and what `--dry-run` had said of the first.
Exits 1 where hashes differ. What is made stays in --work only while it is needed.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from recordings import lay_out, write_recipe

from kbbench.pool import cores
from kbbench.scenes.dataset import read_header

SPLITS = {"train": 1600, "validation": 200, "test": 200}
KILLS = 10
SHARDS = 3


class Maker:
    """Runs `kbbench make-data` on the recipe."""

    def __init__(self, recipe: Path, folders: dict[str, Path]) -> None:
        self.command = [sys.executable, "-m", "kbbench", "make-data", str(recipe)]
        self.command += [f"--corpus={name}={folder}" for name, folder in folders.items()]

    def start(self, out: Path, *options: str) -> subprocess.Popen[bytes]:
        """Begin, in a process group of its own."""
        return subprocess.Popen(
            [*self.command, "--out", str(out), *options],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, out: Path, *options: str) -> None:
        """Begin and finish."""
        if self.start(out, *options).wait() != 0:
            raise SystemExit(f"make-data --out {out} {' '.join(options)} failed; run it by hand")

    def says(self, out: Path) -> str:
        """What `--dry-run` prints."""
        answer = subprocess.run(
            [*self.command, "--out", str(out), "--dry-run"],
            check=True,
            capture_output=True,
            text=True,
        )
        return " ".join(answer.stdout.split())


def in_shards(make: Maker, out: Path) -> int:
    """Each shard in its own folder, all copied into one, which is then completed."""
    for number in range(1, SHARDS + 1):
        part = out.with_name(f"{out.name}-{number}")
        make.run(part, "--shard", f"{number}/{SHARDS}")
        shutil.copytree(part, out, dirs_exist_ok=True)
        shutil.rmtree(part)
    make.run(out)
    return 0


def on_dask(make: Maker, out: Path) -> int:
    """A worker for each core, of which one is killed on its way; its nanny starts another."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=cores(), threads_per_worker=1, dashboard_address=":0") as cluster:
        running = make.start(out, "--dask", cluster.scheduler_address)
        time.sleep(25)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        if running.wait() != 0:
            raise SystemExit("make-data --dask failed; run it by hand")
    return 1


def with_kills(make: Maker, out: Path) -> int:
    """Killed with all its workers after 3 to 20 seconds, ten times, and then left alone."""
    rng = random.Random(0)
    for _ in range(KILLS):
        running = make.start(out)
        time.sleep(rng.uniform(3, 20))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    make.run(out)
    return KILLS


def one_go(make: Maker, out: Path) -> int:
    """As anybody would."""
    make.run(out)
    return 0


def as_tar(make: Maker, out: Path) -> int:
    """Tar shards instead of a folder a mixture."""
    make.run(out, "--format", "tar")
    return 0


WAYS: dict[str, Callable[[Maker, Path], int]] = {
    "one go": one_go,
    f"{SHARDS} shards": in_shards,
    "Dask": on_dask,
    "kills": with_kills,
    "tar": as_tar,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make, compare, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--ways", nargs="*", choices=list(WAYS), default=list(WAYS))
    given = parser.parse_args(arguments)
    folders = lay_out(given.recordings, given.work)
    recipe = write_recipe("enhancement", "one-hash", SPLITS, given.recordings, folders, given.work)
    make = Maker(recipe, folders)
    says = make.says(given.work / "not-made")
    print(f"{sum(SPLITS.values())} mixtures, {cores()} cores; --dry-run: {says}")
    print("| way | data hash | seconds | kills | MB |\n|---|---|---:|---:|---:|", flush=True)
    hashes = set()
    for way in given.ways:
        out = given.work / way.replace(" ", "-")
        start = time.perf_counter()
        kills = WAYS[way](make, out)
        seconds = time.perf_counter() - start
        header = read_header(out)
        hashes.add(header.data_sha256 if header else None)
        megabytes = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
        done = header.data_sha256 if header and header.data_sha256 else "none"
        print(f"| {way} | {done[:16]} | {seconds:.0f} | {kills} | {megabytes:.0f} |", flush=True)
        shutil.rmtree(out)
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest process: {peak_mb:.0f} MiB")
    print("one hash" if len(hashes) == 1 and None not in hashes else "hashes differ")
    return 0 if len(hashes) == 1 and None not in hashes else 1


if __name__ == "__main__":
    sys.exit(main())
