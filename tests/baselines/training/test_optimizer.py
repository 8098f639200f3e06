"""Muon moves matrices of layers, AdamW the rest, and a run that was cut carries on with both."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kbbench.baselines.training import train
from kbbench.baselines.training.optimizer import Together, optimizer_of
from kbbench.baselines.training.trainee import Trainee
from kbbench.errors import InputError
from tests.baselines.training.noises import DATA, begun, settings, weights


def test_muon_moves_the_matrices_of_layers_and_adamw_the_rest() -> None:
    trainee = Trainee(settings("large", optimizer="muon"), "separation", None)
    optimizer = optimizer_of(trainee)
    assert isinstance(optimizer, Together)
    names = {id(weight): name for name, weight in trainee.network.named_parameters()}
    moved = {
        kind: {names[id(weight)] for group in part.param_groups for weight in group["params"]}
        for kind, part in optimizer.parts.items()
    }
    assert moved["muon"] | moved["adamw"] == set(names.values())
    assert not moved["muon"] & moved["adamw"]
    assert "blocks.0.full_band.lstm.weight_hh_l0_reverse" in moved["muon"]
    assert "blocks.2.attention.query.linear.weight" in moved["muon"]
    assert "bottleneck.weight" in moved["muon"]
    others = ("blocks.0.full_band.lstm.bias_ih_l0", "encoder.conv.weight", "decoder.conv.bias")
    assert moved["adamw"].issuperset((*others, "blocks.0.attention.query.scale"))


def test_a_matrix_moves_in_all_directions_alike(tmp_path: Path) -> None:
    start = begun("small", tmp_path)
    given = {"optimizer": "muon", "steps": 1, "warm_up_steps": 0, "learning_rate": 1e-3}
    outcome = train(settings(**given, weight_decay=0), DATA, tmp_path, start=start)
    before, after = weights(start), weights(outcome.weights)
    name = "blocks.0.full_band.lstm.weight_hh_l0"
    moved = after[name] - before[name]
    sizes = torch.linalg.svdvals(moved)
    assert sizes.max() < 5 * sizes.min()
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.2 * 1e-3, rel=0.3)


def test_a_run_that_was_cut_ends_in_the_same_weights(tmp_path: Path) -> None:
    given = settings(optimizer="muon")
    start = begun("small", tmp_path)
    whole = train(given, DATA, tmp_path / "whole", start=start)
    while not train(given, DATA, tmp_path / "cut", start=start, minutes=0).done:
        pass
    ours, theirs = weights(whole.weights), weights(tmp_path / "cut/small.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    other = weights(train(settings(), DATA, tmp_path / "adamw", start=start).weights)
    assert not all(torch.equal(ours[name], other[name]) for name in other)


def test_a_begun_folder_refuses_another_optimizer(tmp_path: Path) -> None:
    train(settings(), DATA, tmp_path, minutes=0)
    with pytest.raises(InputError, match="begun with optimizer 'adamw', now 'muon'"):
        train(settings(optimizer="muon"), DATA, tmp_path)


def test_a_torch_without_it_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(InputError, match=r"--optimizer muon: torch .* has none; install torch 2.9"):
        train(settings(optimizer="muon"), DATA, tmp_path)
