"""Where a model wins and loses: SI-SDR improvement by what the mixtures are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from kbbench.results.figure import Figure, Part, figure_of

PARTS = 3
"""Groups of equally many mixtures that a number is cut into."""
MOST_NAMES = 8
"""Names with groups of their own; rarer ones are together."""
REST = "others"
METRIC = "si_sdr_i"
FACTS = {
    "snr_db": "SNR, dB",
    "sir_db": "SIR, dB",
    "rt60_s": "RT60, s",
    "angle_deg": "angle between talkers, degrees",
    "noise_kind": "kind of noise",
    "talkers": "talkers",
}
"""What mixtures are broken down by, where they have it."""


class Group(Part):
    """Mixtures that are alike, and the mean improvement under each condition.

    Args:
        fact: one of ``FACTS``.
        group: a range of numbers, or a name.
        mixtures: in it.
        figures: SI-SDR improvement by condition.
    """

    fact: str
    group: str
    mixtures: int
    figures: dict[str, Figure]


def facts_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a mixture is like, from its row of a dataset's manifest."""
    facts = {name: row.get(name) for name in ("snr_db", "sir_db", "rt60_s", "noise_kind")}
    angles = [float(angle) for angle in row["azimuths_deg"]]
    apart = [abs((a - b + 180) % 360 - 180) for a, b in combinations(angles, 2)]
    facts["angle_deg"] = min(apart) if apart else None
    facts["talkers"] = " + ".join(sorted(row["talkers"]))
    return {"mixture": row["id"], **facts}


def break_down(
    scores: pd.DataFrame, facts: Sequence[Mapping[str, Any]], conditions: Sequence[str]
) -> list[Group]:
    """SI-SDR improvement by each fact that tells mixtures apart.

    Args:
        scores: one row a mixture x source x channel x condition, with improvements.
        facts: of each mixture, as :func:`facts_of` gives them.
        conditions: those to show.
    """
    table = pd.DataFrame(list(facts)).set_index("mixture")
    groups = []
    for fact in FACTS:
        column = table[fact].dropna()
        if column.nunique() < 2:
            continue
        numeric = pd.api.types.is_numeric_dtype(column)
        labels = _ranges(column.astype(float)) if numeric else _names(column.astype(str))
        order = list(dict.fromkeys(labels.loc[column.sort_values().index]))
        if REST in order:
            order = [*(name for name in order if name != REST), REST]
        for label in order:
            mine = set(labels.index[labels == label])
            groups.append(_group(scores, fact, str(label), mine, conditions))
    return groups


def _ranges(column: pd.Series) -> pd.Series:
    """Each number's third, named by its ends."""
    cut = pd.qcut(column, PARTS, labels=False, duplicates="drop")
    return column.groupby(cut).transform(lambda part: f"{part.min():g} to {part.max():g}")


def _names(column: pd.Series) -> pd.Series:
    frequent = set(column.value_counts().index[:MOST_NAMES])
    return column.where(column.isin(frequent), REST)


def _group(
    scores: pd.DataFrame, fact: str, label: str, mixtures: set[str], conditions: Sequence[str]
) -> Group:
    rows = scores[scores["mixture"].isin(mixtures)]
    figures = {
        name: figure_of(rows[rows["condition"] == name], METRIC, "dB") for name in conditions
    }
    return Group(fact=fact, group=label, mixtures=len(mixtures), figures=figures)
