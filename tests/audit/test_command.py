"""`kbbench audit` as a user meets it: exit status, table, findings, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import kbbench.audit
from kbbench.audit import Audit
from kbbench.cli import main
from kbbench.models.loading import LoadedTriple
from tests.audit.conftest import HEAD
from tests.audit.confusion import QUICK

BIGGER = """
def layers(mixture, count):
    for _ in range(count):
        torch.conv1d(mixture, torch.ones(2, 2, 1))

def small(mixture, **given):
    layers(mixture, 1)
    return 0.5 * mixture[:, None]

def device(mixture, *, hints=None, **given):
    layers(mixture, 3)
    return mixture[:, None] / (1 + each(hints[..., 0], mixture))
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = kbbench.audit.audit_triple

    def with_less_effort(loaded: LoadedTriple, delays: tuple[int, ...], **kwargs: object) -> Audit:
        return whole(loaded, delays, QUICK, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(kbbench.audit, "audit_triple", with_less_effort)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


def words(result: Result) -> str:
    return " ".join(result.stdout.split())


def test_an_honest_triple_exits_0_with_its_look_aheads(
    tmp_path: Path, example: Callable[[str], Path]
) -> None:
    out = tmp_path / "new" / "audit.json"
    result = run(example("passthrough"), "--task", "separation", "--json", out)
    assert result.exit_code == 0, result.output
    assert "passthrough (separation): could run live" in words(result)
    assert "0 samples" in words(result)
    kept = json.loads(out.read_text())
    assert kept["verdict"] == "honest"
    assert kept["task"] == "separation"
    assert "cost of the device: matched: neither the device part" in words(result)
    assert kept["fair_cost"]["matched"] is True


def test_a_device_that_is_simply_bigger_is_marked(tmp_path: Path) -> None:
    path, out = tmp_path / "m.py", tmp_path / "audit.json"
    path.write_text(HEAD.replace("{body}", BIGGER))
    result = run(path, "--json", out)
    assert result.exit_code == 0, result.output
    assert "cost of the device: not matched: the device part costs 3 x the small" in words(result)
    fair = json.loads(out.read_text())["fair_cost"]
    assert (fair["matched"], fair["factor"]) == (False, 3.0)


def test_a_file_that_cannot_be_written_is_one_line(
    tmp_path: Path, example: Callable[[str], Path]
) -> None:
    (tmp_path / "file").write_text("mine")
    result = run(example("passthrough"), "--json", tmp_path / "file" / "audit.json")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr.splitlines()[-1]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_cheat_exits_1_with_number_place_and_hint(tmp_path: Path) -> None:
    body = "def small(mixture, **given):\n    return mixture.flip(-1)[:, None]"
    path = tmp_path / "m.py"
    path.write_text(HEAD.replace("{body}", body))
    result = run(path)
    assert result.exit_code == 1
    for text in ("refused, does not rank", "to the end", "failure look-ahead, small:"):
        assert text in words(result), text
    assert "from sample" in words(result)
    assert "look for normalization" in words(result)


def test_an_oracle_exits_1_with_a_note(example: Callable[[str], Path]) -> None:
    result = run(example("oracle"))
    assert result.exit_code == 1
    assert "an oracle: a bound, not audited, never ranks" in words(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "no such file"), ("x = 1", "no function triple()"), ("def triple(): 1 / 0", "raised")],
)
def test_no_triple_is_one_line_and_exits_2(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    if text is not None:
        path.write_text(text)
    result = run(path)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert message in line
