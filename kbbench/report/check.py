"""A check on the terminal: a line for each problem, or a table of what was found."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from kbbench.check import Found, Report
from kbbench.report.quantity import quantity
from kbbench.report.terminal import console


def show_report(path: Path, report: Report) -> None:
    """Print it."""
    out = console()
    lines = [f"{path}: {problem}" for problem in report.problems]
    lines += [f"note: {note}" for note in report.notes]
    if report.problems:
        count = len(report.problems)
        lines.append(f"{count} {'problem' if count == 1 else 'problems'}")
    else:
        out.print(_table(report))
        if report.link is not None:
            link = report.link
            lines.append(
                f"hints: {list(link.shape)} a chunk as {link.dtype}, {link.kbit_per_s:g} kbit/s"
            )
        lines.append(
            f"{path}: keeps the contract on two seconds of sound; `kbbench audit {path}` measures "
            "whether it could run live"
        )
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(report: Report) -> Table:
    title = Text(f"{report.name} ({report.task})")
    table = Table("model", "parameters", "sources", "streams", title=title, title_justify="left")
    for item in report.found:
        table.add_row(*_row(item))
    return table


def _row(item: Found) -> tuple[str, ...]:
    size = "–" if item.parameters is None else quantity(item.parameters)
    return item.part, size, str(item.sources), "yes" if item.streams else "no"
