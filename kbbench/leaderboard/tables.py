"""The leaderboard as CSV for programs, and as Markdown for the repository's page.

Names and other texts are somebody else's: in CSV they are no formula, in Markdown no markup.
"""

from __future__ import annotations

import csv
import io
import re
import string
from collections.abc import Sequence
from itertools import groupby

from kbbench.leaderboard.badges import BADGES
from kbbench.leaderboard.columns import COLUMNS
from kbbench.leaderboard.lines import TASKS, Line, is_link, visible

MARKDOWN = "LEADERBOARD.md"
MARK = "<!-- Written by `kbbench leaderboard build`: edits are lost. -->"
"""First line of the Markdown: by it the next build knows its own."""
CSV_HEAD = (
    "task",
    "recipe",
    "recipe_version",
    "data_sha256",
    "link",
    "budget",
    "rank",
    "rank_first",
    "rank_last",
    "kind",
    "name",
    "score_db",
    "score_low_db",
    "score_high_db",
    *(column.key for column in COLUMNS),
    "badges",
    "submitted",
    "paper",
    "code",
    "kbbench",
    "processor",
    "run_sha256",
    "submission_sha256",
    "page",
)
FORMULA = re.compile("[=+\\-@＝＋－＠]")
"""What a spreadsheet takes for the beginning of a formula or a command."""
PLAIN = set(" ,;.'/%()+-" + string.ascii_letters + string.digits)
"""ASCII that means nothing in Markdown; of the rest each character is written by its number."""
WEB = re.compile(r"(?i)(www)\.")
"""What a page's Markdown makes a link of, without being asked."""
HOW = (
    "Rows of one track are ranked by their score: the mean SI-SDR improvement of the boosted model "
    "over hints that are 0 to 48 ms late, each failure at its cost, with 95 % bootstrap confidence "
    "over mixtures. Rows that cannot be told apart on the same mixtures share their ranks. A bound "
    "(an oracle, or the mixture as it is) has no rank. Other metrics are at 48 ms; times are of "
    "each submission's own machine."
)
"""What the figures are, for whoever meets them first."""


def csv_name(task: str) -> str:
    """The file of a task's table."""
    return f"{task}.csv"


def csv_tables(lines: Sequence[Line]) -> dict[str, str]:
    """The text of each task's file by its name; a task without rows has a head alone."""
    return {
        csv_name(task): _csv([line for line in lines if line.track.task == task]) for task in TASKS
    }


def markdown(lines: Sequence[Line]) -> str:
    """The page: one table a track."""
    files = ", ".join(f"[{csv_name(task)}]({csv_name(task)})" for task in TASKS)
    parts = [
        MARK,
        "# Leaderboard",
        HOW,
        f"The same with more columns: {files}. To sort, filter, plot and listen, run `kbbench "
        "leaderboard build` and open `site/index.html`. How to submit: [README.md](README.md).",
    ]
    if not lines:
        parts.append("No submissions yet.")
    for title, rows in groupby(lines, lambda line: line.track_title):
        parts += [f"## {escaped(title)}", _table(list(rows))]
    shown = {key for line in lines for key in line.badges}
    meanings = [f"- **{text}**: {said}" for key, (text, said) in BADGES.items() if key in shown]
    if meanings:
        parts += ["## Badges", "\n".join(meanings)]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Any text as Markdown shows it, on one line: no markup, no link, no cell of its own.

    >>> escaped("a|b_c")
    'a&#124;b&#95;c'
    """
    shown = "".join(
        character if character in PLAIN or not character.isascii() else f"&#{ord(character)};"
        for character in " ".join(visible(text, but="").split())
    )
    # A colon before a space begins neither an address nor an emoji.
    return WEB.sub(r"\1&#46;", shown).replace("&#58; ", ": ")


def safe_cell(text: str) -> str:
    """Any text as a spreadsheet shows it: on one line, and never computed."""
    line = " ".join(visible(text, but="").split())
    return f"'{line}" if FORMULA.match(line) else line


def _csv(lines: Sequence[Line]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    writer.writerows(_csv_row(line) for line in lines)
    return buffer.getvalue()


def _csv_row(line: Line) -> list[str]:
    track, row, submission = line.track, line.row, line.submission
    texts = (
        track.task,
        track.recipe,
        str(track.recipe_version),
        track.data_sha256,
        track.link,
        track.budget,
        row.rank,
        "" if row.first is None else str(row.first),
        "" if row.last is None else str(row.last),
        submission.kind,
        submission.name,
    )
    numbers = (row.score.value, row.score.low, row.score.high, *line.values)
    more = (
        " ".join(line.badges),
        submission.submitted.isoformat(),
        submission.paper or "",
        submission.code or "",
        submission.summary.kbbench,
        submission.cost.hardware.cpu,
        submission.summary.run_sha256,
        line.sha256,
        line.page,
    )
    return [
        *map(safe_cell, texts),
        *("" if number is None else f"{round(number, 6) + 0.0:.12g}" for number in numbers),
        *map(safe_cell, more),
    ]


def _table(lines: Sequence[Line]) -> str:
    head = ["rank", "name", "score, dB", *(column.label for column in COLUMNS), "badges"]
    aligned = ["---", "---", *("---:" for _ in range(1 + len(COLUMNS))), "---"]
    rows = [head, aligned, *(_markdown_row(line) for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _markdown_row(line: Line) -> list[str]:
    row, submission = line.row, line.submission
    links = [
        f"[{label}](<{address}>)"
        for label, address in (("paper", submission.paper), ("code", submission.code))
        if is_link(address)
    ]
    score = f"{row.score.value:.2f} [{row.score.low:.2f}, {row.score.high:.2f}]"
    return [
        row.rank,
        " ".join((escaped(submission.name), *links)),
        score,
        *(column.text(value) for column, value in zip(COLUMNS, line.values, strict=True)),
        ", ".join(BADGES[key][0] for key in line.badges),
    ]
