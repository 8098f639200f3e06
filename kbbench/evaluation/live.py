"""The live part of a run: device and remote apart, before anything is scored."""

from __future__ import annotations

from pathlib import Path

from kbbench.evaluation import folder
from kbbench.evaluation.folder import Beforehand
from kbbench.evaluation.run import Run
from kbbench.live.connection import Target
from kbbench.live.parts import part_path
from kbbench.pool import Progress


def met(run: Run, out: Path, target: Target) -> None:
    """The remote is there and is the one that this run needs, unless all is streamed already.

    Raises:
        InputError: it is not, or the folder holds something else.
    """
    folder.check(out, run)
    if not streamed(run, out):
        with run.live_phase.link(target):
            return


def go_live(
    run: Run,
    out: Path,
    target: Target,
    before: Beforehand,
    progress: Progress = lambda done, total: None,
) -> None:
    """Stream every mixture that is not through yet.

    Args:
        run: a live one.
        out: its folder.
        target: where the remote is.
        before: what was measured before.
        progress: told (mixtures that are through, in all).

    Raises:
        KeyboardInterrupt: the folder says how far it came; the same command carries on.
        InputError: no remote, or another one; or the folder holds something else.
        ModelError: a model raised, or broke the contract.
    """
    folder.check(out, run)
    if streamed(run, out):
        progress(len(run.mixtures), len(run.mixtures))
        return
    folder.begin(out, run, before)
    try:
        run.live_phase.stream(target, progress)
    except KeyboardInterrupt:
        folder.interrupt(out, run)
        raise


def streamed(run: Run, out: Path) -> bool:
    """Every mixture is through, and is still there to be scored or is scored already."""
    if not run.live_phase.complete:
        return False
    indices = range(len(run.mixtures))
    scored = (out / folder.SUMMARY).is_file()
    return scored or all(part_path(out, index).is_file() for index in indices)
