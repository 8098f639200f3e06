"""Tables and progress on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from kbbench.corpora import Layout
from kbbench.corpora.download import gigabytes
from kbbench.evaluation.folder import read_replays
from kbbench.live.phase import read_figures
from kbbench.report.live import live_line
from kbbench.report.quantity import duration
from kbbench.report.rows import COLUMNS, level_text, price_text, summary_rows, title
from kbbench.results import Summary
from kbbench.scenes.dataset import Dataset
from kbbench.scenes.estimate import Estimate
from kbbench.scenes.recipe import SPLITS, Recipe
from kbbench.scenes.rerender import Rendered
from kbbench.scenes.verify import Verdict

MANY_SUBSETS = 10
"""Subsets that are not listed in full."""
FILE_WIDTH = 200
"""Columns of text where output goes to a file or a pipe."""
QUIET_S = 15.0
"""Seconds between progress lines where there is no terminal to draw a bar on."""


class ProgressLine:
    """Progress with an estimate on standard error: a bar on a terminal, else a line at times."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=None)
        self._started = self._said = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> ProgressLine:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """So many done of so many."""
        if self._first is None:
            self._first = done
        self._bar.update(self._task, completed=done, total=total)
        now = time.monotonic()
        if self._console.is_terminal or (now - self._said < QUIET_S and done < total):
            return
        self._said = now
        elapsed, fresh = now - self._started, done - self._first
        left = (
            f", about {elapsed / fresh * (total - done):.0f} s left"
            if fresh and done < total
            else ""
        )
        print(f"{self._what}: {done}/{total}, {elapsed:.0f} s{left}", file=sys.stderr, flush=True)


def show_recipes(recipes: Sequence[Recipe]) -> None:
    """One row a recipe."""
    table = Table("recipe", "version", "task", "corpora", "train / validation / test", "summary")
    for recipe in recipes:
        counts = " / ".join(str(getattr(recipe.splits, split)) for split in SPLITS)
        corpora = ", ".join(recipe.corpora.layouts())
        table.add_row(
            recipe.name, str(recipe.version), recipe.task, corpora, counts, recipe.summary
        )
    console().print(table)


def show_corpora(corpora: Sequence[Layout]) -> None:
    """One row a corpus."""
    table = Table("corpus", "for", "what", "licence", "commercial use", "download", "subsets")
    said = {True: "yes", False: "no", None: "ask its owner"}
    for corpus in corpora:
        names = [item.subset for item in corpus.archives if item.subset]
        subsets = ", ".join(names if len(names) < MANY_SUBSETS else [*names[:2], "..."])
        size = gigabytes(corpus.size_bytes) if corpus.archives else "by hand"
        table.add_row(
            corpus.name,
            ", ".join(sorted(corpus.parts)),
            corpus.title,
            corpus.licence,
            said[corpus.commercial],
            "-" if corpus.find is None else size,
            subsets,
        )
    console().print(table)


def show_dataset(dataset: Dataset) -> None:
    """What was made, and where."""
    header = dataset.header
    counts = ", ".join(f"{getattr(header.recipe.splits, split)} {split}" for split in SPLITS)
    console().print(
        f"{dataset.folder}: {header.recipe.name} version {header.recipe.version}, {counts}\n"
        f"plan {header.plan_sha256[:16]}, data {(header.data_sha256 or '')[:16]}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def show_estimate(recipe: Recipe, estimate: Estimate) -> None:
    """What a dataset will cost."""
    print(
        f"{recipe.name} version {recipe.version}: {estimate.mixtures} mixtures, "
        f"{estimate.audio_h:.2f} h, {gigabytes(estimate.size_bytes)} on disk, "
        f"about {duration(estimate.time_s)} here"
    )


def show_verdict(folder: Path, verdict: Verdict) -> None:
    """What was verified, and every finding on a line of its own."""
    for finding in verdict.findings:
        print(finding)
    wrong = f"{len(verdict.findings)} findings" if verdict.findings else "all as planned"
    print(
        f"{folder}: {verdict.mixtures} mixtures, {verdict.files} files, {wrong}; late "
        f"reverberation times within {verdict.rt60_error:.1%} of the plan"
    )


def show_rendered(rendered: Rendered) -> None:
    """What came of rendering again, and every finding on a line of its own."""
    for finding in rendered.findings:
        print(finding)
    total = rendered.identical + rendered.equivalent + rendered.different
    if rendered.identical == total:
        print(f"{total} of {total} mixtures rendered again: identical to the bit")
        return
    parts = [f"{rendered.identical} identical"]
    if rendered.equivalent:
        parts.append(f"{rendered.equivalent} equivalent within {rendered.difference_db:.1f} dB")
    if rendered.different:
        parts.append(f"{rendered.different} different")
    print(f"{total} mixtures rendered again: {', '.join(parts)}")


def show_summary(summary: Summary) -> None:
    """The table of a run."""
    table = Table(title=Text(title(summary)), title_justify="left")
    for column in COLUMNS:
        side: JustifyMethod = "left" if column in COLUMNS[:2] else "right"
        table.add_column(column, justify=side, overflow="fold")
    for row in summary_rows(summary):
        table.add_row(*row)
    console().print(table)
    for text in filter(None, (level_text(summary), price_text(summary))):
        console().print(text, highlight=False, markup=False, soft_wrap=True)


def show_live(out: Path) -> None:
    """A line on a run that was live, and one on each that it replays."""
    if found := read_figures(out):
        console().print(live_line(found), highlight=False, markup=False, soft_wrap=True)
    if replays := read_replays(out):
        for replay in replays.links:
            console().print(replay.text, highlight=False, markup=False, soft_wrap=True)


def console() -> Console:
    """Standard output; wide enough for the tables where there is no terminal to ask."""
    return Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)
