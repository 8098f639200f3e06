"""Live from the command line: two processes, a run's folder, its replay, and its page."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from kbbench import evaluation
from kbbench.channel.recording import Recording
from kbbench.cli import main
from kbbench.live.figures import STAGES, LiveFigures
from kbbench.results import Summary
from kbbench.scenes.dataset import Dataset
from tests.live.files import Served, served, write_tiny

pytestmark = pytest.mark.long  # sockets, and seconds of real time

pytest.importorskip("websockets", reason="websockets is not installed: kbbench[live]")

Data = Callable[[str], Dataset]


def kbbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def evaluate(model: Path, data: Dataset, out: Path, *more: object) -> Result:
    """One mixture, and the cost left out: it takes a while, and other tests are about it."""
    given = ["--delays", "6", "--workers", 1, "--skip-audit", "--split", "validation"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(evaluation, "priced", lambda run, out, tell: None)
        return kbbench("evaluate", model, "--data", data.folder, "--out", out, *given, *more)


def complaint(result: Result) -> str:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def remote(model: Path) -> Iterator[Served]:
    with served(model, "--task", "enhancement") as here:
        said = "tiny (enhancement), hints [97, 4] as float16, 776 kbit/s on 127.0.0.1:"
        assert here.said.startswith(said)
        yield here


@pytest.fixture(scope="module")
def lived(
    model: Path,
    remote: Served,
    tiny_dataset: Data,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run over a lossy link, as fast as it goes."""
    out = tmp_path_factory.mktemp("run") / "live"
    address = f"127.0.0.1:{remote.port}"
    network = "custom:mean_ms=6,std_ms=3,loss=0.05"
    more = ("--live", address, "--clock", "fast", "--transport", "udp", "--network", network)
    result = evaluate(model, tiny_dataset("enhancement"), out, *more)
    assert result.exit_code == 0, result.output
    assert "live: hints are" in result.stdout and "two processes, a real link" in result.stdout
    return out


def test_a_live_run_is_one_more_condition(lived: Path) -> None:
    summary = Summary.model_validate_json((lived / "summary.json").read_text())
    live = summary.condition("boosted@live")
    assert live.link is not None and live.link.age_mean_chunks is not None
    assert 0 < live.link.delivered_share <= 1 and live.delay_chunks is None
    scores = pd.read_parquet(lived / "scores.parquet")
    assert (scores["condition"] == "boosted@live").sum() == 2
    assert not (lived / "live").exists(), "what was kept for the scores is gone"


def test_its_folder_holds_every_time_and_size(lived: Path) -> None:
    table = pd.read_parquet(lived / "live.parquet")
    recording = Recording.model_validate_json((lived / "live-trace.json").read_text())
    assert len(table) == sum(item.chunks for item in recording.mixtures.values()) == 250
    for name, item in recording.mixtures.items():
        rows = table[table["mixture"] == name].reset_index(drop=True)
        arrived = pd.Series(item.arrival) >= 0
        assert rows["arrived_ms"].notna().equals(arrived)
        assert (rows["bytes_down"] > 0).equals(arrived)
        assert rows["seen"].tolist() == recording.seen(name, item.chunks).tolist()
        parts = ["uplink_ms", "queue_ms", "remote_ms", "held_ms", "downlink_ms"]
        total = rows["sent_ms"] + rows[parts].sum(axis=1)
        assert (total - rows["arrived_ms"])[arrived].abs().max() < 0.01
    assert (table["uplink_ms"].dropna() > 0).all() and (table["downlink_ms"].dropna() > 0).all()


def test_its_figures_are_those_of_the_table(lived: Path) -> None:
    found = LiveFigures.model_validate_json((lived / "live.json").read_text())
    table = pd.read_parquet(lived / "live.parquet")
    assert set(found.stages) == set(STAGES)
    assert found.stages["remote_ms"].p50 == pytest.approx(table["remote_ms"].median(), abs=1e-3)
    used = table[table["seen"] >= 0]
    ages = used["chunk"] - used["seen"]
    assert found.stages["age_chunks"].mean == pytest.approx(ages.mean(), abs=1e-3)
    assert found.counts.chunks_without_hint == len(table) - len(used)
    assert found.traffic.bytes_up == table["bytes_up"].sum()
    assert found.traffic.kbit_per_s_up == pytest.approx(
        8 * table["bytes_up"].sum() / 2000, abs=0.01
    )
    assert found.clocks.one and found.batch == 1 and found.settings["transport"] == "udp"


def test_the_page_shows_the_waterfall_and_the_ages(lived: Path) -> None:
    page = (lived / "report.html").read_text(encoding="utf-8")
    for text in (
        "Two processes, a real link",
        "age of the hint in chunks of 8 ms",
        "ms since the first of these frames was there",
        "wait for the remote, ms",
        "Both processes share one clock.",
    ):
        assert text in page, text


def test_its_trace_replays_it_to_the_bit(
    lived: Path, model: Path, tiny_dataset: Data, tmp_path: Path
) -> None:
    out = tmp_path / "replay"
    trace = f"trace:file={lived / 'live-trace.json'}"
    result = evaluate(model, tiny_dataset("enhancement"), out, "--channel", trace)
    assert result.exit_code == 0, result.output
    said = "boosted@trace:file=live-trace.json: 1 of 1 mixtures as live, to the bit\n"
    assert said in result.stdout
    replay = json.loads((out / "replay.json").read_text())
    assert replay["links"][0]["identical"] == 1
    scores = [pd.read_parquet(folder / "scores.parquet") for folder in (lived, out)]
    names = ("boosted@live", "boosted@trace:file=live-trace.json")
    one, two = (
        table[table["condition"] == name].drop(columns="condition").reset_index(drop=True)
        for table, name in zip(scores, names, strict=True)
    )
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Two processes" not in page


