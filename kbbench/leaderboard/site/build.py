"""Write the site: first page, a page for each submission, sound, tables, and what they need."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from kbbench.leaderboard.columns import GROUPS
from kbbench.leaderboard.lines import Line, lines_of
from kbbench.leaderboard.rank import Board
from kbbench.leaderboard.reproduce import Reproduction
from kbbench.leaderboard.site.content import board_data
from kbbench.leaderboard.site.licences import credits_of
from kbbench.leaderboard.site.pages import Players, page, submission_page
from kbbench.leaderboard.sound import SIGNALS
from kbbench.leaderboard.tables import HOW, csv_tables
from kbbench.leaderboard.tracks import BUDGETS, UNSTATED

STATIC = Path(__file__).parent / "static"
MARKER = ".kbbench-site"
"""The file that says which files of a site a build wrote."""
MARKED = "Written by `kbbench leaderboard build`, which replaces all of it:"
PLOTS = (
    ("delay", "Quality over delay", "SI-SDR improvement at each delay of the hints."),
    (
        "macs",
        "Quality against device MACs",
        "Stepped lines are Pareto fronts: no other entry on the same data scores higher for as few "
        "MACs. Hollow marks are bounds, a ring is around chosen rows, and a click chooses.",
    ),
    (
        "hints",
        "Quality against hint kbit/s",
        "Stepped lines are Pareto fronts, as beside. An opaque link has no kbit/s.",
    ),
)
"""Of the first page: id, heading, and what to know."""


def build_site(
    board: Board, reproductions: Mapping[str, Reproduction], folder: Path
) -> tuple[str, ...]:
    """Write the whole site; the same board gives the same bytes.

    Args:
        board: ranked submissions that :func:`kbbench.leaderboard.complete.lacks` finds nothing in.
        reproductions: what came of running them again, by the submission's hash.
        folder: to write into; it is made, and must be empty where it is there.

    Returns:
        Paths of all files, from the folder on.

    Raises:
        InputError: two submissions are one run.
        FileExistsError: the folder holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder}: not empty")
    lines = lines_of(board)
    files: dict[str, str | bytes] = {
        f"static/{path.relative_to(STATIC).as_posix()}": path.read_bytes()
        for path in sorted(STATIC.rglob("*"))
        if path.is_file()
    }
    tables = csv_tables(lines)
    files |= tables
    files["index.html"] = _index(lines, tuple(tables))
    heard = {line.track.recipe for line in lines if line.submission.samples}
    files["licences.html"] = page("licences.html", root="", credits=credits_of(heard))
    written = [_write(folder, name, content) for name, content in files.items()]
    for line in lines:
        players = _write_sound(line, folder, written)
        text = submission_page(line, reproductions.get(line.sha256), players)
        written.append(_write(folder, f"submissions/{line.page}.html", text))
    names = tuple(sorted([*written, MARKER]))
    _write(folder, MARKER, "\n".join((MARKED, *names)) + "\n")
    return names


def _index(lines: Sequence[Line], files: tuple[str, ...]) -> str:
    return page(
        "index.html",
        root="",
        rows=len(lines),
        tracks=len({line.track for line in lines}),
        data=board_data(lines),
        files=files,
        groups=GROUPS,
        plots=PLOTS,
        how=HOW,
        budgets=(*BUDGETS, UNSTATED),
    )


def _write_sound(line: Line, folder: Path, written: list[str]) -> Players:
    """Sound as files of its own, which a page loads when it is played."""
    players: Players = []
    for number, sample in enumerate(line.submission.samples):
        signals: list[tuple[str, str]] = []
        for signal in SIGNALS:
            if signal in sample.signals:
                name = f"audio/{line.page}/{number}-{signal}.mp3"
                sound = base64.b64decode(sample.signals[signal], validate=True)
                written.append(_write(folder, name, sound))
                signals.append((signal, name))
        players.append((f"{sample.mixture}, source {sample.source}", signals))
    return players


def _write(folder: Path, name: str, content: str | bytes) -> str:
    """One file below the folder; its name again."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return name
