"""`kbbench new-model` writes a file that passes everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kbbench.audit import Effort, audit_triple
from kbbench.check import check_file
from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.models.loading import load_triple
from kbbench.models.template import new_model


@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_it_keeps_the_contract_and_streams(task: str, tmp_path: Path) -> None:
    report = check_file(new_model("mine", task, tmp_path))
    assert report.problems == ()
    assert report.task == task
    assert [item.streams for item in report.found] == [True, True, True]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["target_speech", "enhancement"])
def test_it_is_honest(task: str, tmp_path: Path) -> None:
    path = new_model("mine", task, tmp_path)
    quick = Effort(seconds=0.5, longer_s=0.6, rows=4, rounds=1, longest_s=1.0)
    audit = audit_triple(load_triple(path, None), (6,), quick)
    assert audit.findings == ()


def test_the_command_writes_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["new-model", "my_model.py", "--task", "separation"])
    assert result.exit_code == 0, result.output
    assert "try it with `kbbench check my_model.py`" in result.stdout
    text = (tmp_path / "my_model.py").read_text()
    assert 'TASK = "separation"' in text
    assert "$" not in text
    (tmp_path / "my_model.py").write_text("mine")
    result = CliRunner().invoke(main, ["new-model", "my_model"])
    assert result.exit_code == 2
    assert "my_model.py: is there already, and is not written over" in result.stderr
    assert (tmp_path / "my_model.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["my-model", "a/b", "", "../x", "3d"])
def test_a_name_that_is_none_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a Python name such as my_model"):
        new_model(name, "enhancement", tmp_path)
    assert not list(tmp_path.iterdir())
