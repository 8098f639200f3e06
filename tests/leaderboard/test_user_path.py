"""A user's path: evaluate, submit, validate, and somebody else runs it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import kbbench.leaderboard.validate
from kbbench.audit import audit_triple
from kbbench.cli import main
from kbbench.cost import profile_triple
from kbbench.evaluation import Beforehand, evaluate, prepare
from kbbench.leaderboard import rank, read_submission
from kbbench.leaderboard.sound import mp3
from kbbench.scenes.dataset import Dataset
from kbbench.units import OFFICIAL_DELAYS
from tests.audit.confusion import QUICK
from tests.conftest import tiny_recipe

MODEL = """
import torch
from kbbench.models import Boosted, Triple

def device(mixture, **given):
    return LEVEL * mixture[:, None]

def remote(mixture, *, enrollment=None):
    return 0.9 * mixture[:, None], mixture[:, 0, ::128, None]

def triple():
    return Triple("mine", "enhancement", device, remote, Boosted(device, remote), lookahead=0)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "mine.py"
    path.write_text(MODEL.replace("LEVEL", "0.8"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_dataset: Callable[[str], Dataset],
    model: Path,
) -> Path:
    """A run over all delays, audited and priced."""
    out = tmp_path_factory.mktemp("run") / "mine"
    run = prepare(model, tiny_dataset("enhancement").folder, "test", OFFICIAL_DELAYS)
    cost = profile_triple(run.loaded, seconds=0.2)
    before = Beforehand(audit_triple(run.loaded, OFFICIAL_DELAYS, QUICK), cost)
    evaluate(run, out, 1, 2, before=before)
    return out


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny set is the recipe's own."""
    tiny = tiny_recipe("enhancement")
    monkeypatch.setattr(kbbench.leaderboard.validate, "OFFICIAL_DATA", {})
    monkeypatch.setattr(kbbench.leaderboard.validate, "load_recipe", lambda name: tiny)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def submit(run: Path, out: Path, *more: object) -> Result:
    return call("submit", run, "--name", "Mine", "--contact", "me@example.org", "--out", out, *more)


@pytest.mark.usefixtures("official")
def test_submit_validate_reproduce(
    finished: Path, tmp_path: Path, model: Path, tiny_dataset: Callable[[str], Dataset]
) -> None:
    data = tiny_dataset("enhancement").folder
    card, out, again = tmp_path / "card.txt", tmp_path / "all", tmp_path / "again"
    card.write_text("Quieter, that is all.", encoding="utf-8")
    result = submit(finished, out, "--card", card, "--code", "https://example.org/mine")
    assert result.exit_code == 0, result.output
    (path,) = out.iterdir()
    assert str(path) in result.stdout
    assert read_submission(path).card == "Quieter, that is all."
    assert set(read_submission(path).samples[0].signals) >= {"mixture", "boosted", "reference"}

    result = call("leaderboard", "validate", "--submissions", out)
    assert (result.exit_code, result.stdout) == (0, "1 submissions, 0 with problems\n")

    result = submit(finished, out)
    assert result.exit_code == 2
    assert "is there already" in result.stderr

    ours = ("--data", data, "--mixtures", 2, "--workers", 1, "--out", again)
    result = call("leaderboard", "reproduce", path, model, *ours)
    assert result.exit_code == 0, result.output
    assert "reproduced: 0 of " in result.stdout
    assert "the same model" in result.stdout
    kept = json.loads((again / path.name).read_text())
    assert kept["submission_sha256"] == read_submission(path).sha256
    assert (kept["off"], kept["same_model"], len(kept["mixtures"])) == (0, True, 2)
    assert kept["differences"]["si_sdr"] <= 0.001

    louder = tmp_path / "mine.py"
    louder.write_text(MODEL.replace("LEVEL", "0.2"), encoding="utf-8")
    result = call("leaderboard", "reproduce", path, louder, *ours)
    assert result.exit_code == 1
    assert "not reproduced" in result.stdout
    assert "another model" in result.stdout
    assert json.loads((again / path.name).read_text())["off"] > 0

    result = call("leaderboard", "reproduce", path, model, *ours[:2], "--mixtures", 9)
    assert result.exit_code == 2
    assert "9 mixtures to run again, expected 1 to 3" in result.stderr


@pytest.mark.usefixtures("official")
def test_a_tampered_file_is_named_with_what_is_wrong(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "all"
    assert submit(finished, out).exit_code == 0
    (path,) = out.iterdir()
    fields = json.loads(path.read_text())
    fields["summary"]["conditions"][3]["figures"]["si_sdr_i"]["value"] += 1
    path.write_text(json.dumps(fields))
    result = call("leaderboard", "validate", path, "--submissions", out)
    assert result.exit_code == 1
    assert f"{path.name}: arithmetic: boosted@0: si_sdr_i: value" in result.stderr
    assert result.stdout == "1 submissions, 1 with problems\n"


def test_other_data_than_the_recipe_s_is_refused(finished: Path, tmp_path: Path) -> None:
    result = submit(finished, tmp_path / "all")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    for text in ("does not rank", "is not mini-enhancement's", "3 mixtures, mini-enhancement has"):
        assert text in line
    assert not (tmp_path / "all").exists()


@pytest.mark.usefixtures("official")
def test_a_run_without_audit_does_not_rank(
    tmp_path: Path, model: Path, tiny_dataset: Callable[[str], Dataset]
) -> None:
    data, run = tiny_dataset("enhancement").folder, tmp_path / "run"
    evaluate(prepare(model, data, "test", OFFICIAL_DELAYS, audited=False), run, 1, 2)
    result = submit(run, tmp_path / "all")
    assert result.exit_code == 2
    assert "it was not audited (no audit.json), so it does not rank" in result.stderr


@pytest.mark.usefixtures("official")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--name", "<b>"), "--name: holds U+003C"),
        (("--contact", "x"), "--contact: has 1 characters"),
        (("--paper", "http://example.org"), "--paper: is no plain https address"),
        (("--card", "missing.txt"), "missing.txt: cannot be read"),
    ],
)
def test_odd_options_are_one_line(
    options: tuple[str, ...], message: str, finished: Path, tmp_path: Path
) -> None:
    result = submit(finished, tmp_path / "all", *options)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert message in line


