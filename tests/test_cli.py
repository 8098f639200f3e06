"""The command line as a user meets it: what it prints, and one line for each mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from kbbench.cli import main
from kbbench.scenes.dataset import Dataset
from tests.models.test_loading import GOOD

Data = Callable[[str], Dataset]
Example = Callable[[str], Path]


def kbbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def complaint(result: Result) -> str:
    """The one line of an error."""
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def evaluate(model: Path, data: Path, out: Path, *more: object) -> Result:
    return kbbench(
        "evaluate",
        model,
        "--data",
        data,
        "--out",
        out,
        "--delays",
        "6",
        "--workers",
        1,
        "--skip-audit",
        *more,
    )


def test_recipes_are_listed() -> None:
    result = kbbench("recipes")
    assert result.exit_code == 0
    for name in ("mini-separation", "mini-target-speech", "mini-enhancement"):
        assert name in result.stdout


def test_evaluate_prints_a_table_and_writes_a_page(
    tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    data = tiny_dataset("enhancement").folder
    result = evaluate(example("oracle"), data, tmp_path / "run")
    assert result.exit_code == 0, result.output
    for text in ("boosted@6", "48 ms", "ideal link", "oracle: a bound", "hints of another mixture"):
        assert text in " ".join(result.stdout.split()), text
    for name in ("summary.json", "scores.parquet", "improvement.svg", "report.html"):
        assert (tmp_path / "run" / name).is_file()


def test_an_unknown_recipe_or_key_is_one_line(tmp_path: Path) -> None:
    out = tmp_path / "data"
    line = complaint(kbbench("make-data", "mini-seperation", "--out", out))
    assert "did you mean mini-separation" in line
    (tmp_path / "r.toml").write_text('colour = "red"')
    line = complaint(kbbench("make-data", tmp_path / "r.toml", "--out", out))
    assert "colour: unknown key" in line
    assert not out.exists()


def test_a_folder_of_something_else_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    line = complaint(kbbench("make-data", "mini-separation", "--out", tmp_path))
    assert "not empty and no kbbench dataset" in line
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("delays", ["six", "0-", "6-0", "-1", "0-6000", "1.5", ""])
def test_delays_that_are_no_numbers_are_one_line(delays: str, tmp_path: Path) -> None:
    result = kbbench(
        "evaluate", "m.py", "--data", tmp_path, "--out", tmp_path / "o", "--delays", delays
    )
    line = complaint(result)
    assert repr(delays) in line
    assert "expected" in line


def test_a_channel_is_a_row_of_its_own(
    tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    data = tiny_dataset("enhancement").folder
    result = evaluate(
        example("passthrough"), data, tmp_path / "run", "--channel", "jitter:std_ms=8,mean_ms=24"
    )
    assert result.exit_code == 0, result.output
    table = " ".join(result.stdout.split())
    for text in ("hint age ms", "delivered"):
        assert text in table, text
    assert "boosted@jitter:mean_ms=24,std_ms=8" in (tmp_path / "run/report.html").read_text()


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ("jiter:mean_ms=24", "did you mean jitter?"),
        ("jitter:mean_ms=24", "std_ms missing"),
        ("trace:file=none.csv", "none.csv: "),
    ],
)
def test_a_channel_that_is_none_is_one_line(
    channel: str, message: str, tmp_path: Path, example: Example
) -> None:
    line = complaint(
        evaluate(example("passthrough"), tmp_path, tmp_path / "run", "--channel", channel)
    )
    assert message in line


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_a_gpu_that_is_not_here_is_one_line(tmp_path: Path, example: Example) -> None:
    out = tmp_path / "run"
    line = complaint(evaluate(example("passthrough"), tmp_path, out, "--device", "cuda"))
    assert "finds no CUDA device here; take --device cpu" in line


BROKEN = {
    "no triple": ("x = 1", "no function triple()"),
    "raises": (
        GOOD.replace("return self.gain * mixture[:, None]", "raise RuntimeError('boom')"),
        "small raised RuntimeError on mixture test/00000: boom; --verbose shows where",
    ),
    "shape": (
        GOOD.replace("mixture[:, None]", "mixture[:, None, :, :-3]"),
        "small returned (3, 1, 2, 31997) for mixture test/00000, expected (batch, sources, "
        "channels, samples) = (3, 1, 2, 32000)",
    ),
    "nan": (GOOD.replace("0.5)", "float('nan'))"), "output of small for mixture test/00000 is nan"),
    "no hints": (GOOD, "returned estimates alone, expected (estimates, hints (B, K, ...))"),
    "other task": (GOOD.replace('"enhancement"', '"separation"'), "the data is for enhancement"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_model_is_one_line(name: str, tmp_path: Path, tiny_dataset: Data) -> None:
    text, message = BROKEN[name]
    model = tmp_path / "model.py"
    model.write_text(text)
    out = tmp_path / "run"
    line = complaint(evaluate(model, tiny_dataset("enhancement").folder, out))
    assert message in line
    assert str(model) in line
    assert not out.exists()


def test_verbose_shows_where_a_model_raised(tmp_path: Path, tiny_dataset: Data) -> None:
    model = tmp_path / "model.py"
    model.write_text(BROKEN["raises"][0])
    data = tiny_dataset("enhancement").folder
    result = evaluate(model, data, tmp_path / "run", "--verbose")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "raise RuntimeError('boom')" in result.stderr


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_shard_that_is_none_is_one_line(shard: str, tmp_path: Path) -> None:
    line = complaint(
        kbbench("make-data", "mini-separation", "--out", tmp_path / "d", "--shard", shard)
    )
    assert f"{shard!r}: expected I/N" in line


def test_a_missing_option_is_one_line() -> None:
    assert "Missing option '--out'" in complaint(kbbench("make-data", "mini-separation"))
    assert "No such command 'evalute'" in complaint(kbbench("evalute"))


def test_data_that_is_none_is_one_line(tmp_path: Path, example: Example) -> None:
    line = complaint(evaluate(example("passthrough"), tmp_path, tmp_path / "run"))
    assert "make one with `kbbench make-data`" in line
    assert not (tmp_path / "run").exists()
