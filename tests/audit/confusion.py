"""The audit on generated triples: what it found, counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kbbench.audit import Audit, Effort, audit_triple
from kbbench.models.loading import load_triple
from tests.audit.cheats import CHEATS, GROUPS
from tests.audit.generator import Spec

QUICK = Effort(seconds=0.5, longer_s=2.0, rows=6, rounds=4, longest_s=6.0, budget_s=2.0)
"""Enough for models of a few thousand weights."""
HONEST = "honest"


@dataclass(frozen=True)
class Judged:
    """A generated triple and its audit."""

    spec: Spec
    audit: Audit

    @property
    def right(self) -> bool:
        """Honest and let through, or a cheat refused by a probe that is meant for it."""
        if not self.spec.cheat:
            return self.audit.verdict == "honest"
        found = {finding.probe for finding in self.audit.failures}
        return bool(found & set(CHEATS[self.spec.cheat].found_by))


def judge(spec: Spec, folder: Path) -> Judged:
    """Write the file, and audit it as a user would."""
    return Judged(spec, audit_triple(load_triple(spec.write(folder), spec.task), effort=QUICK))


def told(judged: Judged) -> str:
    """One line for a triple that was judged wrongly."""
    found = [f"{f.probe}, {f.part}: {f.what}" for f in judged.audit.failures]
    return f"{judged.spec}: {found or 'nothing found'}"


def table(all_judged: Sequence[Judged]) -> str:
    """The confusion table in Markdown, and one row for each kind of cheat."""
    honest = [j for j in all_judged if not j.spec.cheat]
    cheats = [j for j in all_judged if j.spec.cheat]
    lines = ["| | let through | refused |", "|---|---:|---:|"]
    for name, group in ((HONEST, honest), ("cheating", cheats)):
        through = sum(j.audit.verdict == "honest" for j in group)
        lines.append(f"| {len(group)} {name} | {through} | {len(group) - through} |")
    lines += ["", "| cheat | triples | refused | by a probe meant for it | probes |"]
    lines.append("|---|---:|---:|---:|---|")
    for group, members in GROUPS.items():
        lines.append(f"| **{group}** | | | | |")
        lines += [_row(name, [j for j in cheats if j.spec.cheat == name]) for name in members]
    return "\n".join(lines) + "\n"


def _row(name: str, judged: Sequence[Judged]) -> str:
    probes = sorted({f.probe for j in judged for f in j.audit.failures})
    refused = sum(j.audit.verdict == "refused" for j in judged)
    right = sum(j.right for j in judged)
    return f"| {name} | {len(judged)} | {refused} | {right} | {', '.join(probes)} |"


def wrong(all_judged: Iterable[Judged]) -> list[str]:
    """Those that were judged wrongly."""
    return [told(judged) for judged in all_judged if not judged.right]
