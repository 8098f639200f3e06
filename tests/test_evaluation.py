"""A run from files to files: reproducible, resumable, careful with folders."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kbbench.audit import Effort, audit_triple
from kbbench.channel import parse_channel
from kbbench.errors import InputError
from kbbench.evaluation import Beforehand, audited, evaluate, execute, prepare, priced
from kbbench.evaluation.batches import listened
from kbbench.metrics import METRICS
from kbbench.report.page import write_report
from kbbench.report.rows import level_text, price_text, title
from kbbench.report.terminal import show_summary
from kbbench.results import Summary
from kbbench.runner import Runner, read_batch
from kbbench.scenes.dataset import Dataset, Mixture
from kbbench.scenes.make import make_dataset
from kbbench.scenes.store import FlacFolders
from tests.conftest import tiny_recipe

Data = Callable[[str], Dataset]
Example = Callable[[str], Path]
DELAYS = (0, 6)
CONDITIONS = ["mixture", "small", "large", "boosted@0", "boosted@6"]
CONTROLS = ["boosted@off", "boosted@other-hints"]


def run(model: Path, data: Dataset, out: Path, workers: int = 1, batch_size: int = 2) -> Summary:
    prepared = prepare(model, data.folder, "test", DELAYS, audited=False)
    return evaluate(prepared, out, workers, batch_size)


@pytest.fixture(scope="module")
def oracle_run(
    tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Data, example: Example
) -> Path:
    """The oracle on the tiny separation set."""
    out = tmp_path_factory.mktemp("run") / "oracle"
    run(example("oracle"), tiny_dataset("separation"), out)
    return out


def test_there_is_one_row_a_mixture_source_channel_and_condition(oracle_run: Path) -> None:
    scores = pd.read_parquet(oracle_run / "scores.parquet")
    keys = ["mixture", "source", "channel", "condition"]
    assert len(scores) == 3 * 2 * 2 * len(CONDITIONS + CONTROLS)
    assert not scores.duplicated(keys).any()
    assert list(scores["condition"].unique()) == CONDITIONS + CONTROLS
    assert "wrong_talker" not in scores
    assert (scores["clipped_samples"] == 0).all()
    for metric in METRICS:
        assert (scores[metric].isna() == scores[f"{metric}_reason"].notna()).all()


CHEAT = """
import torch
from kbbench.models import Boosted, Triple

class Model(torch.nn.Module):
    def forward(self, mixture, *, enrollment=None, hints=None, seen_mask=None, age=None):
        return (mixture / mixture.abs().amax(-1, keepdim=True))[:, None]

