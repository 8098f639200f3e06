"""kbbench: the benchmark for knowledge boosting, small speech models helped by late hints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kbbench.scenes.live import SceneDataset as SceneDataset

__version__ = "0.1.0"
__all__ = ["SceneDataset", "__version__"]


def __getattr__(name: str) -> object:
    """``kbbench.SceneDataset``, imported when asked for: it needs torch."""
    if name == "SceneDataset":
        from kbbench.scenes.live import SceneDataset

        return SceneDataset
    raise AttributeError(f"module 'kbbench' has no attribute {name!r}")
