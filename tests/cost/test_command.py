"""``kbbench profile`` as a user meets it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kbbench.cli import main
from kbbench.cost import Cost
from tests.models.test_loading import GOOD

Example = Callable[[str], Path]


def profile(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["profile", *map(str, arguments), "--seconds", "1"])


def complaint(result: Result) -> str:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def write(folder: Path, text: str) -> Path:
    path = folder / "model.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_readme_s_file_costs_what_its_layers_do(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    out = tmp_path / "cost.json"
    result = profile(write(tmp_path, code), "--json", out)
    assert result.exit_code == 0, result.output
    for part in ("my GRU", "MACs a chunk", "no streaming form", "512 kbit/s as float16"):
        assert part in result.stdout
    cost = Cost.model_validate_json(out.read_text(encoding="utf-8"))
    bins = 2 * 97
    for name, hidden, hint in (("small", 32, 0), ("device", 32, 256), ("large", 256, 0)):
        by_hand = 3 * hidden * (bins + hint + hidden) + hidden * bins
        assert cost.models[name].value("macs_per_chunk") == by_hand
    assert not cost.matched.matched
    assert "not matched: the device part costs 1.88 x the small model" in result.stdout


@pytest.mark.parametrize(
    "name", ["passthrough", pytest.param("wiener", marks=pytest.mark.long), "oracle"]
)
def test_the_example_triples(name: str, example: Example, tmp_path: Path) -> None:
    result = profile(example(name), "--json", tmp_path / "cost.json")
    assert result.exit_code == 0, result.output
    cost = json.loads((tmp_path / "cost.json").read_text(encoding="utf-8"))
    streams = cost["models"]["device"]["figures"]["chunk_ms_p99"]["value"] is not None
    assert streams == (name != "oracle")
    assert ("(oracle: a bound, does not rank)" in result.stdout) == (name == "oracle")
    if name == "wiener":
        # Chunk after chunk: an FFT of 192 real samples there and back, at two ears.
        assert cost["models"]["small"]["figures"]["fft_flops_per_chunk"]["value"] == pytest.approx(
            2 * 2 * 2.5 * 192 * 7.585, rel=1e-4
        )
        assert cost["models"]["large"]["figures"]["state_bytes"]["value"] > 4 * 2 * 97 * 156


@pytest.mark.parametrize("task", ["separation", "target_speech"])
def test_a_file_for_several_tasks(task: str, example: Example) -> None:
    result = profile(example("passthrough"), "--task", task)
    assert result.exit_code == 0, result.output
    assert task in result.stdout


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    asks = write(tmp_path, GOOD.replace("triple()", "triple(task)"))
    assert "needs a task, one of separation" in complaint(profile(asks))
    assert profile(asks, "--task", "dance").exit_code == 2
    wrong = write(tmp_path, GOOD)
    assert "a triple for enhancement" in complaint(profile(wrong, "--task", "separation"))
    assert "large returned estimates alone, expected (estimates, hints" in complaint(profile(wrong))
    assert "no such file" in complaint(profile(tmp_path / "nowhere.py"))


def test_a_json_file_that_cannot_be_written_is_one_line(tmp_path: Path, example: Example) -> None:
    result = profile(example("passthrough"), "--json", tmp_path / "no" / "cost.json")
    assert result.exit_code == 2
    assert "cost.json: cannot be written (No such file" in result.stderr.splitlines()[-1]
