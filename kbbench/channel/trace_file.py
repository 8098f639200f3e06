"""Measured network times in a CSV file, read with every check.

```
# LTE, standing still, 64-byte packets        remarks, and empty lines, are passed over
time_ms,rtt_ms                                 or time_ms,one_way_ms; other columns are ignored
0,41.2
20,39.8
40,                                            no value: the packet was lost
```

``time_ms`` is when the packet was sent, from any origin, ascending. ``rtt_ms`` is the time there
and back (ping), ``one_way_ms`` the time of one direction.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kbbench.errors import InputError, one_line
from kbbench.units import milliseconds

TIME, ROUND_TRIP, ONE_WAY = "time_ms", "rtt_ms", "one_way_ms"


@dataclass(frozen=True, eq=False)
class Times:
    """Network times of a trace.

    Args:
        time_ms: (N,), from 0, ascending.
        value_ms: (N,), infinite where the packet was lost.
        round_trip: there and back; else one way.
        sha256: of the file.
    """

    time_ms: NDArray[np.float64]
    value_ms: NDArray[np.float64]
    round_trip: bool
    sha256: str

    @property
    def period_ms(self) -> float:
        """How long the trace is: to its last packet, and the median interval after it."""
        if len(self.time_ms) == 1:
            return milliseconds(1)
        return float(self.time_ms[-1] + np.median(np.diff(self.time_ms)))

    def at(self, time_ms: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value of the last packet sent by then; after its end the trace begins anew."""
        place = np.searchsorted(self.time_ms, np.mod(time_ms, self.period_ms), side="right") - 1
        return self.value_ms[np.maximum(place, 0)]


def read_times(path: Path) -> Times:
    """Read a trace.

    Raises:
        InputError: the file is missing or no such CSV, with the line that is wrong.
    """
    try:
        data = path.read_bytes()
        content = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: {one_line(error)}; expected a CSV file of network times"
        ) from error
    lines = _lines(path, content)
    _, header = next(lines, (0, []))
    round_trip, places = _columns(path, header)
    times: list[float] = []
    values: list[float] = []
    for line, cells in lines:
        if len(cells) != len(header):
            raise InputError(f"{path}:{line}: {len(cells)} values, expected {len(header)}")
        time, value = (cells[place].strip() for place in places)
        times.append(_number(path, line, TIME, time, -math.inf))
        name = ROUND_TRIP if round_trip else ONE_WAY
        values.append(_number(path, line, name, value, 0.0) if value else math.inf)
        if len(times) > 1 and times[-1] <= times[-2]:
            raise InputError(
                f"{path}:{line}: {TIME} {times[-1]:g} after {times[-2]:g}, expected ascending times"
            )
    if not times:
        raise InputError(f"{path}: no packet; expected lines of times after the column names")
    return Times(
        time_ms=np.array(times) - times[0],
        value_ms=np.array(values),
        round_trip=round_trip,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _lines(path: Path, content: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each line that is neither empty nor a remark."""
    for number, line in enumerate(io.StringIO(content), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            (cells,) = csv.reader([line], strict=True)
        except (csv.Error, ValueError) as error:
            raise InputError(
                f"{path}:{number}: no line of a CSV file ({one_line(error)})"
            ) from error
        yield number, cells


def _columns(path: Path, header: list[str]) -> tuple[bool, tuple[int, int]]:
    """Whether times are round trips, and the places of the two columns."""
    names = [name.strip() for name in header]
    kinds = [name for name in (ROUND_TRIP, ONE_WAY) if name in names]
    if TIME not in names or len(kinds) != 1:
        found = ", ".join(names) or "nothing"
        raise InputError(
            f"{path}: columns {found[:120]}, expected {TIME} and one of {ROUND_TRIP} and {ONE_WAY}"
        )
    return kinds[0] == ROUND_TRIP, (names.index(TIME), names.index(kinds[0]))


def _number(path: Path, line: int, name: str, cell: str, least: float) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < least:
        wanted = "milliseconds, 0 or more" if least == 0 else "milliseconds"
        raise InputError(f"{path}:{line}: {name} {cell[:40]!r}, expected {wanted}")
    return value
