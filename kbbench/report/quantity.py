"""Large numbers as text."""

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
