"""Real speech for metrics."""

from __future__ import annotations

import pytest
import torch

from kbbench.audio import read_pcm, to_float
from kbbench.corpora import load_corpus


@pytest.fixture(scope="session")
def speech() -> torch.Tensor:
    """Three seconds of a talker."""
    longest = max(load_corpus("mini").utterances, key=lambda item: item.samples)
    return torch.from_numpy(to_float(read_pcm(longest.path, 0, 48_000))[0])
