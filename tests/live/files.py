"""A user's file with tiny networks, and a server of it in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TINY = '''"""Tiny networks of the reference family, with random weights."""

from kbbench.baselines.config import GridNetConfig
from kbbench.baselines.gridnet import GridNet, RemoteGridNet
from kbbench.baselines.triples import seeded
from kbbench.models import Boosted, Triple


def triple(task="separation"):
    enrolled = task == "target_speech"
    shape = {"sources": 2 if task == "separation" else 1, "blocks": 2, "enrolled": enrolled}
    large = GridNetConfig(features=8, hidden=6, attention=True, compression=2, **shape)
    small = GridNetConfig(features=4, hidden=4, **shape)
    boosted = GridNetConfig(
        features=4, hidden=4, boosting="attention", hint_features=4 + enrolled, **shape
    )
    remote = seeded(1, lambda: RemoteGridNet(large))
    device = seeded(2, lambda: GridNet(boosted))
    return Triple(
        "tiny", task, seeded(3, lambda: GridNet(small)), remote, Boosted(device, remote)
    )
'''


def write_tiny(folder: Path) -> Path:
    path = folder / "tiny.py"
    path.write_text(TINY, encoding="utf-8")
    return path


@dataclass
class Served:
    """A process that serves."""

    process: subprocess.Popen[str]
    port: int
    said: str

    def interrupt(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Exit status, and what it said after it had begun."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@contextmanager
def served(*arguments: object, before: tuple[str, ...] = ()) -> Iterator[Served]:
    """``kbbench serve`` with these arguments, on any port."""
    words = [sys.executable, "-m", "kbbench", "serve", "--port", "0", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*before, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield Served(process, int(line.rpartition(":")[2]), line)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
