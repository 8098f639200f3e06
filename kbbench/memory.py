"""Memory that one batch freed serves the next: the system is not asked for it again.

A network's features are blocks of many megabytes, and glibc gives such blocks back at once: each
batch then waits for the same pages, one by one, and for the zeros in them. Kept by the process, a
pass through the large reference network takes half the time (``benchmarks/memory.py``).
"""

from __future__ import annotations

import ctypes
import sys

KEPT_BYTES = 2**31 - 1
"""Freed memory that a process keeps at most; the largest number that glibc takes."""
GROWTH_BYTES = 2**28
"""Its memory grows by so much; pages that are not written to cost nothing."""
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Parameters of glibc's ``mallopt`` (malloc.h, mallopt(3))."""


def keep_freed_memory() -> bool:
    """Keep what is freed in this process, from now on.

    Returns:
        whether this system's C library can.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, KEPT_BYTES), (M_TOP_PAD, GROWTH_BYTES))
    return all([mallopt(*pair) for pair in wanted])