class Remote(Model):
    def forward(self, mixture, *, enrollment=None):
        chunks = -(-mixture.shape[-1] // 128)
        return super().forward(mixture), torch.zeros(len(mixture), chunks, 1)

def triple():
    large = Remote()
    return Triple("peeks", "enhancement", Model(), large, Boosted(Model(), large))
"""


def test_a_model_that_looks_ahead_is_marked_wherever_it_appears(
    tmp_path: Path, tiny_dataset: Data
) -> None:
    """The maximum over the whole mixture: refused, with the sample, in files, title and page."""
    model, out = tmp_path / "peeks.py", tmp_path / "run"
    model.write_text(CHEAT, encoding="utf-8")
    run = prepare(model, tiny_dataset("enhancement").folder, "test", (6,))
    audit = audited(run, out)
    summary = evaluate(run, out, workers=1, batch_size=3, before=Beforehand(audit))
    assert summary.honesty.verdict == "refused"
    assert any("look-ahead, small" in failure for failure in summary.honesty.failures)
    assert summary.honesty.lookahead_samples["small, estimates"] is None
    assert json.loads((out / "audit.json").read_text())["verdict"] == "refused"
    assert audited(run, out) == audit
    mark = "refused by the audit, does not rank"
    assert mark in title(summary)
    page = write_report(summary, out, "nobody", Beforehand(audit)).read_text(encoding="utf-8")
    assert mark in page and "to the end" in page


KNOWS_THE_AUDIT = """
import torch
from kbbench.models import Boosted, Triple

def from_a_file(mixture):
    steps = 32768 * mixture[..., :500]
    return ((steps == steps.round()) & steps.any(-1, keepdim=True)).all(-1, keepdim=True)

class Model(torch.nn.Module):
    def forward(self, mixture, *, enrollment=None, hints=None, seen_mask=None, age=None):
        later = torch.nn.functional.pad(mixture, (0, 1000))[..., 1000:]
        return torch.where(from_a_file(mixture), mixture + 0.1 * later, mixture)[:, None]

class Remote(Model):
    def forward(self, mixture, *, enrollment=None):
        chunks = -(-mixture.shape[-1] // 128)
        return mixture[:, None], torch.zeros(len(mixture), chunks, 1)

def triple():
    large = Remote()
    return Triple("knows", "enhancement", Model(), large, Boosted(Model(), large))
"""


def test_a_model_that_knows_the_audit_s_own_sounds_is_audited_on_the_data(
    tmp_path: Path, tiny_dataset: Data
) -> None:
    """Samples of a file are whole steps of 16 bits: there it peeks, elsewhere it keeps still."""
    model = tmp_path / "knows.py"
    model.write_text(KNOWS_THE_AUDIT, encoding="utf-8")
    run = prepare(model, tiny_dataset("enhancement").folder, "test", (6,))
    audit = audited(run, tmp_path / "run")
    assert audit is not None and audit.verdict == "refused"
    peeked = {item.part: item.samples for item in audit.lookahead if item.output == "estimates"}
    assert peeked["small"] is not None and peeked["small"] > 64
    little = Effort(seconds=0.5, longer_s=1.0, rows=4, rounds=2, longest_s=1.0)
    assert audit_triple(run.loaded, (6,), little).verdict == "honest"


def test_a_device_that_is_simply_bigger_is_marked_wherever_it_appears(
    tmp_path: Path, tiny_dataset: Data
) -> None:
    """The README's triple: its device part also reads hints, 1.88 times the small one's MACs."""
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    model, out = tmp_path / "gru.py", tmp_path / "run"
    model.write_text(code, encoding="utf-8")
    run = prepare(model, tiny_dataset("enhancement").folder, "test", (6,), audited=False)
    cost = priced(run, out)
    summary = evaluate(run, out, workers=1, batch_size=3, before=Beforehand(cost=cost))
    assert summary.price is not None and summary.price.matched.factor == pytest.approx(
        1.88, abs=0.01
    )
    assert priced(run, out) == cost
    mark = "cost not matched: the device part costs 1.88 x the small model"
    page = write_report(summary, out, "nobody", Beforehand(cost=cost)).read_text(encoding="utf-8")
    assert mark in title(summary) and mark in page and "chunk time p95, ms" in page
    assert "boosted device" in price_text(summary)


UPSIDE_DOWN = """
import torch
from kbbench.models import Boosted, Triple

class Model(torch.nn.Module):
    def __init__(self, right_ear):
        super().__init__()
        self.ears = torch.tensor([1.0, right_ear])[:, None]

    def forward(self, mixture, *, enrollment=None, hints=None, seen_mask=None, age=None):
        return (mixture * self.ears)[:, None]

class Remote(Model):
    def forward(self, mixture, *, enrollment=None):
        chunks = -(-mixture.shape[-1] // 128)
        return super().forward(mixture), torch.zeros(len(mixture), chunks, 1)

def triple():
    large = Remote(1.0)
    return Triple("upside down", "enhancement", Model(-1.0), large, Boosted(Model(0.1), large))
"""


def test_an_ear_that_si_sdr_does_not_hear_is_told(
    tmp_path: Path, tiny_dataset: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    """An ear of the small one is inverted, of the boosted one 20 dB down: all score alike."""
    model, out = tmp_path / "down.py", tmp_path / "run"
    model.write_text(UPSIDE_DOWN, encoding="utf-8")
    summary = run(model, tiny_dataset("enhancement"), out)
    scored = {item.condition: item.figures["si_sdr"].value for item in summary.conditions}
    assert scored["small"] == pytest.approx(scored["large"], abs=1e-4)
    told = level_text(summary)
    assert "small by " in told and "boosted@6 by " in told and "large" not in told
    show_summary(summary)
    assert told in capsys.readouterr().out
    assert told in write_report(summary, out, "nobody").read_text(encoding="utf-8")


def test_estimates_at_their_level_are_not_told(oracle_run: Path) -> None:
    summary = Summary.model_validate_json((oracle_run / "summary.json").read_text())
    assert level_text(summary) == ""
    assert "upside down" not in write_report(summary, oracle_run, "nobody").read_text()


def test_a_run_without_audit_says_so(tmp_path: Path, tiny_dataset: Data, example: Example) -> None:
    summary = run(example("passthrough"), tiny_dataset("enhancement"), tmp_path / "run")
    assert summary.honesty.verdict == "skipped"
    assert "not audited, does not rank" in title(summary)
    assert not (tmp_path / "run" / "audit.json").exists()


def test_an_oracle_is_marked_as_one_audited_or_not(oracle_run: Path) -> None:
    summary = Summary.model_validate_json((oracle_run / "summary.json").read_text())
    assert summary.honesty.verdict == "oracle"
    assert "oracle: a bound, does not rank" in title(summary)


def test_the_summary_breaks_the_improvement_down(oracle_run: Path) -> None:
    scores = pd.read_parquet(oracle_run / "scores.parquet")
    summary = Summary.model_validate_json((oracle_run / "summary.json").read_text())
    assert {group.fact for group in summary.breakdowns} >= {"sir_db", "rt60_s", "angle_deg"}
    for fact in {group.fact for group in summary.breakdowns}:
        groups = [group for group in summary.breakdowns if group.fact == fact]
        assert sum(group.mixtures for group in groups) == scores["mixture"].nunique()
        for group in groups:
            assert list(group.figures) == ["small", "large", "boosted@6"]


def test_the_summary_follows_from_the_rows(oracle_run: Path) -> None:
    scores = pd.read_parquet(oracle_run / "scores.parquet")
    summary = Summary.model_validate_json((oracle_run / "summary.json").read_text())
    mean = scores.groupby("condition")["si_sdr_i"].mean()
    for name in CONDITIONS[1:]:
        figure = summary.condition(name).figures["si_sdr_i"]
        assert figure.value == pytest.approx(mean[name], abs=1e-6)
        assert figure.planned == figure.scored == 12
    gap = (mean["boosted@6"] - mean["small"]) / (mean["large"] - mean["small"])
    assert summary.gap_closed["boosted@6"].value == pytest.approx(gap, abs=1e-5)
    assert summary.headline_condition == "boosted@6"


def test_the_oracle_s_gap_falls_with_delay(oracle_run: Path) -> None:
    gaps = Summary.model_validate_json((oracle_run / "summary.json").read_text()).gap_closed
    assert gaps["boosted@0"].value == pytest.approx(1.0, abs=0.02)
    assert gaps["boosted@6"].value is not None
    assert gaps["boosted@6"].value < 0.9
    assert gaps["boosted@off"].value == pytest.approx(0.0, abs=0.05)


def test_batch_size_and_overlap_change_no_score(
    tmp_path: Path, example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five mixtures in batches of 2 and 3, or of 5; models in each process, or in this one."""
    recipe = tiny_recipe("enhancement")
    counts = recipe.splits.model_copy(update={"test": 5})
    recipe = recipe.model_copy(update={"duration_s": 1.0, "splits": counts})
    data = make_dataset(recipe, tmp_path / "data", workers=1)
    run(example("oracle"), data, tmp_path / "a", batch_size=2)
    run(example("oracle"), data, tmp_path / "b", batch_size=6)
    monkeypatch.setattr(execute, "OVERLAPPED", ("cpu",))
    run(example("oracle"), data, tmp_path / "c", batch_size=2)
    first, *others = (pd.read_parquet(tmp_path / name / "scores.parquet") for name in "abc")
    for again in others:
        # Batches of another size may differ in the last bits of float32.
        pd.testing.assert_frame_equal(again, first, check_exact=False, atol=1e-4)
    texts = [(tmp_path / name / "summary.json").read_text() for name in "ac"]
    assert texts[0] == texts[1]


def test_two_runs_give_the_same_summary_to_the_letter(
    oracle_run: Path, tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    run(example("oracle"), tiny_dataset("separation"), tmp_path / "b", workers=2)
    assert (tmp_path / "b/summary.json").read_text() == (oracle_run / "summary.json").read_text()
    folders = (oracle_run, tmp_path / "b")
    first, second = (pd.read_parquet(folder / "scores.parquet") for folder in folders)
    pd.testing.assert_frame_equal(first, second, check_exact=False, atol=1e-9, rtol=0)


def test_channels_are_run_beside_the_delays(
    oracle_run: Path, tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    (tmp_path / "t.csv").write_text("time_ms,rtt_ms\n0,48\n5,44\n")
    texts = [
        "jitter:mean_ms=48,std_ms=16",
        f"trace:file={tmp_path / 't.csv'}",
        "fixed:delay_chunks=3",
    ]
    texts += ["gilbert-elliott:to_bad=0.1,to_good=0.2", "off"]
    channels = [parse_channel(text) for text in texts]
    data = tiny_dataset("separation")
    prepared = prepare(example("oracle"), data.folder, "test", DELAYS, channels, audited=False)
    summary = evaluate(prepared, tmp_path / "run", workers=1, batch_size=2)
    names = ["jitter:mean_ms=48,std_ms=16", "trace:file=t.csv"]
    names = ["3", "6", *names, "gilbert-elliott:to_bad=0.1,to_good=0.2", "off", "other-hints"]
    conditions = [item.condition for item in summary.conditions]
    assert conditions == [*CONDITIONS[:4], *(f"boosted@{name}" for name in names)]
    # Hints that come in time to the chunk are those of a fixed delay, to the last bit.
    traced, fixed = (summary.condition(f"boosted@{name}") for name in ("trace:file=t.csv", "6"))
    assert traced.figures == fixed.figures
    assert (traced.delay_chunks, fixed.delay_chunks) == (None, 6)
    for item, mean, high, share in (
        (fixed, 6.0, 6, (250 - 6) / 250),
        (traced, 6.0, 6, (250 - 6) / 250),
        (summary.condition("boosted@0"), 0.0, 0, 1.0),
        (summary.condition("boosted@off"), None, None, 0.0),
    ):
        assert item.link is not None
        assert (item.link.age_mean_chunks, item.link.age_p95_chunks) == (mean, high)
        assert item.link.delivered_share == pytest.approx(share)
    jittered, lossy = (summary.condition(f"boosted@{name}").link for name in (names[2], names[4]))
    assert jittered is not None and lossy is not None
    schedules = [channels[0].seen_by(f"test/{n:05d}", 250) for n in range(3)]
    ages = np.concatenate([(np.arange(250) - seen)[seen >= 0] for seen in schedules])
    assert jittered.age_mean_ms == pytest.approx(8 * ages.mean())
    assert jittered.model_delay_chunks == channels[0].delay_chunks
    assert lossy.age_mean_chunks is not None and lossy.age_mean_chunks > 6
    assert lossy.delivered_share == pytest.approx(2 / 3, abs=0.15)
    assert summary.condition("small").link is None
    # Nothing else has changed for the others.
    before = Summary.model_validate_json((oracle_run / "summary.json").read_text())
    assert before.condition("boosted@6") == fixed


def test_a_run_is_named_by_all_that_its_channels_are(
    tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    data = tiny_dataset("separation").folder

    def name(*channels: str) -> str:
        parsed = [parse_channel(text) for text in channels]
        return prepare(example("oracle"), data, "test", DELAYS, parsed).sha256

    trace = tmp_path / "t.csv"
    text = f"trace:file={trace}"
    trace.write_text("time_ms,rtt_ms\n0,24\n")
    first = name(text)
    assert name(text) == first
    trace.write_text("time_ms,rtt_ms\n0,25\n")
    names = {first, name(text), name(text + ",remote_ms=1"), name()}
    names |= {name("jitter:mean_ms=24,std_ms=8"), name("jitter:mean_ms=24,std_ms=9")}
    assert len(names) == 6
    assert name("off") == name()
    with pytest.raises(InputError, match=r"--channel trace:file=t.csv: given twice, or two files"):
        name(text, text)


def test_a_boosted_for_each_delay_is_asked_for_the_typical_one(
    tmp_path: Path, tiny_dataset: Data
) -> None:
    model = tmp_path / "model.py"
    model.write_text(
        "from kbbench.models import Boosted, Triple\n"
        "def large(mixture, *, enrollment=None):\n"
        "    return mixture[:, None], mixture[:, 0, ::128, None]\n"
        "def small(mixture, **kwargs):\n"
        "    return mixture[:, None]\n"
        "asked = []\n"
        "def boosted(delay):\n"
        "    asked.append(delay)\n"
        "    return Boosted(small, large)\n"
        "def triple():\n"
        "    return Triple('t', 'enhancement', small, large, boosted)\n"
    )
    channel = parse_channel("jitter:mean_ms=100,std_ms=20")
    prepared = prepare(
        model, tiny_dataset("enhancement").folder, "test", (), [channel], audited=False
    )
    assert prepared.identity["weights_sha256"]
    condition = next(c for c in prepared.conditions if c.channel is channel)
    (_, _), *_ = Runner(prepared.loaded).run(read_batch(prepared.mixtures), [condition])
    asked = prepared.loaded.triple.boosted.__globals__["asked"]
    assert asked == [0, channel.delay_chunks]
    assert 8 < channel.delay_chunks < 13


@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_passthrough_improves_nothing(
    task: str, tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    summary = run(example("passthrough"), tiny_dataset(task), tmp_path / "run")
    for name in ("small", "large", "boosted@6"):
        assert summary.condition(name).figures["si_sdr_i"].value == pytest.approx(0.0, abs=1e-4)
    rate = summary.condition("small").figures.get("wrong_talker")
    assert (rate is not None) == (task == "target_speech")
    assert summary.gap_closed["boosted@6"].value is None
    assert "no gap to close" in (summary.gap_closed["boosted@6"].reason or "")


def test_the_louder_talker_of_an_unprocessed_mixture_is_the_nearer(
    tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    data = tiny_dataset("target_speech")
    summary = run(example("passthrough"), data, tmp_path / "run")
    scores = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    wrong = scores[scores["condition"] == "small"].groupby("mixture")["wrong_talker"].mean()
    sir_db = {row["id"]: row["sir_db"] for row in data.iter_rows("test")}
    clear = [name for name, ratio in sir_db.items() if abs(ratio) > 0.5]
    assert clear
    assert [wrong[name] for name in clear] == [float(sir_db[name] < 0) for name in clear]
    figure = summary.condition("small").figures["wrong_talker"]
    assert figure.value == pytest.approx(wrong.mean(), abs=1e-6)
    assert (figure.planned, figure.scored) == (3, 3)


def test_a_killed_run_carries_on_to_the_same_summary(
    tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    data, out = tiny_dataset("enhancement"), tmp_path / "killed"
    prepared = prepare(example("oracle"), data.folder, "test", DELAYS, audited=False)
    before = Beforehand(cost=priced(prepared, tmp_path / "whole"))
    evaluate(prepared, tmp_path / "whole", workers=1, batch_size=2, before=before)
    command = [sys.executable, "-m", "kbbench", "evaluate", str(example("oracle")), "--skip-audit"]
    command += ["--data", str(data.folder), "--out", str(out)]
    command += ["--delays", "0,6", "--batch-size", "2", "--workers", "1"]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(out.glob("parts/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, "the run ended before it was killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert json.loads((out / "run.json").read_text())["complete"] is False
    kept = {path: path.stat().st_mtime_ns for path in out.glob("parts/*.json")}
    assert kept
    subprocess.run(command, check=True, capture_output=True)
    assert (out / "summary.json").read_text() == (tmp_path / "whole" / "summary.json").read_text()
    assert json.loads((out / "run.json").read_text())["complete"] is True
    assert not (out / "parts").exists()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_an_interrupted_run_says_so_and_carries_on(
    workers: int, oracle_run: Path, tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    out = tmp_path / "interrupted"
    command = [sys.executable, "-m", "kbbench", "evaluate", str(example("oracle")), "--skip-audit"]
    command += ["--data", str(tiny_dataset("separation").folder), "--out", str(out)]
    command += ["--delays", "0,6", "--batch-size", "1", "--workers", str(workers)]
    process = subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.PIPE, text=True, stdout=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not (out / "run.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process gets it
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; the same command carries on from here"
    assert "Traceback" not in errors
    told = json.loads((out / "run.json").read_text())
    done = len(list(out.glob("parts/*.json")))
    assert (told["complete"], told["mixtures_planned"], told["mixtures_done"]) == (False, 3, done)
    assert done < 3
    subprocess.run(command, check=True, capture_output=True)
    told = json.loads((out / "run.json").read_text())
    assert (told["complete"], told["mixtures_done"]) == (True, 3)
    again = Summary.model_validate_json((out / "summary.json").read_text())
    before = Summary.model_validate_json((oracle_run / "summary.json").read_text())
    # Batches of another size may differ in the last bits of float32.
    assert again.run_sha256 == before.run_sha256
    assert again.gap_closed["boosted@6"].value == pytest.approx(
        before.gap_closed["boosted@6"].value, abs=1e-4
    )


def test_evaluating_again_changes_no_figure(
    oracle_run: Path, tiny_dataset: Data, example: Example
) -> None:
    before = (oracle_run / "summary.json").read_bytes()
    stamp = (oracle_run / "scores.parquet").stat().st_mtime_ns
    run(example("oracle"), tiny_dataset("separation"), oracle_run)
    assert (oracle_run / "summary.json").read_bytes() == before
    assert (oracle_run / "scores.parquet").stat().st_mtime_ns == stamp


def test_a_folder_of_another_run_is_left_alone(
    oracle_run: Path, tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    before = (oracle_run / "summary.json").read_bytes()
    with pytest.raises(InputError, match="holds another run"):
        run(example("passthrough"), tiny_dataset("separation"), oracle_run)
    assert (oracle_run / "summary.json").read_bytes() == before
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and no kbbench run"):
        run(example("passthrough"), tiny_dataset("separation"), tmp_path)
    with pytest.raises(InputError, match="a file, expected a new or empty folder"):
        run(example("passthrough"), tiny_dataset("separation"), tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_damaged_data_stops_the_run_with_the_mixture_s_name(
    tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    import shutil

    copy = tmp_path / "data"
    shutil.copytree(tiny_dataset("enhancement").folder, copy)
    victim = copy / "test/00002/mixture.flac"
    victim.write_bytes((copy / "test/00001/mixture.flac").read_bytes())
    with pytest.raises(InputError, match=r"test/00002: mixture.flac does not match its hash"):
        run(example("passthrough"), Dataset.open(copy), tmp_path / "run")
    intact = run(example("passthrough"), tiny_dataset("enhancement"), tmp_path / "intact")
    assert intact.data.mixtures == 3  # in the same process: the damaged folder is not read again


def test_an_empty_split_is_refused(tmp_path: Path, example: Example) -> None:
    from kbbench.scenes.make import make_dataset
    from tests.conftest import tiny_recipe

    recipe = tiny_recipe("enhancement")
    counts = recipe.splits.model_copy(update={"train": 0, "validation": 1, "test": 0})
    data = make_dataset(recipe.model_copy(update={"splits": counts}), tmp_path / "d", workers=1)
    with pytest.raises(InputError, match="no mixture in split test"):
        prepare(example("passthrough"), data.folder, "test", DELAYS)


@pytest.mark.long
def test_ten_kills_end_in_the_same_summary(
    tmp_path: Path, tiny_dataset: Data, example: Example
) -> None:
    """SIGKILL at random moments of loading, running, scoring and writing."""
    data = tiny_dataset("enhancement").folder
    command = [sys.executable, "-m", "kbbench", "evaluate", str(example("passthrough"))]
    command += ["--data", str(data), "--split", "test", "--batch-size", "1", "--skip-audit"]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    rng = np.random.default_rng(10)
    kills = 0
    while kills < 10:
        process = subprocess.Popen(
            [*command, "--out", str(tmp_path / "killed")],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(timeout=float(rng.uniform(2.0, 14.0)))
            shutil.rmtree(tmp_path / "killed")  # It was done before it could be killed.
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    subprocess.run([*command, "--out", str(tmp_path / "killed")], check=True, capture_output=True)
    for name in ("summary.json", "scores.parquet"):
        whole, killed = ((tmp_path / run / name).read_bytes() for run in ("whole", "killed"))
        assert whole == killed


def test_sound_that_may_not_be_published_is_not_kept(tmp_path: Path) -> None:
    """Voices of babble are under another licence than those they would be mixed with."""
    kinds = ["babble", None, "rain", "babble", "wind", "rain", "babble"]
    store = FlacFolders(tmp_path)
    mixtures = [
        Mixture(f"test/{number:05d}", store, {"noise_kind": kind})
        for number, kind in enumerate(kinds)
    ]
    assert listened(mixtures) == {1, 4, 5}
    assert len(listened(mixtures[:1] * 5)) == 3
    assert listened(mixtures[1:2]) == {0}
