"""Every score of a run in little space, so that submissions can be compared pair by pair later.

A metric's scores are a table (conditions, records), a record being mixture x source x channel in
that order. Values are rounded to a step that no reader would see, and written as deflated 32-bit
integers in base64. Reading allocates what the counts say and not a byte more.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from kbbench.metrics import KNOWN
from kbbench.results.figure import Part
from kbbench.scenes.plan import mixture_id

STEPS = {"dB": 1e-3, "MOS": 1e-3, "µs": 1e-1, "": 1e-4}
"""What values are rounded to, by their unit."""
MISSING = np.iinfo(np.int32).min
"""Stands for a score that has no value."""
MOST_MIXTURES, MOST_SOURCES, MOST_CONDITIONS = 20_000, 4, 40
MOST_NUMBERS = 5_000_000
"""Of one metric: 5 000 mixtures of three sources at two ears under forty conditions are 1.2 M."""

Table = NDArray[np.float64]
KEYS = ("mixture", "source", "channel")


class Column(Part):
    """One metric's table: ``step`` is what its integers count."""

    step: float = Field(gt=0, le=1)
    data: str


class Scores(Part):
    """All scores of a run.

    Args:
        split: of the data; mixtures are those of a dataset, in order.
        mixtures: so many, all of the split.
        sources: of each mixture.
        channels: of each source.
        conditions: rows of each table.
        metrics: by name; ``clipped_samples`` is among them.
    """

    split: str = Field(pattern=r"^[a-z]{1,20}$")
    mixtures: int = Field(ge=1, le=MOST_MIXTURES)
    sources: int = Field(ge=1, le=MOST_SOURCES)
    channels: Literal[2] = 2
    conditions: tuple[str, ...] = Field(min_length=1, max_length=MOST_CONDITIONS)
    metrics: dict[str, Column]

    @model_validator(mode="after")
    def _tables_are_whole(self) -> Scores:
        if len(set(self.conditions)) < len(self.conditions):
            raise ValueError("a condition stands twice")
        if self.numbers > MOST_NUMBERS:
            raise ValueError(f"{self.numbers} numbers a metric, expected at most {MOST_NUMBERS}")
        known = {*KNOWN, CLIPPED}
        if unknown := sorted(set(self.metrics) - known):
            raise ValueError(f"no metric is called {unknown[0][:40]!r}")
        if not {CLIPPED, "si_sdr"} <= set(self.metrics):
            raise ValueError(f"the scores hold no {CLIPPED}, or no si_sdr")
        for name in self.metrics:
            self.table(name)
        return self

    @property
    def records(self) -> int:
        """Columns of each table."""
        return self.mixtures * self.sources * self.channels

    @property
    def numbers(self) -> int:
        """Of each table."""
        return self.records * len(self.conditions)

    def table(self, metric: str) -> Table:
        """(conditions, records); NaN where a score has no value.

        Raises:
            ValueError: its data is not such a table.
        """
        column = self.metrics[metric]
        found = _inflate(column.data, 4 * self.numbers, metric)
        integers = found.reshape(4, -1).T.copy().view("<i4").reshape(len(self.conditions), -1)
        return np.where(integers == MISSING, np.nan, integers * column.step)

    def means(self, metric: str) -> pd.DataFrame:
        """(mixtures, conditions): the mean over sources and channels that have a value."""
        table = self.table(metric).reshape(len(self.conditions), self.mixtures, -1)
        values = mean_of_known(table, axis=2)
        return pd.DataFrame(values.T, index=self.ids, columns=list(self.conditions))

    def frame(
        self, metrics: Sequence[str] | None = None, conditions: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """One row a mixture x source x channel x condition, as in a run's ``scores.parquet``.

        Args:
            metrics: columns; None takes all.
            conditions: those of the rows; None takes all.
        """
        wanted = [name for name in self.conditions if conditions is None or name in conditions]
        places = [self.conditions.index(name) for name in wanted]
        keys = pd.MultiIndex.from_product(
            [wanted, self.ids, range(self.sources), range(self.channels)],
            names=["condition", *KEYS],
        )
        values = {name: self.table(name)[places].ravel() for name in metrics or self.metrics}
        return pd.DataFrame(values, index=keys).reset_index()

    @cached_property
    def ids(self) -> list[str]:
        """Of the mixtures, in order."""
        return [mixture_id(self.split, number) for number in range(self.mixtures)]

    @classmethod
    def of(cls, records: pd.DataFrame, split: str, conditions: Sequence[str]) -> Scores:
        """The scores of a run.

        Args:
            records: its ``scores.parquet``.
            split: that it went over.
            conditions: in order.
        """
        ordered = records.assign(
            condition=pd.Categorical(records["condition"], list(conditions), ordered=True)
        ).sort_values(["condition", *KEYS], kind="stable")
        names = [name for name in KNOWN if name in records]
        steps = {**{name: STEPS[KNOWN[name].unit] for name in names}, CLIPPED: 1.0}
        return cls(
            split=split,
            mixtures=records["mixture"].nunique(),
            sources=records["source"].nunique(),
            conditions=tuple(conditions),
            metrics={
                name: Column(step=step, data=_deflate(ordered[name].to_numpy(float), step))
                for name, step in steps.items()
            },
        )


CLIPPED = "clipped_samples"


def mean_of_known(values: Table, axis: int) -> Table:
    """Over what has a value; NaN where nothing has."""
    counts = np.isfinite(values).sum(axis=axis)
    sums = np.nansum(values, axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _deflate(values: Table, step: float) -> str:
    counted = np.round(values / step)
    integers = np.where(np.isfinite(counted), counted, MISSING).astype("<i4")
    # Bytes of one significance together deflate best.
    planes = integers[:, None].view(np.uint8).T.tobytes()
    return base64.b64encode(zlib.compress(planes, 9)).decode("ascii")


def _inflate(text: str, size: int, what: str) -> NDArray[np.uint8]:
    """So many bytes, or a ValueError; no more than that is ever unpacked."""
    try:
        packed = base64.b64decode(text, validate=True)
        stream: Any = zlib.decompressobj()
        data = stream.decompress(packed, size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"scores of {what} are not deflated data in base64") from error
    if len(data) != size or not stream.eof or stream.unused_data:
        raise ValueError(f"scores of {what} are not the {size} bytes that the counts say")
    return np.frombuffer(data, dtype=np.uint8)
