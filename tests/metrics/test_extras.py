"""Metrics that are asked for: by hand, once a reference, and named in the run."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import soundfile
import torch
from click.testing import CliRunner

from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.evaluation import prepare
from kbbench.metrics import Extras, score_source
from kbbench.metrics.extras import dnsmos, speaker_similarity, word_error_rate
from kbbench.results import Summary
from kbbench.scenes.dataset import Dataset

Make = Callable[..., torch.Tensor]
LOUD = '''
import numpy as np

calls = []

def recognize(samples, sample_rate):
    """A word each tenth of a second: how loud it is."""
    assert samples.dtype == np.float32 and samples.ndim == 1
    calls.append(sample_rate)
    with open(__file__ + ".calls", "a") as file:
        file.write("x")
    parts = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)
    levels = np.sqrt(np.square(parts).mean(1))
    return " ".join("loud" if level > 0.05 else "low" for level in levels)
'''


@pytest.fixture
def recognizer(tmp_path: Path) -> Path:
    file = tmp_path / "recognizer.py"
    file.write_text(LOUD, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("heard", "errors"),
    [
        ("a b c d", 0),
        ("A b C d", 0),
        ("a x c d", 1),
        ("a c d", 1),
        ("a b b c d", 1),
        ("", 4),
        ("b c d a", 2),
        ("x y z w v u", 6),
    ],
)
def test_words_wrong_over_words_said(heard: str, errors: int) -> None:
    assert word_error_rate(heard, "a b c d") == errors / 4


def test_nothing_said_has_no_rate() -> None:
    with pytest.raises(ValueError, match="hears no word in the reference"):
        word_error_rate("a", " ")


def test_the_recognizer_hears_each_reference_once(
    recognizer: Path, speech: torch.Tensor, signal: Make
) -> None:
    both = torch.stack([speech, speech]).float()
    loud = both.clone()
    loud[1, 1600:4800] = 0.5  # two words of thirty
    extras = Extras(recognizer=recognizer)
    found = score_source([both, loud], both, metrics=extras.metrics)
    before = [
        "loud" if bool(part.square().mean().sqrt() > 0.05) else "low"
        for part in both[1].reshape(-1, 1600)
    ]
    changed = sum(word == "low" for word in before[1:3])
    assert [[ear["wer"].value for ear in ears] for ears in found] == [
        [0.0, 0.0],
        [0.0, pytest.approx(changed / 30)],
    ]
    assert changed
    calls = Path(f"{recognizer}.calls").read_text()
    assert len(calls) == 2 + 4


def test_a_recognizer_that_raises_costs_its_own_score_alone(tmp_path: Path, signal: Make) -> None:
    file = tmp_path / "bad.py"
    file.write_text("def recognize(samples, rate):\n    raise OSError('no model')\n")
    both = 0.1 * signal(2, 4000)
    metrics = {**Extras(recognizer=file).metrics}
    (ears,) = score_source([both], both, metrics=metrics)
    assert ears[0]["wer"].reason == "WER raised OSError: no model"


def test_what_is_not_there_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="no such file; expected one that defines recognize"):
        Extras(recognizer=tmp_path / "none.py").check()
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(InputError, match="no function recognize"):
        Extras(recognizer=tmp_path / "empty.py").check()
    (tmp_path / "raises.py").write_text("1 / 0\n")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        Extras(recognizer=tmp_path / "raises.py").check()
    packages = {"dnsmos": ("metrics", ("no-such-package",))}
    monkeypatch.setattr("kbbench.metrics.extras.PACKAGES", packages)
    with pytest.raises(InputError, match=r"needs the package no-such-package; pip install"):
        Extras(("dnsmos",)).check()


def test_a_run_is_named_by_its_recognizer_and_scores_it(
    recognizer: Path,
    tmp_path: Path,
    tiny_dataset: Callable[[str], Dataset],
    example: Callable[[str], Path],
) -> None:
    data, model = tiny_dataset("enhancement").folder, example("passthrough")

    def name(extras: Extras | None) -> str:
        return prepare(model, data, "test", (6,), audited=False, extras=extras).sha256

    names = {name(None), name(Extras(recognizer=recognizer))}
    other = tmp_path / "other.py"
    other.write_text(LOUD.replace("0.05", "0.06"))
    assert len(names | {name(Extras(recognizer=other))}) == 3
    assert name(None) == name(Extras())
    command = ["evaluate", str(model), "--data", str(data), "--out", str(tmp_path / "run")]
    command += ["--delays", "6", "--workers", "1", "--skip-audit", "--recognizer", str(recognizer)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    summary = Summary.model_validate_json((tmp_path / "run/summary.json").read_text())
    figure = summary.condition("small").figures["wer"]
    scores = pd.read_parquet(tmp_path / "run/scores.parquet")
    assert figure.value is not None and figure.value > 0
    assert (figure.planned, figure.scored) == (6, int((scores["condition"] == "small").sum()))
    assert "WER ↓" in (tmp_path / "run/report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_voice_is_more_like_itself_than_like_another(shared: Path) -> None:
    for package in ("resemblyzer", "webrtcvad"):
        if find_spec(package) is None:
            pytest.skip(f"no {package} here: pip install kbbench[speaker]")
    Extras(("speaker_similarity",)).check()
    folder = shared / "speech" / "librispeech_test-other"
    talkers = sorted(path for path in folder.iterdir() if path.is_dir())[:2]
    first, again, other = (
        torch.from_numpy(soundfile.read(sorted(talker.iterdir())[place], dtype="float32")[0])
        for talker, place in ((talkers[0], 0), (talkers[0], 1), (talkers[1], 0))
    )
    same, different = speaker_similarity(again, first), speaker_similarity(other, first)
    assert different + 0.1 < same < 1
    assert speaker_similarity(first, first) == pytest.approx(1, abs=1e-5)
    assert speaker_similarity(0.01 * again, first) == pytest.approx(same, abs=1e-4)
    with pytest.raises(ValueError, match="estimate is silent"):
        speaker_similarity(torch.zeros(16_000), first)


@pytest.mark.slow
def test_dnsmos_likes_speech_more_than_noise(speech: torch.Tensor, signal: Make) -> None:
    for package in ("speechmos", "onnxruntime", "librosa"):
        pytest.importorskip(package, reason=f"no {package} here: pip install kbbench[metrics]")
    Extras(("dnsmos",)).check()
    noisy = speech + 0.05 * signal(len(speech)).clamp(-3, 3)
    clean, worse = dnsmos(speech), dnsmos(noisy)
    assert 1 < worse < clean - 0.3 < 5
    with pytest.raises(ValueError, match="estimate is silent"):
        dnsmos(torch.zeros(16_000))
    with pytest.raises(ValueError, match="estimate clips"):
        dnsmos(100 * speech)
