"""An audit on the terminal: the verdict, what was measured, and every finding."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kbbench.audit import Audit, Finding
from kbbench.audit.result import LookAhead
from kbbench.cost import Matched
from kbbench.files import write_asked
from kbbench.report.terminal import console

STYLES = {"failure": "bold red", "warning": "yellow"}
VERDICTS = {
    "honest": ("could run live", "bold green"),
    "refused": ("refused, does not rank", "bold red"),
    "oracle": ("an oracle: a bound, not audited, never ranks", "bold yellow"),
}


def show_audit(audit: Audit, cost: Matched) -> None:
    """Print it, and whether the device part's cost is fair."""
    out = console()
    said, style = VERDICTS[audit.verdict]
    out.print(Text.assemble((audit.triple, "bold"), f" ({audit.task}): ", (said, style)))
    if audit.lookahead:
        out.print(_measured(audit))
    for finding in audit.findings:
        _show(out, finding)
    for note in audit.notes:
        out.print(Text.assemble(("note ", "dim"), note))
    out.print(Text.assemble("cost of the device: ", (cost.text, "" if cost.matched else "yellow")))


def write_audit(audit: Audit, cost: Matched, path: Path) -> None:
    """Write both as JSON: the audit's fields, and ``fair_cost``.

    Raises:
        InputError: the file cannot be written.
    """
    fields = {**audit.model_dump(mode="json"), "fair_cost": cost.model_dump(mode="json")}
    write_asked(path, json.dumps(fields, indent=2) + "\n")


def _measured(audit: Audit) -> Table:
    """One row a part and output: look-ahead, streaming, longest input."""
    streaming = {item.part: item for item in audit.streaming}
    longest = {item.part: item.seconds for item in audit.longest}
    estimated = {item.part for item in audit.lookahead if item.output == "estimates"}
    table = Table("part", "look-ahead", "declared", "streams", "longest input")
    for item in audit.lookahead:
        stream = streaming.get(item.part)
        first = item.output == "estimates" or item.part not in estimated
        table.add_row(
            Text(item.part if item.output == "estimates" else f"{item.part}, {item.output}"),
            _reach(item),
            str(item.declared),
            ("yes" if stream.streams else "no") if stream and first else "",
            f"{longest[item.part]:.0f} s" if item.part in longest and first else "",
        )
    return table


def _reach(item: LookAhead) -> Text:
    if item.samples is None:
        return Text("not measured")
    over = item.to_the_end or item.samples > item.declared
    text = "to the end" if item.to_the_end else f"{item.samples} samples"
    return Text(text, style="bold red" if over else "")


def _show(out: Console, finding: Finding) -> None:
    head = (f"{finding.severity} ", STYLES[finding.severity])
    out.print(Text.assemble(head, (f"{finding.probe}, {finding.part}: ", "bold"), finding.what))
    out.print(Text(f"  {finding.look_for}", style="dim"))