def test_a_trace_of_other_data_is_refused(
    lived: Path, model: Path, tmp_path: Path, tiny_dataset: Data
) -> None:
    trace = json.loads((lived / "live-trace.json").read_text())
    trace["mixtures"]["validation/00001"] = trace["mixtures"].pop("validation/00000")
    (tmp_path / "t.json").write_text(json.dumps(trace))
    more = ("--channel", f"trace:file={tmp_path / 't.json'}")
    result = evaluate(model, tiny_dataset("enhancement"), tmp_path / "run", *more)
    assert "holds no mixture validation/00000" in complaint(result)


def test_a_replay_that_differs_says_so(
    lived: Path, model: Path, tmp_path: Path, tiny_dataset: Data
) -> None:
    trace = json.loads((lived / "live-trace.json").read_text())
    trace["mixtures"]["validation/00000"]["estimates_sha256"] = "0" * 64
    (tmp_path / "t.json").write_text(json.dumps(trace))
    more = ("--channel", f"trace:file={tmp_path / 't.json'}")
    result = evaluate(model, tiny_dataset("enhancement"), tmp_path / "run", *more)
    said = "boosted@trace:file=t.json: 0 of 1 mixtures as live, to the bit; first other one "
    assert f"{said}validation/00000" in result.stdout


def test_a_finished_run_needs_no_remote(lived: Path, model: Path, tiny_dataset: Data) -> None:
    network = "custom:mean_ms=6,std_ms=3,loss=0.05"
    more = ("--live", "127.0.0.1:1", "--clock", "fast", "--transport", "udp", "--network", network)
    result = evaluate(model, tiny_dataset("enhancement"), lived, *more)
    assert result.exit_code == 0, result.output
    result = evaluate(model, tiny_dataset("enhancement"), lived, *more[:2])
    assert "holds another run" in complaint(result)


def test_a_remote_of_another_model_is_refused_before_anything_runs(
    remote: Served, tmp_path: Path, tiny_dataset: Data
) -> None:
    other = write_tiny(tmp_path)
    other.write_text(other.read_text().replace("seeded(1,", "seeded(9,"))
    live = ("--live", f"127.0.0.1:{remote.port}")
    out = tmp_path / "run"
    line = complaint(evaluate(other, tiny_dataset("enhancement"), out, *live))
    assert "refuses: file: the device has " in line and not out.exists()
    line = complaint(evaluate(other, tiny_dataset("enhancement"), out, *live, "--live-delay", 3))
    assert "refuses: " in line


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--live", "127.0.0.1"), "'127.0.0.1': expected HOST:PORT"),
        (("--live", "127.0.0.1:1"), "127.0.0.1:1: nobody listens there; start `kbbench serve`"),
        (("--live", "127.0.0.1:1", "--network", "5g"), "network '5g': expected lan"),
        (("--live", "127.0.0.1:1", "--token-file", "/none"), "/none: .*No such file"),
        (("--live", "127.0.0.1:1", "--dask", "x:1"), "--live with --dask"),
    ],
)
def test_what_does_not_fit_is_one_line(
    more: tuple[str, ...], message: str, model: Path, tmp_path: Path, tiny_dataset: Data
) -> None:
    result = evaluate(model, tiny_dataset("enhancement"), tmp_path / "run", *more)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(complaint(result))
    assert not (tmp_path / "run").exists()


def test_a_model_without_a_streaming_form_is_told(tmp_path: Path, tiny_dataset: Data) -> None:
    example = Path(__file__).parents[2] / "recipes" / "models" / "oracle.py"
    result = evaluate(example, tiny_dataset("enhancement"), tmp_path / "r", "--live", "a:1")
    assert "--live: an oracle is given the reference" in complaint(result)
    plain = tmp_path / "plain.py"
    plain.write_text(PLAIN)
    result = evaluate(plain, tiny_dataset("enhancement"), tmp_path / "r", "--live", "a:1")
    assert "--live: device of " in complaint(result)
    assert "has no streaming form; define start" in complaint(result)
    assert "remote: function has no streaming form" in complaint(
        kbbench("serve", plain, "--port", 0)
    )


def test_a_built_in_name_is_served_too() -> None:
    (model, *_) = main.commands["serve"].params
    assert model.type.convert("separation-kb", None, None).name == "triple.py"


PLAIN = """
from kbbench.models import Boosted, Triple

def small(mixture, **given):
    return mixture[:, None]

def large(mixture, **given):
    return small(mixture), mixture[:, 0, ::128, None]

def triple():
    return Triple("plain", "enhancement", small, large, Boosted(small, large))
"""


def test_serving_without_a_token_ends_cleanly(model: Path) -> None:
    with served(model, "--host", "0.0.0.0", "--batch", 4) as here:
        status, out, err = here.interrupt(signal.SIGINT)
    assert status == 0, err
    assert out == "served 0 devices, refused 0\n"
    assert "warning: whoever reaches this address is let in; give --token-file" in err
    assert "batch 4: sessions are stepped together" in err


def test_serving_with_a_token_ends_cleanly(model: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    with served(model, "--host", "0.0.0.0", "--token-file", token) as here:
        status, _, err = here.interrupt(signal.SIGTERM)
    assert (status, err) == (0, "")
