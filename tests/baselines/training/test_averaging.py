"""Weights averaged over the last steps are what a run validates and writes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kbbench.baselines.training import train
from kbbench.baselines.training.averaging import averaged, mean_of
from kbbench.baselines.training.trainee import Trainee
from tests.baselines.training.noises import DATA, fake_large, settings, weights


def test_it_is_the_mean_of_all_steps_and_then_of_the_last() -> None:
    trainee = Trainee(settings(), "separation", None)
    average = averaged(trainee, 3)
    found = []
    for value in (1.0, 2.0, 6.0, 9.0):
        with torch.no_grad():
            for weight in trainee.parameters():
                weight.fill_(value)
        average.update_parameters(trainee)
        kept = torch.cat([weight.flatten() for weight in mean_of(average).parameters()]).detach()
        assert (kept == kept[0]).all()
        found.append(float(kept[0]))
    assert found == pytest.approx([1.0, 1.5, 3.0, 5.0])  # the last a third of the way from 3 to 9


def test_a_run_writes_the_mean_of_every_network_that_it_trains(tmp_path: Path) -> None:
    fake_large(tmp_path)
    given = settings("boosted", tune_large=True, average_steps=9, validate_every=4)
    outcome = train(given, DATA, tmp_path)
    state = torch.load(tmp_path / "boosted/checkpoint.pt", weights_only=True)
    remote = tmp_path / "boosted.remote.safetensors"
    for part, path in {"network": outcome.weights, "remote": remote}.items():
        for name, written in weights(path).items():
            assert torch.equal(written, state["average"][f"module.{part}.{name}"])
        last = state["model"][f"{part}.decoder.conv.weight"]
        assert not torch.equal(weights(path)["decoder.conv.weight"], last)
