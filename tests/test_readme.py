"""README says what is so."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from kbbench.cli import main
from kbbench.corpora import Corpora
from kbbench.resources import recipes_folder
from kbbench.results import Summary
from kbbench.scenes.dataset import Dataset

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_the_user_s_file_runs_as_it_stands(
    tmp_path: Path, tiny_dataset: Callable[[str], Dataset]
) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 42
    model = tmp_path / "mymodel.py"
    model.write_text(code, encoding="utf-8")
    data = tiny_dataset("enhancement").folder
    arguments = ["evaluate", str(model), "--data", str(data), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, [*arguments, "--delays", "6", "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert "my GRU" in result.stdout
    assert "does not rank" not in result.stdout
    summary = Summary.model_validate_json((tmp_path / "run" / "summary.json").read_text())
    assert summary.honesty.verdict == "honest"
    assert max(filter(None, summary.honesty.lookahead_samples.values())) == 64


def test_every_file_that_it_names_is_there() -> None:
    for name in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`(\w+\.py)`", TEXT):
        known = [recipes_folder() / "models" / name, ROOT / "recipes/mini-corpus" / name]
        assert name == "mymodel.py" or any(path.is_file() for path in known), name


def test_every_command_that_it_shows_is_there() -> None:
    shown = set(re.findall(r"kbbench ([a-z][a-z-]+) ?", "\n".join(blocks("bash"))))
    assert shown
    assert shown <= set(main.commands)


def test_its_corpora_table_is_one() -> None:
    (table,) = blocks("toml")
    corpora = Corpora.model_validate(tomllib.loads(table)["corpora"])
    assert set(corpora.layouts()) == {"folder", "wham", "cipic"}


@pytest.mark.parametrize("marker", ["command: main job", "command: tests"])
def test_ci_finds_the_commands(marker: str) -> None:
    assert f"<!-- {marker} -->\n```bash\n" in TEXT
    assert f'"{marker}"' in (ROOT / ".ci/run").read_text(encoding="utf-8")
