"""Large numbers and times as text."""

from __future__ import annotations

PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
"""Of decimal units."""


def quantity(value: float) -> str:
    """Four digits and a prefix.

    >>> quantity(2213040), quantity(97), quantity(0)
    ('2.213 M', '97', '0')
    """
    for size, prefix in PREFIXES:
        if value >= size:
            return f"{value / size:.4g} {prefix}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """Two or three digits, in the unit that suits.

    >>> duration(13.9), duration(276), duration(86400)
    ('14 s', '4.6 minutes', '24.0 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} h"
