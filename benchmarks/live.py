"""The remote as a server: what the transport adds, how many devices it holds, and does it grow.

- ``overhead``: one device in real time; what uplink and downlink take beside the remote's step.
- ``load``: more and more devices, until the 99th percentile of hint age passes 6 chunks. Devices
  send and receive in real time and compute nothing; they run in this process, on the same cores.
- ``soak``: one device, with its device part, in real time; the memory of both processes. Which
  triple is for ``--soaked`` to say.

The remote is that of the built-in ``separation-kb``, as PyTorch runs it (``eager``), or its step as
an ONNX file (``onnx``); under load also that of ``recipes/models/wiener.py``, which computes next
to nothing, so that the server itself is seen.

    python benchmarks/live.py overhead load soak [--minutes 60] [--seconds 5] [--most 16]
        [--kinds eager onnx wiener]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import torch
from numpy.typing import NDArray

from kbbench.live import wire
from kbbench.live.clock import Offset, RealClock, prompt_threads
from kbbench.live.connection import Offer, Target, connect, greet
from kbbench.live.device import LiveDevice
from kbbench.live.handshake import Identity
from kbbench.live.link import Link
from kbbench.live.samples import CODINGS
from kbbench.models import Boosted, export_step
from kbbench.models.contract import Task
from kbbench.models.loading import LoadedTriple, load_triple
from kbbench.resources import recipes_folder
from kbbench.units import CHUNK, HEADLINE_DELAY, LOOKAHEAD, milliseconds

NAME = "separation-kb"
CHUNK_S = milliseconds(1) / 1000
WARM_UP = 60
"""Chunks of each device that do not count."""
TRIES = 2
"""Of each number of devices; the better one counts, since others may use the machine."""
EAGER = f"""
from kbbench.baselines.shipped.names import FOLDER
from kbbench.baselines.triples import trained

def triple():
    return trained(FOLDER / "{NAME}", "separation", "boosted")
"""
ONNX = (
    EAGER.replace("triple()", "native()")
    + """
from kbbench.models import Boosted, Triple, steps

def triple():
    own = native()
    large = steps("large.onnx")
    boosted = Boosted(own.boosted.device, large)
    return Triple("TF-GridNet, its remote in ONNX", own.task, own.small, large, boosted)
"""
)
TASKS: dict[str, Task] = {"eager": "separation", "onnx": "separation", "wiener": "enhancement"}
FLAT_MB, FLAT_SHARE = 1.0, 0.005
"""Memory is flat where the median of its last third is no more above that of the first."""


Times = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Setting:
    """A way to serve."""

    kind: str
    batch: int = 1
    workers: int = 1


def write_models(folder: Path) -> None:
    """The triple in PyTorch, with its remote as an ONNX file, and one that is cheap."""
    wiener = recipes_folder() / "models" / "wiener.py"
    (folder / "wiener.py").write_text(wiener.read_text(encoding="utf-8"))
    (folder / "eager.py").write_text(EAGER)
    (folder / "onnx.py").write_text(ONNX)
    eager = load_triple(folder / "eager.py", TASKS["eager"])
    export_step(eager.triple.large, folder / "large.onnx")


@contextmanager
def serving(model: Path, setting: Setting) -> Iterator[tuple[int, int]]:
    """``kbbench serve`` in a process of its own: its port, and its number."""
    words = [sys.executable, "-m", "kbbench", "serve", str(model), "--port", "0"]
    words += ["--batch", str(setting.batch), "--workers", str(setting.workers)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2]), process.pid
    finally:
        process.terminate()
        process.communicate()


def link_to(port: int, loaded: LoadedTriple) -> Link:
    """A device's link, not open yet."""
    offer = Offer(Identity.of(loaded, HEADLINE_DELAY), 2, "pcm16")
    return Link(Target("127.0.0.1", port), offer, LOOKAHEAD)


