"""A joint model: it runs, and is marked "opaque link" wherever it appears."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from kbbench.audit import Effort, audit_triple
from kbbench.check import check_file
from kbbench.cli import main
from kbbench.cost import profile_triple
from kbbench.models.loading import load_triple
from kbbench.report.profile import write_cost
from kbbench.results import Summary
from kbbench.scenes.dataset import Dataset

MARK = "opaque link, ranked apart"
JOINT = """
import torch
from kbbench.models import *

class Small(torch.nn.Module):
    def forward(self, mixture):
        return 0.5 * mixture[:, None]

class Late(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(0.5))
    def forward(self, mixture, delay):
        late = torch.nn.functional.pad(mixture, (128 * delay, 0))[..., : mixture.shape[-1]]
        return (mixture - self.gain * late)[:, None]

def triple():
    return Triple("in one piece", "enhancement", plain(Small()), plain(Small()), joint(Late()))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "joint.py"
    path.write_text(JOINT)
    return path


def kbbench(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


def test_a_run_is_marked_everywhere(
    path: Path, tmp_path: Path, tiny_dataset: Callable[[str], Dataset]
) -> None:
    data = tiny_dataset("enhancement").folder
    runs = [tmp_path / "one", tmp_path / "two"]
    for run in runs:
        given = ("--data", data, "--out", run, "--delays", "3,6", "--workers", 1, "--skip-audit")
        table = kbbench("evaluate", path, *given)
        assert MARK in table
        assert "hints inside the model" in table
    summary = Summary.model_validate_json((runs[0] / "summary.json").read_text())
    assert summary.honesty.mark == f"not audited, does not rank; {MARK}"
    assert summary.triple.opaque_link is True
    assert summary.triple.hint_kbit_per_s is None
    names = [item.condition for item in summary.conditions]
    assert names == ["mixture", "small", "large", "boosted@0", "boosted@3", "boosted@6"]
    page = (runs[0] / "report.html").read_text()
    assert MARK in page
    assert "the boosted model delays its hints itself" in page
    # In a narrow column the words of a mark are on several lines.
    assert MARK.split()[0] in kbbench("compare", *runs)
    gains = [summary.condition(f"boosted@{d}").figures["si_sdr"].value for d in (0, 3, 6)]
    assert len(set(gains)) == 3  # the delay reaches the model


@pytest.mark.parametrize("channel", ["jitter:mean_ms=24,std_ms=8", "off"])
def test_other_links_are_refused(
    channel: str, path: Path, tmp_path: Path, tiny_dataset: Callable[[str], Dataset]
) -> None:
    data = tiny_dataset("enhancement").folder
    given = ["evaluate", path, "--data", data, "--out", tmp_path / "run", "--channel", channel]
    result = CliRunner().invoke(main, [str(argument) for argument in given])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert f"--channel {channel}" in line
    assert "is opaque, one forward(mixture, delay) that runs at fixed delays alone" in line
    assert not (tmp_path / "run").exists()


def test_the_audit_measures_what_it_can(path: Path) -> None:
    quick = Effort(seconds=0.5, longer_s=0.6, rounds=1, longest_s=1.0)
    audit = audit_triple(load_triple(path, None), (0, 6), quick)
    assert audit.verdict == "honest", audit.findings
    assert [note for note in audit.notes if note.startswith(MARK)]
    measured = {item.part: item.samples for item in audit.lookahead}
    assert measured == {"small": 0, "large": 0, "boosted@0": 0, "boosted@6": 0}
    path.write_text(JOINT.replace("(mixture - self", "(mixture.flip(-1) - self"))
    refused = audit_triple(load_triple(path, None), (6,), quick)
    assert {item.part for item in refused.failures if item.probe == "look-ahead"} == {"boosted"}


def test_check_and_profile_know_it(path: Path, tmp_path: Path) -> None:
    report = check_file(path)
    assert report.right
    assert report.notes == (f"{MARK}: the boosted model delays its hints itself",)
    cost = profile_triple(load_triple(path, None), seconds=0.1)
    assert cost.opaque_link
    assert sorted(cost.models) == ["device", "large", "small"]
    assert cost.hint_kbit_per_s.reason == "opaque link"
    assert cost.models["device"].value("parameters") == 1
    write_cost(cost, tmp_path / "cost.json")
    assert MARK in kbbench("profile", path, "--seconds", 1)
