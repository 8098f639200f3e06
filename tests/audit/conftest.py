"""Small files of a user's kind, and audits that are quick."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kbbench.audit import Audit, Effort, audit_triple
from kbbench.models.loading import load_triple
from tests.audit.confusion import QUICK

HEAD = """
import os, sys
import torch
from torch.nn.functional import pad
from kbbench.models import Boosted, Triple
from kbbench.units import CHUNK, chunk_count

def each(values, like):
    return values.repeat_interleave(CHUNK, 1)[:, None, None, : like.shape[-1]]

def power(mixture):
    padded = pad(mixture, (0, -mixture.shape[-1] % CHUNK))
    return padded.unfold(-1, CHUNK, CHUNK).square().mean((1, 3))[..., None]

def small(mixture, **given):
    return 0.5 * mixture[:, None]

def device(mixture, *, hints=None, **given):
    return mixture[:, None] / (1 + each(hints[..., 0], mixture))

def remote(mixture, *, enrollment=None):
    return mixture[:, None], power(mixture)

TASK, LOOKAHEAD, boosted = "enhancement", 64, lambda delay: Boosted(device, remote)
{body}
def triple():
    return Triple("mine", TASK, small, remote, boosted, torch.float32, LOOKAHEAD)
"""


@pytest.fixture
def audited(tmp_path: Path) -> Callable[..., Audit]:
    """An honest triple of functions, with some lines of Python that change it, audited."""

    def get(body: str = "", effort: Effort = QUICK, delays: tuple[int, ...] = (6,)) -> Audit:
        path = tmp_path / "model.py"
        path.write_text(HEAD.replace("{body}", body), encoding="utf-8")
        return audit_triple(load_triple(path, None), delays, effort)

    return get
