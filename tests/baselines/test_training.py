"""Training: the loss falls, a kill changes nothing, weights come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kbbench.baselines.training import Settings, open_data, train
from kbbench.baselines.training.loss import SOFT_CEILING, separation_loss
from kbbench.baselines.triples import trained
from kbbench.baselines.weights import load_device, read_card
from kbbench.errors import InputError
from kbbench.metrics import si_sdr
from kbbench.models.loading import load_triple
from kbbench.scenes.dataset import Dataset

Data = Callable[[str], Dataset]
SHORT = {"batch_size": 1, "clip_s": 0.3, "warm_up_steps": 0, "validation_mixtures": 1}


def settings(stage: str, steps: int, **more: object) -> Settings:
    return Settings.of(stage=stage, steps=steps, validate_every=steps, **{**SHORT, **more})


def test_the_loss_is_si_sdr_of_the_better_order_up_to_its_ceiling() -> None:
    generator = torch.Generator().manual_seed(0)
    references = torch.randn(3, 2, 2, 4000, generator=generator)
    estimates = references.flip(1) + 0.1 * torch.randn(3, 2, 2, 4000, generator=generator)
    ratios = 10 ** (si_sdr(estimates.flip(1), references) / 10)
    expected = 10 * torch.log10(1 / ratios + SOFT_CEILING).mean()
    assert float(separation_loss(estimates, references, 0.0)) == pytest.approx(
        float(expected), abs=1e-3
    )


def test_a_killed_run_ends_in_the_same_weights(tmp_path: Path, tiny_dataset: Data) -> None:
    data = open_data(str(tiny_dataset("separation").folder))
    plan = settings("small", 4)
    whole = train(plan, data, tmp_path / "whole")
    for _ in range(5):  # each sitting stops after its first step
        cut = train(plan, data, tmp_path / "cut", minutes=0)
    assert whole.done and cut.done and cut.progress.step == 4
    weights = [load_device(outcome.weights).state_dict() for outcome in (whole, cut)]
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name
    assert cut.progress.best_db == whole.progress.best_db


def test_the_loss_falls_on_one_mixture(tmp_path: Path, tiny_dataset: Data) -> None:
    data = open_data(str(tiny_dataset("enhancement").folder))
    plan = settings("small", 40, clip_s=2.0, learning_rate=3e-3, log_every=1)
    rows = train(plan, data, tmp_path).progress.rows
    first, last = rows[:8], rows[-8:]
    assert sum(row["loss_db"] for row in last) < sum(row["loss_db"] for row in first) - 8


def test_stages_make_a_triple_that_loads_as_a_user_s_file(
    tmp_path: Path, tiny_dataset: Data
) -> None:
    data = open_data(str(tiny_dataset("separation").folder))
    with pytest.raises(InputError, match="train it first with --stage large"):
        train(settings("boosted", 1), data, tmp_path)
    for stage in ("small", "large", "boosted"):
        train(settings(stage, 1), data, tmp_path)
    triple = load_triple(tmp_path / "triple.py", "separation").triple
    assert triple.boosted_at(6).remote is triple.large
    card = read_card(tmp_path / "boosted.safetensors")
    assert (card.task, card.stage, card.steps) == ("separation", "boosted", 1)
    assert "mini-separation" in card.data
    with pytest.raises(InputError, match="begun with steps 1, now 2"):
        train(settings("small", 2), data, tmp_path)
    with pytest.raises(InputError, match=r"film\.safetensors is not there"):
        trained(tmp_path, "separation", "film").boosted_at(6)


def test_settings_out_of_range_are_one_line() -> None:
    with pytest.raises(InputError, match="training: steps: "):
        Settings.of(stage="small", steps=0)
    with pytest.raises(InputError, match="compression 3: expected one of"):
        Settings.of(stage="large", compression=3)
