"""The live part of a run: mixture by mixture, broken off and carried on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kbbench.errors import InputError
from kbbench.evaluation import Beforehand, Run, go_live, met, prepare
from kbbench.evaluation.live import streamed
from kbbench.live.connection import Target
from kbbench.live.parts import live_estimates, part_path, read_part
from kbbench.live.settings import LiveSettings, parse_address, read_token
from kbbench.models.loading import load_triple
from kbbench.scenes.dataset import Dataset
from tests.live.files import served, write_tiny
from tests.live.running import serving

pytest.importorskip("websockets", reason="websockets is not installed: kbbench[live]")

Data = Callable[[str], Dataset]


def live_run(model: Path, data: Dataset, out: Path) -> Run:
    settings = LiveSettings(clock="fast")
    return prepare(model, data.folder, "test", (6,), audited=False, live=settings, out=out)


def test_what_is_through_is_kept_and_the_rest_is_streamed_later(
    tmp_path: Path, tiny_dataset: Data
) -> None:
    model, out = write_tiny(tmp_path), tmp_path / "run"
    run = live_run(model, tiny_dataset("target_speech"), out)

    def interrupt(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with serving(load_triple(model, "target_speech")) as here:
        target = Target("127.0.0.1", here.port)
        met(run, out, target)
        with pytest.raises(KeyboardInterrupt):
            go_live(run, out, target, Beforehand(), interrupt)
        state = json.loads((out / "run.json").read_text())
        assert state["complete"] is False and state["mixtures_planned"] == 3
        assert [part_path(out, n).is_file() for n in range(3)] == [True, False, False]
        assert not streamed(run, out)
        first = part_path(out, 0).read_bytes()
        told: list[tuple[int, int]] = []
        go_live(run, out, target, Beforehand(), lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert part_path(out, 0).read_bytes() == first
    assert streamed(run, out)
    met(run, out, target)  # nobody is there any more, and nobody is needed
    live = next(condition for condition in run.conditions if condition.live)
    link = run.link(live)
    assert link is not None and link.model_delay_chunks == 6
    for index in range(3):
        estimates = live_estimates(out, index)
        assert estimates.shape == (1, 2, 32_000) and estimates.dtype == np.float32
        arrays, kept = read_part(out, index)
        assert kept.recorded.chunks == len(arrays["seen"]) == 250


def test_a_damaged_part_is_one_line(tmp_path: Path) -> None:
    part_path(tmp_path, 0).parent.mkdir()
    for data in (b"", b"PK rubbish", b"\x80\x04pickle"):
        part_path(tmp_path, 0).write_bytes(data)
        with pytest.raises(InputError, match="missing or damaged") as caught:
            read_part(tmp_path, 0)
        assert "\n" not in str(caught.value)


def test_the_hash_of_a_run_says_how_it_was_live(tmp_path: Path, tiny_dataset: Data) -> None:
    model, data = write_tiny(tmp_path), tiny_dataset("target_speech")
    run = live_run(model, data, tmp_path)
    plain = prepare(model, data.folder, "test", (6,), audited=False)
    assert "live" not in plain.identity
    assert run.identity["live"]["clock"] == "fast"
    others = {run.sha256, plain.sha256}
    for settings in (LiveSettings(), LiveSettings(clock="fast", transport="udp")):
        other = prepare(model, data.folder, "test", (6,), audited=False, live=settings)
        others.add(other.sha256)
    assert len(others) == 4


@pytest.mark.parametrize("text", ["", "x", ":1", "x:", "x:0", "x:65536", "x:-1", "x:1e3", "x:１"])
def test_an_address_that_is_none_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match="expected HOST:PORT such as"):
        parse_address(text)


def test_a_token_is_the_first_line_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(" secret \nmore\n")
    assert read_token(path) == "secret" and read_token(None) is None
    for data in (b"", b"\n\n", b"x" * 5000, b"\xff\xfe"):
        path.write_bytes(data)
        with pytest.raises(InputError, match="token"):
            read_token(path)
    assert "secret" not in repr(Target("a", 1, token="secret"))


@pytest.mark.long
def test_ctrl_c_ends_both_ends_and_the_same_command_carries_on(
    tmp_path: Path, tiny_dataset: Data
) -> None:
    model, out = write_tiny(tmp_path), tmp_path / "run"
    data = tiny_dataset("separation").folder
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with served(model) as here:
        words = [sys.executable, "-m", "kbbench", "evaluate", model, "--data", data, "--out", out]
        words += ["--delays", 6, "--workers", 1, "--skip-audit"]
        words += ["--live", f"127.0.0.1:{here.port}"]
        command = [str(word) for word in words]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        while not part_path(out, 0).is_file() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "the same command carries on" in err and "Traceback" not in err
        assert json.loads((out / "run.json").read_text())["complete"] is False
        subprocess.run(command, check=True, capture_output=True, env=environment)
        status, said, _ = here.interrupt()
    assert status == 0 and said.startswith("served ")
    assert json.loads((out / "run.json").read_text())["complete"] is True
    assert (out / "live.json").is_file() and not (out / "live").exists()
