"""Freed memory serves again: told by page faults, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from kbbench.memory import keep_freed_memory

if sys.argv[1] == "kept" and not keep_freed_memory():
    print("cannot")
    raise SystemExit

def once():
    return len(bytearray(2**26))

once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way: str) -> str:
    """Pages that the system gives for four times 64 MiB that are freed each time."""
    words = [sys.executable, "-c", SCRIPT, way]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is kept where glibc is: Linux")
def test_freed_memory_is_not_asked_for_again() -> None:
    kept = faults("kept")
    if kept == "cannot":
        pytest.skip("this C library has no mallopt")
    assert int(kept) < 0.01 * int(faults("given back"))
