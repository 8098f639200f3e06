"""Templates of the site, and a submission's page. Whatever is put into a page is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from kbbench.audit import Audit
from kbbench.leaderboard.badges import BADGES
from kbbench.leaderboard.lines import Line, is_link, visible
from kbbench.leaderboard.reproduce import Reproduction
from kbbench.leaderboard.site.content import delay_data, embedded, task_text
from kbbench.report.metrics import metric_columns, metric_rows
from kbbench.report.page import environment
from kbbench.report.profile import cost_table
from kbbench.report.rows import (
    COLUMNS,
    breakdown_columns,
    breakdown_rows,
    percent,
    summary_rows,
    title,
)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""Content-Security-Policy of every page: its own files, and nothing written in it, may run."""
Players = list[tuple[str, list[tuple[str, str]]]]
"""Of each sample: what it is of, and of each signal its name and file."""


def page(name: str, **content: Any) -> str:
    """A page of the site."""
    return _environment().get_template(name).render(policy=POLICY, **content)


@cache
def _environment() -> jinja2.Environment:
    found = environment("kbbench.leaderboard.site", _shown)
    found.globals |= {"embedded": embedded, "is_link": is_link, "badge_texts": BADGES}
    return found


def _shown(value: Any) -> Any:
    """Whatever a template prints: text without characters that no reader sees."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def submission_page(line: Line, reproduction: Reproduction | None, players: Players) -> str:
    """All that is known of a submission.

    Args:
        line: its row.
        reproduction: what came of running it again.
        players: its sound, as files beside the page.
    """
    submission = line.submission
    summary = submission.summary
    return page(
        "submission.html",
        root="../",
        line=line,
        submission=submission,
        summary=summary,
        task=task_text(line.track.task),
        title=title(summary),
        gap=percent(summary.gap_closed.get(summary.headline_condition)),
        columns=COLUMNS,
        rows=summary_rows(summary),
        metric_columns=metric_columns(summary),
        metric_rows=metric_rows(summary),
        breakdown_columns=breakdown_columns(summary),
        breakdown_rows=breakdown_rows(summary),
        audit_rows=audit_rows(submission.audit),
        cost=cost_table(submission.cost),
        reproduction=reproduction,
        reproduction_rows=_reproduction_rows(reproduction),
        plot=delay_data(summary),
        players=players,
        facts=_facts(line),
    )


def audit_rows(audit: Audit) -> list[tuple[str, ...]]:
    """One row a part and output: look-ahead, whether it streams, the longest input."""
    streams = {item.part: item for item in audit.streaming}
    longest = {item.part: item.seconds for item in audit.longest}
    rows: list[tuple[str, ...]] = []
    for item in audit.lookahead:
        reach = "not measured" if item.samples is None else f"{item.samples} samples"
        stream = streams.get(item.part)
        rows.append(
            (
                item.part,
                item.output,
                "to the end" if item.to_the_end else reach,
                f"{item.declared} samples",
                "–" if stream is None else "yes" if stream.streams else "no",
                f"{longest[item.part]:.0f} s" if item.part in longest else "–",
            )
        )
    return rows


def _reproduction_rows(found: Reproduction | None) -> list[tuple[str, ...]]:
    if found is None:
        return []
    return [
        (name, f"{largest:g}", f"{found.tolerances[name]:g}" if name in found.tolerances else "–")
        for name, largest in found.differences.items()
    ]


def _facts(line: Line) -> dict[str, dict[str, str]]:
    """Hashes and versions, by what they are of."""
    summary, submission = line.submission.summary, line.submission
    found: dict[str, dict[str, Any]] = {
        "Submission": {
            "submission_sha256": line.sha256,
            "run_sha256": summary.run_sha256,
            "kbbench": summary.kbbench,
        },
        "Model": summary.triple.model_dump(),
        "Data": summary.data.model_dump(),
        "Machine": submission.cost.hardware.model_dump(),
        "Versions": dict(summary.versions),
    }
    return {
        what: {key: _plain(value) for key, value in facts.items()} for what, facts in found.items()
    }


def _plain(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return str(value)
