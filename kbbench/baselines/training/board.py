"""Curves for TensorBoard, beside ``log.csv``: a point for each number in it."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from kbbench.baselines.training.checkpoint import Progress
from kbbench.errors import InputError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FILES = "events.out.tfevents.*"


def summary_writer() -> type[SummaryWriter]:
    """What writes TensorBoard's files.

    Raises:
        InputError: the extra is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            "--tensorboard: needs the package tensorboard; pip install 'kbbench[tensorboard]', "
            "or leave the option out: log.csv has the same numbers"
        ) from error
    return SummaryWriter


class Board:
    """The rows of a run's log as scalars; the checkpoint decides which there are.

    Each sitting writes all of them anew, into a file that begins with the word to forget what came
    before (``purge_step``): what a kill left behind the checkpoint is not there twice, and nothing
    is missing where the option comes late. Of earlier files the newest stays, since a TensorBoard
    that is looking on would not go beyond one that is taken away. Times are those spent in
    training.

    Args:
        writer: from :func:`summary_writer`.
        folder: of the files.
        progress: with the rows so far.
    """

    def __init__(self, writer: type[SummaryWriter], folder: Path, progress: Progress) -> None:
        for old in sorted(folder.glob(FILES))[:-1]:
            old.unlink()
        self._began_s = time.time() - progress.seconds
        self._writer = writer(str(folder), purge_step=0)
        for row in progress.rows:
            self.add(row)

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def add(self, row: dict[str, float]) -> None:
        """A point in each curve."""
        figures = dict(row)
        step, when_s = int(figures.pop("step")), self._began_s + figures.pop("seconds")
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step, walltime=when_s)

    def flush(self) -> None:
        """Put all points on the disk."""
        self._writer.flush()
