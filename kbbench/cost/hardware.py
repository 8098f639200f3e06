"""What the times were measured on."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from kbbench.cost.result import Hardware

CPUINFO = Path("/proc/cpuinfo")


def hardware() -> Hardware:
    """This machine."""
    return Hardware(
        cpu=cpu(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
    )


def cpu(info: Path = CPUINFO) -> str:
    """The processor's name as Linux tells it; elsewhere what Python knows."""
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return " ".join(value.split())
    return platform.processor() or platform.machine() or "unknown"
