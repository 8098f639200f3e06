"""A broken model is a finding, never a crash."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kbbench.audit import Audit, Effort, audit_triple
from kbbench.models.loading import load_triple

Audited = Callable[..., Audit]
FORWARD = "def {part}(mixture, **given):\n    {line}"

BROKEN = {
    "raises": (FORWARD.format(part="small", line="raise KeyError('x')"), "raised KeyError: 'x'"),
    "exits": (FORWARD.format(part="small", line="sys.exit('no')"), "raised SystemExit: no"),
    "returns nothing": (
        FORWARD.format(part="device", line="pass"),
        "returned estimates of type NoneType",
    ),
    "loses samples": (
        FORWARD.format(part="small", line="return mixture[:, None, :, 3:]"),
        r"returned estimates torch.float32 \(.*31997\), expected \(batch, sources, channels",
    ),
    "no hints": (
        FORWARD.format(part="remote", line="return mixture[:, None]"),
        "returned estimates alone",
    ),
    "too few hints": (
        FORWARD.format(part="remote", line="return mixture[:, None], power(mixture)[:, 1:]"),
        r"expected \(batch, chunks, ...\) = \(",
    ),
    "complex": (
        FORWARD.format(part="small", line="return mixture[:, None] * 1j"),
        "returned estimates torch.complex64",
    ),
    "two sources": (
        FORWARD.format(part="small", line="return mixture[:, None].repeat(1, 2, 1, 1)"),
        "sources: small 2, large 1, device 1; expected one, and all alike",
    ),
    "no boosted": ("boosted = lambda delay: None", r"boosted\(6\) returned NoneType"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_model_is_a_finding(name: str, audited: Audited) -> None:
    body, message = BROKEN[name]
    audit = audited(body)
    assert audit.verdict == "refused"
    texts = [f.what for f in audit.failures if f.probe == "contract"]
    assert any(re.search(message, text) for text in texts), texts


def test_a_model_that_ends_its_process_is_a_finding(audited: Audited) -> None:
    audit = audited(
        "def small(mixture, **given):\n"
        "    if mixture.shape[-1] > 90_000:\n"
        "        os._exit(3)\n"
        "    return mixture[:, None]"
    )
    (finding,) = audit.findings
    assert (finding.severity, finding.part) == ("warning", "small")
    assert "the process ended with status 3" in finding.what


def test_a_model_that_breaks_on_long_input_says_how_far_it_came(audited: Audited) -> None:
    audit = audited(
        "def small(mixture, **given):\n"
        "    return (mixture * torch.ones(200_000)[: mixture.shape[-1]])[:, None]",
        effort=Effort(0.5, 1.0, 6, 1, longest_s=40.0, budget_s=100.0),
    )
    (finding,) = audit.failures
    assert finding.what.startswith("given 40 s of sound, it raised RuntimeError")
    assert {item.part: item.seconds for item in audit.longest}["small"] == 10


def test_a_model_with_other_weights_each_time_is_told(audited: Audited) -> None:
    audit = audited(
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.gain = torch.nn.Parameter(torch.tensor(float(os.getpid())))\n"
        "    def forward(self, mixture, *, hints=None, **given):\n"
        "        return 1e-6 * self.gain * device(mixture, hints=hints)\n"
        "net = Net()\n"
        "boosted = Boosted(net, remote)"
    )
    assert audit.verdict == "honest"
    (finding,) = audit.findings
    assert "a fresh process makes a model with other weights" in finding.what


def test_target_speech_may_refuse_to_work_without_enrollment(audited: Audited) -> None:
    body = (
        "TASK = 'target_speech'\n"
        "def small(mixture, *, enrollment=None, **given):\n"
        "    return mixture[:, None] * (1 + enrollment.std(-1)[..., None, None])"
    )
    assert audited(body).findings == ()
    audit = audited(body.replace("1 + enrollment.std(-1)", "0.1 / enrollment.std(-1)"))
    (finding,) = audit.failures
    assert "given a silent enrollment" in finding.what


@pytest.mark.parametrize("name", ["passthrough", "wiener"])
def test_the_examples_are_honest(name: str, example: Callable[[str], Path]) -> None:
    effort = Effort(seconds=0.4, longer_s=0.8, rows=4, rounds=1, longest_s=1.0)
    audit = audit_triple(load_triple(example(name), "enhancement"), (6,), effort)
    assert audit.findings == ()
    assert audit.notes == ()
    assert {item.samples for item in audit.lookahead} == {0 if name == "passthrough" else 64}
    assert {item.part: item.streams for item in audit.streaming} == dict.fromkeys(
        ("small", "large", "device"), True
    )


def test_an_oracle_is_not_audited(example: Callable[[str], Path]) -> None:
    audit = audit_triple(load_triple(example("oracle"), "enhancement"))
    assert audit.verdict == "oracle"
    (finding,) = audit.findings
    assert "given the reference" in finding.what
