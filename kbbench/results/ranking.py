"""What a failure costs: no score without value may ever rank better than one with a bad value."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kbbench.metrics import KNOWN

UNPROCESSED = "mixture"
KEYS = ["mixture", "source", "channel"]


def at_their_cost(records: pd.DataFrame) -> pd.DataFrame:
    """Records in which each failure has the value that it counts as where runs are ranked.

    That is the worst value that the unprocessed mixtures have, over all of the split, or the worst
    of the run under the same condition, whichever is worse; its improvement follows from it. Where
    the unprocessed mixture has no value either, the metric has none there for anybody, and the
    record counts for nobody.

    Args:
        records: one row a mixture x source x channel x condition, with improvements.

    Returns:
        the same rows; scores and improvements without a value are filled, reasons are kept.
    """
    base = records[records["condition"] == UNPROCESSED].set_index(KEYS)
    rows = pd.MultiIndex.from_frame(records[KEYS])
    columns = {}
    for metric in KNOWN.values():
        if metric.name not in records:
            continue
        sign = 1.0 if metric.better == "higher" else -1.0
        goodness = sign * records[metric.name].astype(float)
        worst = goodness.groupby(records["condition"]).transform("min")
        everywhere = (sign * base[metric.name].astype(float)).min()
        unprocessed = base.loc[rows, metric.name].to_numpy(dtype=float)
        filled = np.where(goodness.isna(), np.fmin(worst, everywhere), goodness)
        filled = np.where(np.isnan(unprocessed), np.nan, sign * filled)
        columns[metric.name] = filled
        if f"{metric.name}_i" in records:
            columns[f"{metric.name}_i"] = filled - unprocessed
    return records.assign(**columns)
