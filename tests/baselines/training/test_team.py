"""Processes that train together: the same network as one alone, and no end that hangs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch

from kbbench.baselines.stages import Stage
from kbbench.baselines.training import train
from kbbench.baselines.training.clips import Data, Item, Numbers
from kbbench.errors import InputError
from tests.baselines.training.noises import DATA, Noises, begun, fake_large, settings, weights


def test_shares_of_a_step_are_the_step() -> None:
    shares = [Numbers(range(3, 5), batch=6, rank=rank, size=3) for rank in range(3)]
    assert [list(share) for share in shares] == [
        [18, 19, 24, 25],
        [20, 21, 26, 27],
        [22, 23, 28, 29],
    ]
    assert [len(share) for share in shares] == [4, 4, 4]
    assert list(Numbers(range(3, 5), batch=6, rank=0, size=1)) == list(range(18, 30))


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["small", "boosted"])
def test_two_processes_train_what_one_does(stage: Stage, tmp_path: Path) -> None:
    for name in ("one", "two"):
        fake_large(tmp_path / name)
    start = begun(stage, tmp_path)
    one = train(settings(stage), DATA, tmp_path / "one", start=start)
    two = train(settings(stage), DATA, tmp_path / "two", start=start, processes=2)
    ours, theirs = weights(two.weights), weights(one.weights)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-4, rtol=1e-3)
    logs = [pd.read_csv(tmp_path / name / stage / "log.csv") for name in ("one", "two")]
    columns = ["loss_db", "gradient_norm", "si_sdri_db"]
    pd.testing.assert_frame_equal(logs[0][columns], logs[1][columns], atol=1e-2, rtol=1e-2)


@pytest.mark.slow
def test_a_team_s_run_is_cut_and_carried_on(tmp_path: Path) -> None:
    whole = train(settings(), DATA, tmp_path / "whole", processes=2)
    cut = train(settings(), DATA, tmp_path / "cut", processes=2, minutes=0)
    assert (cut.progress.step, cut.done) == (1, False)
    while not cut.done:
        cut = train(settings(), DATA, tmp_path / "cut", processes=2, minutes=0)
    ours, theirs = weights(cut.weights), weights(whole.weights)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


class Deadly(Noises):
    """Kills the process that hears it, if that is not the first one."""

    def __init__(self) -> None:
        self.leader = os.getpid()

    def __getitem__(self, index: int) -> Item:
        if os.getpid() != self.leader:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@pytest.mark.slow
def test_a_process_that_dies_ends_the_training_in_a_line(tmp_path: Path) -> None:
    data = Data(Deadly(), Noises(), "separation", "noises")
    with pytest.raises(InputError, match="a process of the training died"):
        train(settings(), data, tmp_path, processes=2)
    assert train(settings(), DATA, tmp_path).done


def test_what_cannot_be_shared_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--processes 3: they do not divide a batch of 2 clips"):
        train(settings(), DATA, tmp_path, processes=3)
    with pytest.raises(InputError, match=r"--device cpu:0: one device, for 2 processes"):
        train(settings(), DATA, tmp_path, device="cpu:0", processes=2)
    assert not list(tmp_path.iterdir())