def test_no_run_and_no_folder_are_one_line(tmp_path: Path) -> None:
    assert "no run there" in submit(tmp_path, tmp_path / "all").stderr
    result = call("leaderboard", "validate", "--submissions", tmp_path / "none")
    assert result.exit_code == 2
    assert "no such folder" in result.stderr


def test_sound_is_what_it_was(tmp_path: Path) -> None:
    tone = (8000 * np.sin(np.arange(32000) * 0.1)).astype(np.int16)
    path = tmp_path / "x.mp3"
    path.write_bytes(mp3(np.stack([tone, tone // 2])))
    heard, rate = soundfile.read(path)
    assert (rate, heard.shape[1]) == (16000, 2)
    middle = slice(8000, 24000)
    levels = np.sqrt((heard[middle] ** 2).mean(axis=0))
    assert path.stat().st_size < 40_000
    np.testing.assert_allclose(levels, [8000 / 32768 / 2**0.5, 4000 / 32768 / 2**0.5], rtol=0.06)


def test_submissions_of_every_format_load() -> None:
    """Written by ``fake("An old submission", mixtures=3, samples=())`` of version 0.1.0."""
    found = read_submission(Path(__file__).parent / "submission-format-1.json")
    assert (found.format, found.name, found.scores.mixtures) == (1, "An old submission", 3)
    figure = found.summary.condition("boosted@6").figures["si_sdr_i"]
    mean = found.scores.means("si_sdr")
    value = (mean["boosted@6"] - mean["mixture"]).mean()
    assert figure.value == pytest.approx(value, abs=1e-3)
    assert len(rank([found]).rows) == 1