def noise(seconds: float) -> torch.Tensor:
    """Steps of 16 bits, as every mixture is."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.randint(-3000, 3000, (2, round(seconds * 16_000)), generator=generator)
    return steps.float() / 32_768


def percentiles(values: NDArray[np.float64]) -> str:
    """Of what happened."""
    found = values[np.isfinite(values)]
    return " / ".join(f"{np.percentile(found, p):.2f}" for p in (50, 95, 99))


def overhead(folder: Path, seconds: float) -> None:
    """One device with its device part, in real time."""
    print("| remote | step ms | uplink ms | downlink ms | waits ms | whole way ms | age chunks |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for kind in ("eager", "onnx"):
        loaded = load_triple(folder / f"{kind}.py", TASKS[kind])
        with serving(loaded.path, Setting(kind)) as (port, _), link_to(port, loaded) as link:
            times, seen = lived(loaded, link, seconds)
        whole = times["arrived_ms"] - times["sent_ms"]
        waits = times["queue_ms"] + times["held_ms"]
        columns = (times["remote_ms"], times["uplink_ms"], times["downlink_ms"], waits, whole)
        age = np.where(seen < 0, np.nan, np.arange(len(seen)) - seen)
        print(f"| {kind} | {' | '.join(map(percentiles, columns))} | {percentiles(age)} |")
    print("\n(50th / 95th / 99th percentile)\n")


def lived(loaded: LoadedTriple, link: Link, seconds: float) -> tuple[Times, NDArray[np.int64]]:
    """One stream of a device with its device part: times of each chunk, and hints used."""
    boosted = loaded.boosted_at(HEADLINE_DELAY)
    assert isinstance(boosted, Boosted)
    device = LiveDevice(
        boosted.device,
        link,
        RealClock(LOOKAHEAD),
        Offset(link.met.same_machine),
        LOOKAHEAD,
        loaded.triple.hint_dtype,
    )
    run = device.run(noise(seconds))
    return run.times, run.seen


async def device(target: Target, offer: Offer, chunks: int, wait_s: float) -> NDArray[np.float64]:
    """A device that computes nothing: age of the newest hint at each step, infinite for none."""
    frame = CODINGS["pcm16"].encode(np.zeros((2, CHUNK + LOOKAHEAD), np.float32))
    newest = -1
    ages = np.full(chunks, np.inf)
    async with connect(target) as socket:
        await greet(socket, target, offer)
        await socket.send(wire.encode(wire.Begin(1)))
        while not isinstance(wire.decode(await socket.recv()), wire.Ready):
            pass

        async def listen() -> None:
            nonlocal newest
            while True:
                message = wire.decode(await socket.recv())
                if isinstance(message, wire.Hint):
                    newest = max(newest, message.chunk)

        listening = asyncio.ensure_future(listen())
        loop = asyncio.get_running_loop()
        began_s = loop.time() + wait_s
        for chunk in range(chunks):
            await asyncio.sleep(began_s + chunk * CHUNK_S - loop.time())
            if newest >= 0:
                ages[chunk] = chunk - newest
            await socket.send(wire.encode(wire.Audio(1, chunk, newest, True, frame)))
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return ages[WARM_UP:]


async def devices(target: Target, offer: Offer, count: int, chunks: int) -> NDArray[np.float64]:
    """Several, a little apart."""
    waits = (0.5 + n * CHUNK_S / count for n in range(count))
    return np.concatenate(
        await asyncio.gather(*(device(target, offer, chunks, wait) for wait in waits))
    )


def load(folder: Path, seconds: float, most: int, kinds: list[str]) -> None:
    """More and more devices."""
    print("| remote | batch | threads | devices held | their age, 50 / 99 % | so many more: age |")
    print("|---|---:|---:|---:|---:|---|")
    settings = [
        Setting("eager"),
        Setting("eager", batch=2),
        Setting("eager", workers=2),
        Setting("onnx"),
        Setting("onnx", workers=2),
        Setting("wiener"),
    ]
    for setting in (item for item in settings if item.kind in kinds):
        loaded = load_triple(folder / f"{setting.kind}.py", TASKS[setting.kind])
        offer = Offer(Identity.of(loaded, HEADLINE_DELAY), 2, "pcm16")
        held, there, after = 0, "–", ""
        with serving(loaded.path, setting) as (port, _):
            target = Target("127.0.0.1", port)
            for count in range(1, most + 1, 1 if setting.kind != "wiener" else 2):
                chunks = WARM_UP + round(seconds / CHUNK_S)
                tries = [asyncio.run(devices(target, offer, count, chunks)) for _ in range(TRIES)]
                aged = [np.percentile(ages, (50, 99), method="higher") for ages in tries]
                middle, high = min(aged, key=lambda pair: float(pair[1]))
                if high > HEADLINE_DELAY:
                    after = f"{count}: {middle:g} / {high:g}"
                    break
                held, there = count, f"{middle:g} / {high:g}"
        row = (setting.kind, setting.batch, setting.workers, held, there, after)
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    print()


def rss_mb(process: int) -> float:
    """Resident memory, as Linux tells it."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def soak(folder: Path, minutes: float, kind: str) -> None:
    """One device, stream after stream; the memory of both processes."""
    loaded = load_triple(folder / f"{kind}.py", TASKS[kind])
    found: list[tuple[float, float, float]] = []
    with serving(loaded.path, Setting(kind)) as (port, served):
        until, over = time.monotonic() + 60 * minutes, threading.Event()

        def sample() -> None:
            began = time.monotonic()
            while not over.wait(2.0):
                found.append((time.monotonic() - began, rss_mb(served), rss_mb(os.getpid())))

        watching = threading.Thread(target=sample)
        watching.start()
        streams = 0
        with link_to(port, loaded) as link:
            while time.monotonic() < until:
                lived(loaded, link, 5.0)
                streams += 1
        over.set()
        watching.join()
    print(f"{kind}: {minutes:g} minutes, {streams} streams of 5 s\n")
    print("| process | MB at first | MB at last | MB an hour | |")
    print("|---|---:|---:|---:|---|")
    table = np.array(found)[len(found) // 5 :]  # until then caches fill
    for column, process in ((1, "remote"), (2, "device")):
        thirds = np.array_split(table, 3)
        first, last = (float(np.median(third[:, column])) for third in (thirds[0], thirds[-1]))
        slope = float(np.polyfit(table[:, 0] / 3600, table[:, column], 1)[0])
        word = "flat" if last - first <= max(FLAT_MB, FLAT_SHARE * first) else "grows"
        print(f"| {process} | {first:.1f} | {last:.1f} | {slope:+.1f} | {word} |")


def main() -> None:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=["overhead", "load", "soak"])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--most", type=int, default=16)
    parser.add_argument("--kinds", nargs="+", default=["eager", "onnx", "wiener"])
    parser.add_argument("--soaked", default="onnx", choices=["eager", "onnx", "wiener"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, prompt_threads():
        folder = Path(name)
        write_models(folder)
        if "overhead" in given.parts:
            overhead(folder, given.seconds)
        if "load" in given.parts:
            load(folder, given.seconds, given.most, given.kinds)
        if "soak" in given.parts:
            soak(folder, given.minutes, given.soaked)


if __name__ == "__main__":
    main()
