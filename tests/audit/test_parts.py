"""Pieces whose answer is known: links, streams, side roads told apart, fresh processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kbbench.audit import Audit
from kbbench.audit.fresh import NoAnswer, elsewhere
from kbbench.audit.sideroads import fingerprints, watched
from kbbench.audit.subject import Subject, lossy, make_subject
from kbbench.models.loading import load_triple
from kbbench.rng import Stream

Audited = Callable[..., Audit]


def pid(subject: Subject, add: int) -> int:
    return os.getpid() + add


def die(subject: Subject) -> None:
    os._exit(7)


def test_lossy_links_never_hand_out_a_hint_early_nor_an_older_one_again() -> None:
    seen = lossy(500, Stream("test"))
    assert (seen <= np.arange(500)).all()
    assert (np.diff(seen) >= 0).all()
    ages = (np.arange(500) - seen)[20:]
    assert ages.min() == 0
    assert ages.max() > 2


def test_another_process_answers_or_says_how_it_ended(example: Callable[[str], Path]) -> None:
    subject = make_subject(load_triple(example("passthrough"), None), (6,))
    assert elsewhere(subject, (6,), pid, 0) != os.getpid()
    with pytest.raises(NoAnswer, match="the process ended with status 7"):
        elsewhere(subject, (6,), die)


def test_a_shared_boosted_is_audited_once(example: Callable[[str], Path]) -> None:
    loaded = load_triple(example("passthrough"), None)
    subject = make_subject(loaded, range(7))
    assert [boost.part for boost in subject.boosts] == ["boosted"]
    assert [model.part for model in subject.models] == ["small", "large", "device"]


def test_calls_of_the_remote_are_noted_and_it_is_left_as_it_was(
    example: Callable[[str], Path],
) -> None:
    subject = make_subject(load_triple(example("passthrough"), None), (6,))
    (boost,), calls = subject.boosts, []
    remote = boost.remote.model
    before = dict(vars(remote))
    with watched(boost, subject.large, calls):
        remote(torch.zeros(1, 2, 128))
        boost.device.model(torch.zeros(1, 2, 128))
    assert calls == ["large"]
    assert vars(remote) == before


def test_fingerprints_tell_a_changed_weight() -> None:
    layer = torch.nn.Linear(2, 2)
    before = fingerprints(layer)
    with torch.no_grad():
        layer.bias[1] += 1e-6
    after = fingerprints(layer)
    assert [name for name in before if before[name] != after[name]] == ["bias"]


STREAMING = """
class Net(torch.nn.Module):
    def forward(self, mixture, **given):
        return mixture[:, None] * 1.0

    def start(self, batch, enrollment=None):
        return [0]

    def step(self, frame, state, hint=None, age=None):
        k = state[0]
        return {estimate}, [k + 1]

small = Net()
"""


def test_streaming_is_compared_chunk_by_chunk(audited: Audited) -> None:
    right = audited(STREAMING.format(estimate="frame[:, None, :, :128]"))
    assert right.verdict == "honest"
    (small,) = [item for item in right.streaming if item.part == "small"]
    assert (small.streams, small.difference) == (True, 0.0)
    late = audited(STREAMING.format(estimate="frame[:, None, :, :128] * (1 if k < 20 else 0.5)"))
    (finding,) = late.failures
    assert (finding.probe, finding.part, finding.at_chunk) == ("streaming", "small", 20)
    assert finding.measured == pytest.approx(0.5, abs=0.2)
    (small,) = [item for item in late.streaming if item.part == "small"]
    assert not small.streams


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        ("frame[:, None]", r"step returned an estimate (6, 1, 2, 192)"),
        ("1 / 0", "step raised ZeroDivisionError"),
        ("None", "step returned an estimate of type NoneType"),
    ],
)
def test_a_step_that_is_none_is_a_finding(estimate: str, message: str, audited: Audited) -> None:
    audit = audited(STREAMING.format(estimate=estimate))
    (finding,) = audit.failures
    assert finding.probe == "streaming"
    assert message in finding.what


def test_a_link_is_rolled_twice_where_a_model_rolls_it_too(audited: Audited) -> None:
    """Hints come delayed; a forward that delays them again has forgotten them in each step."""
    body = (
        "honest = device\n"
        "class Rolling(torch.nn.Module):\n"
        "    def forward(self, mixture, *, hints=None, **given):\n"
        "        return honest(mixture, hints=pad(hints, (0, 0, 3, 0))[:, :-3])\n"
        "    def start(self, batch, enrollment=None):\n"
        "        return None\n"
        "    def step(self, frame, state, hint=None, age=None):\n"
        "        late = torch.zeros_like(hint)\n"
        "        return honest(frame[..., :CHUNK], hints=late[:, None]), state\n"
        "boosted = Boosted(Rolling(), remote)"
    )
    (finding,) = audited(body).failures
    assert (finding.probe, finding.part) == ("streaming", "device")
    assert "look for what forward does to the whole input at once (shifts of hints" in (
        finding.look_for
    )
