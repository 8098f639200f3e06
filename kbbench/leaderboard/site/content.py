"""What the site's first page works with: columns, tracks and rows as data for its scripts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from kbbench.leaderboard.badges import BADGES
from kbbench.leaderboard.columns import COLUMNS
from kbbench.leaderboard.lines import Line, visible
from kbbench.leaderboard.tracks import Track
from kbbench.results.summary import ConditionSummary, Summary

SIGNIFICANT = 6
"""Digits of the numbers that scripts get: more than they show."""


def board_data(lines: Sequence[Line]) -> dict[str, Any]:
    """The table, each row's figures in the order of the columns."""
    titles = {line.track: line.track_title for line in lines}
    tracks = list(titles)
    datasets = _datasets(tracks)
    return {
        "columns": [
            {
                "key": column.key,
                "label": column.label,
                "group": column.group,
                "digits": column.digits,
                "kind": column.kind,
                "better": column.better,
            }
            for column in COLUMNS
        ],
        "tracks": [
            {
                "title": titles[track],
                "task": task_text(track.task),
                "dataset": list(datasets).index(_dataset(track)),
                "link": track.link,
                "budget": track.budget,
            }
            for track in tracks
        ],
        "datasets": list(datasets.values()),
        "badges": {key: text for key, (text, _) in BADGES.items()},
        "rows": [_row(line, tracks.index(line.track)) for line in lines],
    }


Dataset = tuple[str, int, str]
"""Recipe, version and data hash: scores on another one do not compare."""


def _dataset(track: Track) -> Dataset:
    return track.recipe, track.recipe_version, track.data_sha256


def _datasets(tracks: Sequence[Track]) -> dict[Dataset, str]:
    """What data is called; the hash stands there where one recipe version has two."""
    found = list(dict.fromkeys(_dataset(track) for track in tracks))
    alike = Counter(data[:2] for data in found)
    return {
        data: f"{data[0]} version {data[1]}" + (f", data {data[2][:8]}" * (alike[data[:2]] > 1))
        for data in found
    }


def task_text(task: str) -> str:
    """A task as people read it."""
    return task.replace("_", " ")


def _row(line: Line, track: int) -> dict[str, Any]:
    row, submission = line.row, line.submission
    return {
        "page": line.page,
        "name": submission.name,
        "track": track,
        "rank": row.rank,
        "first": row.first,
        "bound": submission.kind == "bound",
        "score": [_short(number) for number in (row.score.value, row.score.low, row.score.high)],
        "values": [_short(number) for number in line.values],
        "badges": list(line.badges),
        "submitted": submission.submitted.isoformat(),
    }


def delay_data(summary: Summary) -> dict[str, Any]:
    """Improvement over delay of one submission: the sweep, and what small and large have."""
    swept = [
        item
        for item in summary.conditions
        if item.delay_chunks is not None and item.condition == f"boosted@{item.delay_chunks}"
    ]
    return {
        "delays": [item.delay_chunks for item in swept],
        "boosted": [_interval(item) for item in swept],
        "small": _interval(summary.condition("small")),
        "large": _interval(summary.condition("large")),
    }


def _interval(item: ConditionSummary) -> list[float | None]:
    figure = item.figures["si_sdr_i"]
    return [_short(number) for number in (figure.value, figure.low, figure.high)]


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.{SIGNIFICANT}g}")


def embedded(data: Any) -> Markup:
    """Data as JSON that may stand in a page: nothing in it ends the element or begins another."""
    text = json.dumps(_cleaned(data), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _cleaned(data: Any) -> Any:
    if isinstance(data, str):
        return visible(data)
    if isinstance(data, dict):
        return {key: _cleaned(value) for key, value in data.items()}
    return [_cleaned(value) for value in data] if isinstance(data, (list, tuple)) else data
