"""What is computed once for each mixture and kept: one file a mixture, in a folder of its own.

What is there already stays: a kill costs one mixture. Trainings that begin at once share the work,
since each goes through what is missing in an order of its own.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor

from kbbench.baselines.weights import SUFFIX
from kbbench.files import write_bytes

Tensors = dict[str, Tensor]
TELL_S = 5.0
"""What others made is counted no oftener than so."""


def load_kept(folder: Path, index: int) -> Tensors:
    """What is kept of a mixture."""
    return load_file(_file(folder, index))


def keep(
    folder: Path,
    count: int,
    make: Callable[[int], Tensors],
    tell: Callable[[int, int], None] | None = None,
    threads: int = 1,
) -> None:
    """Make and write what is missing of so many mixtures.

    Args:
        folder: of the files.
        count: mixtures.
        make: from a mixture's number to what is kept of it.
        tell: called with (mixtures done, by other trainings too, in all).
        threads: that make at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [index for index in range(count) if not _file(folder, index).is_file()]
    random.Random(os.getpid()).shuffle(missing)

    def make_one(index: int) -> None:
        if not _file(folder, index).is_file():  # another training was there meanwhile
            write_bytes(_file(folder, index), save(make(index)))

    with ThreadPoolExecutor(threads) as pool:
        due = 0.0
        for number, _ in enumerate(pool.map(make_one, missing), 1):
            if tell is not None and (number == len(missing) or time.monotonic() >= due):
                tell(sum(1 for _ in folder.glob(f"*{SUFFIX}")), count)
                due = time.monotonic() + TELL_S


def _file(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}{SUFFIX}"
