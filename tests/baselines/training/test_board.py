"""TensorBoard is shown what the log holds: each point once, through kills and late comers."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kbbench.baselines.training import loop, train
from kbbench.cli import main
from kbbench.errors import InputError
from tests.baselines.training.noises import DATA, settings

Curves = dict[str, list[tuple[int, float]]]


@pytest.fixture
def accumulator() -> Any:
    """What TensorBoard reads its files with."""
    return pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="TensorBoard is not installed: kbbench[tensorboard]",
    ).EventAccumulator


def shown(reader: Any) -> Curves:
    """The points that TensorBoard shows, as it reads them."""
    reader.Reload()
    return {
        tag: [(event.step, event.value) for event in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }


def logged(folder: Path) -> Curves:
    """The numbers of log.csv."""
    curves: Curves = {}
    for row in csv.DictReader((folder / "log.csv").read_text().splitlines()):
        for name, value in row.items():
            if value and name not in ("step", "seconds"):
                curves.setdefault(name, []).append((int(row["step"]), float(value)))
    return curves


def same(found: Curves, expected: Curves) -> None:
    assert found.keys() == expected.keys()
    for name, points in expected.items():
        assert [step for step, _ in found[name]] == [step for step, _ in points], name
        assert [v for _, v in found[name]] == pytest.approx([v for _, v in points], rel=1e-6), name


def test_each_number_of_the_log_is_a_point(tmp_path: Path, accumulator: Any) -> None:
    train(settings(), DATA, tmp_path, tensorboard=True)
    found = shown(accumulator(str(tmp_path / "small")))
    assert {"loss_db", "gradient_norm", "learning_rate", "si_sdri_db"} == found.keys()
    assert [step for step, _ in found["si_sdri_db"]] == [2, 4]
    same(found, logged(tmp_path / "small"))


def test_a_kill_leaves_no_point_out_and_none_twice(
    tmp_path: Path, accumulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its third step, after points that no checkpoint holds; a reader looks on."""
    run = settings(validate_every=4)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(run, DATA, whole, tensorboard=True)
    train(run, DATA, cut, tensorboard=True, minutes=0)
    reader, step = accumulator(str(cut / "small")), loop._step
    assert len(shown(reader)["loss_db"]) == 1

    def killed(state: Any, batch: Any, until_s: float) -> tuple[dict[str, float], bool]:
        if state.progress.step == 3:
            raise KeyboardInterrupt
        return step(state, batch, until_s)

    monkeypatch.setattr(loop, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(run, DATA, cut, tensorboard=True)
    assert [step for step, _ in shown(reader)["loss_db"]] == [1, 2, 3]
    assert len(logged(cut / "small")["loss_db"]) == 1
    monkeypatch.setattr(loop, "_step", step)
    train(run, DATA, cut, tensorboard=True)
    for found in (shown(reader), shown(accumulator(str(cut / "small")))):
        same(found, logged(cut / "small"))
        assert found == shown(accumulator(str(whole / "small")))
    assert len(list((cut / "small").glob("events*"))) == 2


def test_the_option_may_come_late(tmp_path: Path, accumulator: Any) -> None:
    train(settings(), DATA, tmp_path, minutes=0)
    assert not list((tmp_path / "small").glob("events*"))
    train(settings(), DATA, tmp_path, tensorboard=True)
    same(shown(accumulator(str(tmp_path / "small"))), logged(tmp_path / "small"))


def test_without_the_package_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"--tensorboard: needs the package tensorboard; pip inst"):
        train(settings(), DATA, tmp_path / "out", tensorboard=True)
    options = f"train mini-separation --stage small --out {tmp_path / 'out'} --tensorboard"
    result = CliRunner().invoke(main, options.split())
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
