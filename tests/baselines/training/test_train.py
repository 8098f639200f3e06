"""Training lowers the loss, and a run that was killed ends in the weights of one that was not."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from kbbench.baselines.config import GridNetConfig
from kbbench.baselines.ensemble import Ensemble
from kbbench.baselines.gridnet import RemoteGridNet
from kbbench.baselines.stages import ENSEMBLE, STAGES, Stage
from kbbench.baselines.training import Settings, train
from kbbench.baselines.training.clips import Clips, batches, lossy
from kbbench.baselines.training.hints import heard_scenes
from kbbench.baselines.training.loss import separation_loss, si_sdr_improvement
from kbbench.baselines.training.trainee import Trainee
from kbbench.baselines.triples import trained
from kbbench.baselines.weights import Card, load_device, read_card, save_weights
from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.metrics import si_sdr
from kbbench.models.loading import load_triple
from kbbench.scenes.dataset import Dataset
from tests.baselines.networks import device, make_masks_differ, remote
from tests.baselines.training.noises import DATA, LENGTH, Noises, fake_large, settings, weights


def flat(state: dict[str, Tensor]) -> Tensor:
    """All weights of a network as one vector."""
    return torch.cat([state[name].flatten() for name in sorted(state)])


def test_a_few_steps_on_one_batch_lower_the_loss() -> None:
    trainee = Trainee(settings(learning_rate=0.01), "separation", None)
    make_masks_differ(trainee.network)
    batch = next(batches(Clips(Noises(), settings()), 0, 0))
    optimizer = torch.optim.AdamW(trainee.trained(), lr=0.01)
    losses = []
    for _ in range(12):
        loss = trainee.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 10


@pytest.mark.parametrize(("stage", "average"), [("small", 0), ("boosted", 0), ("small", 3)])
def test_a_run_that_was_cut_ends_in_the_same_weights(
    stage: Stage, average: int, tmp_path: Path
) -> None:
    for name in ("whole", "cut"):
        fake_large(tmp_path / name)
    given = settings(stage, average_steps=average)
    whole = train(given, DATA, tmp_path / "whole")
    sittings = 0
    while not train(given, DATA, tmp_path / "cut", minutes=0).done:
        sittings += 1
    assert sittings == 3  # each makes one step of four
    ours, theirs = weights(whole.weights), weights(tmp_path / "cut" / whole.weights.name)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    logs = [(tmp_path / n / stage / "log.csv").read_text().splitlines() for n in ("whole", "cut")]
    times = [[row.split(",")[:1] + row.split(",")[2:] for row in log] for log in logs]
    assert times[0] == times[1]


@pytest.mark.parametrize("stage", ["boosted", "film", "output", "distilled"])
def test_kept_hints_teach_what_the_large_network_does(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips as long as mixtures hear all there is, so that both ways must end in one network."""
    whole = {"clip_s": LENGTH / 16000, "validate_every": 4, "validation_mixtures": 1}
    for name in ("joint", "kept"):
        fake_large(tmp_path / name)
    joint = train(settings(stage, **whole), DATA, tmp_path / "joint")
    heard: list[int] = []
    listen = RemoteGridNet.forward

    def counting(self: RemoteGridNet, mixture: Tensor, **given: Any) -> Any:
        heard.append(len(mixture))
        return listen(self, mixture, **given)

    monkeypatch.setattr(RemoteGridNet, "forward", counting)
    kept = train(settings(stage, cache_hints=True, **whole), DATA, tmp_path / "kept", minutes=0)
    # Three mixtures of training, then one of validation at the end alone.
    assert heard == [1, 1, 1] and not kept.done
    files = sorted((tmp_path / "kept/hints").glob("*/*.safetensors"))
    assert len(files) == 3
    times = [file.stat().st_mtime_ns for file in files]
    while not kept.done:
        kept = train(settings(stage, cache_hints=True, **whole), DATA, tmp_path / "kept", minutes=0)
    assert heard == [1, 1, 1, 1]
    assert [file.stat().st_mtime_ns for file in files] == times
    # Heard alone or in a batch, last bits of hints differ, and where a gradient is nearly nothing
    # AdamW moves a weight all the same: what is compared is how all of them moved, together.
    before = Trainee(settings(stage), "separation", remote()).network.state_dict()
    ours, theirs = (flat(weights(run.weights)) for run in (kept, joint))
    moved = (theirs - flat(before)).norm()
    assert moved > 0
    assert (ours - theirs).norm() < 0.01 * moved


def test_trainings_at_once_share_the_hearing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, network, heard = settings("boosted", cache_hints=True), remote(), []
    listen = RemoteGridNet.forward

    def interrupted(self: RemoteGridNet, mixture: Tensor, **given: Any) -> Any:
        heard.append(len(mixture))
        if len(heard) == 1:
            heard_scenes(DATA, cut, network, tmp_path)  # another training does all of it meanwhile
        return listen(self, mixture, **given)

    monkeypatch.setattr(RemoteGridNet, "forward", interrupted)
    heard_scenes(DATA, cut, network, tmp_path)
    assert len(heard) == 1 + len(DATA.train)


def test_a_clip_has_the_hints_of_its_own_chunks(tmp_path: Path) -> None:
    cut = settings("boosted", cache_hints=True, clip_s=0.1)
    scenes = heard_scenes(DATA, cut, remote(), tmp_path)
    clips = Clips(scenes, cut)
    starts = set()
    for number in range(6):
        clip = clips[number]
        _, hints = remote()(torch.stack([Noises()[n]["mixture"] for n in range(3)]))
        places = [
            (n, k)
            for n in range(3)
            for k in range(hints.shape[1] - 12)
            if torch.equal(Noises()[n]["mixture"][:, 128 * k : 128 * k + 1600], clip["mixture"])
        ]
        ((mixture, first),) = places
        starts.add(first)
        expected = hints[mixture, first : first + 13]
        torch.testing.assert_close(clip["heard_hints"].float(), expected, atol=1e-3, rtol=1e-3)
    assert len(starts) > 1
    with pytest.raises(InputError, match="cache_hints: for stages with a large network"):
        settings("small", cache_hints=True)


@pytest.mark.long
def test_kill_9_and_the_same_command_again(tmp_path: Path) -> None:
    line = (
        "train mini-separation --stage small --mixtures 4 --steps 8 --batch-size 1 --clip 0.5 "
        "--validate-every 2 --validation-mixtures 1 --workers 0"
    )
    options = line.split()
    whole = CliRunner().invoke(main, [*options, "--out", str(tmp_path / "whole")])
    assert whole.exit_code == 0, whole.output
    command = [sys.executable, "-m", "kbbench", *options, "--out", str(tmp_path / "killed")]
    checkpoint = tmp_path / "killed/small/checkpoint.pt"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not checkpoint.is_file() and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    again = CliRunner().invoke(main, command[3:])
    assert again.exit_code == 0, again.output
    assert "8 steps" in again.output
    ours = weights(tmp_path / "whole/small.safetensors")
    theirs = weights(tmp_path / "killed/small.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_stages_end_in_a_triple_that_loads_like_any_user_s_file(tmp_path: Path) -> None:
    fake_large(tmp_path)
    with pytest.raises(InputError, match="small is not trained yet for separation; train it with"):
        train(settings("boosted"), DATA, tmp_path)
        load_triple(tmp_path / "triple.py", "separation")
    train(settings("small"), DATA, tmp_path)
    train(settings("boosted", delays_chunks=(6,)), DATA, tmp_path)
    triple = load_triple(tmp_path / "triple.py", "separation").triple
    assert triple.boosted_at(3).remote is triple.large
    assert triple.boosted_at(6).remote is triple.large
    three, six = (triple.boosted_at(d).device.state_dict() for d in (3, 6))  # type: ignore[attr-defined]
    assert not all(torch.equal(three[name], six[name]) for name in six)
    card = read_card(tmp_path / "boosted@6.safetensors")
    assert (card.task, card.stage, card.data) == ("separation", "boosted", "noises")
    rows = list(csv.DictReader((tmp_path / "boosted@6/log.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert [bool(row["si_sdri_db@6"]) for row in rows] == [False, True, False, True]


def test_an_ensemble_takes_the_place_of_the_small_one(tmp_path: Path) -> None:
    fake_large(tmp_path)
    train(settings("small"), DATA, tmp_path)
    train(settings("boosted"), DATA, tmp_path)
    with pytest.raises(InputError, match="small2 is not trained yet for separation"):
        trained(tmp_path, "separation", small="ensemble")
    train(settings("small2"), DATA, tmp_path)
    seeds = [read_card(tmp_path / f"{name}.safetensors").settings["seed"] for name in ENSEMBLE]
    assert seeds == [0, 1]
    triple = trained(tmp_path, "separation", small="ensemble")
    assert triple.name == "TF-GridNet, knowledge boosting (ensemble)"
    assert isinstance(triple.small, Ensemble)
    ours = (triple.small.first, triple.small.second)
    for network, name in zip(ours, ENSEMBLE, strict=True):
        theirs = weights(tmp_path / f"{name}.safetensors")
        assert all(torch.equal(value, theirs[n]) for n, value in network.state_dict().items())
    assert not torch.equal(ours[0].decoder.conv.weight, ours[1].decoder.conv.weight)
    assert settings("small2", seed=0).seed == settings("small").seed == 0


def test_the_command_knows_all_stages() -> None:
    (stage,) = (option for option in main.commands["train"].params if option.name == "stage")
    assert isinstance(stage.type, click.Choice)
    assert set(stage.type.choices) == set(STAGES)


@pytest.mark.parametrize("stage", ["film", "output", "distilled"])
def test_the_other_stages_leave_the_large_one_alone(stage: Stage, tmp_path: Path) -> None:
    fake_large(tmp_path)
    before = (tmp_path / "large.safetensors").read_bytes()
    outcome = train(settings(stage, steps=2), DATA, tmp_path)
    assert outcome.done
    assert outcome.weights == tmp_path / f"{stage}.safetensors"
    assert (tmp_path / "large.safetensors").read_bytes() == before


def test_a_tuned_large_network_is_a_remote_of_its_own(tmp_path: Path) -> None:
    fake_large(tmp_path)
    train(settings("small"), DATA, tmp_path)
    train(settings("boosted", tune_large=True), DATA, tmp_path)
    triple = load_triple(tmp_path / "triple.py", "separation").triple
    own, before = triple.boosted_at(2).remote, weights(tmp_path / "large.safetensors")
    assert own is triple.large
    tuned = own.state_dict()  # type: ignore[union-attr]
    assert not all(torch.equal(tuned[name], before[name]) for name in before)


def test_a_large_network_that_is_tuned_stays_good_at_what_it_estimates_itself() -> None:
    tuned = settings("boosted", tune_large=True)
    trainee = Trainee(tuned, "separation", remote())
    assert trainee.remote is not None
    batch = next(batches(Clips(Noises(), tuned), 0, 0))
    batch["seen"] = torch.full_like(batch["seen"], -1)  # no hint arrives: the device tells nothing
    loss = trainee.loss(batch)
    loss.backward()
    with torch.no_grad():
        made = [trainee.network(batch["mixture"]), trainee.remote(batch["mixture"])[0]]
        parts = [separation_loss(one, batch["references"], tuned.snr_weight) for one in made]
    torch.testing.assert_close(loss.detach(), sum(parts))
    assert trainee.remote.decoder.conv.weight.grad.abs().sum() > 0


def test_other_settings_do_not_carry_on_a_run(tmp_path: Path) -> None:
    train(settings(), DATA, tmp_path, minutes=0)
    with pytest.raises(InputError, match="begun with batch_size 2, now 1; give the same"):
        train(settings(batch_size=1), DATA, tmp_path)
    with pytest.raises(InputError, match="begun with data 'noises', now 'others'"):
        train(settings(), replace(DATA, words="others"), tmp_path)
    (tmp_path / "small/checkpoint.pt").write_bytes(b"not one")
    with pytest.raises(InputError, match=r"checkpoint\.pt: damaged"):
        train(settings(), DATA, tmp_path)


def test_a_run_ends_early_where_validation_does_not_improve(tmp_path: Path) -> None:
    quiet = settings(steps=50, learning_rate=1e-12, validate_every=1, patience=3, weight_decay=0)
    outcome = train(quiet, DATA, tmp_path)
    assert outcome.done
    assert outcome.progress.step < 50
    assert outcome.progress.stale == 3


def test_bfloat16_trains_float32_weights_to_about_the_same(tmp_path: Path) -> None:
    exact = weights(train(settings(), DATA, tmp_path / "exact").weights)
    rough = weights(train(settings(bf16=True), DATA, tmp_path / "rough").weights)
    assert {tensor.dtype for tensor in rough.values()} == {torch.float32}
    assert any(not torch.equal(rough[name], exact[name]) for name in exact)
    moved = 4 * settings().learning_rate  # as far as four steps of AdamW move a weight
    for name in exact:
        torch.testing.assert_close(rough[name], exact[name], atol=2 * moved, rtol=0)


def test_mistakes_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"large\.safetensors: not there, and stage 'boosted'"):
        train(settings("boosted"), DATA, tmp_path)
    with pytest.raises(InputError, match="--device gpu: expected cpu, cuda"):
        train(settings(), DATA, tmp_path, device="gpu")
    with pytest.raises(InputError, match="compression 3: expected one of"):
        Settings.of(stage="large", compression=3)
    with pytest.raises(InputError, match="steps: Input should be greater than or equal to 1"):
        Settings.of(stage="small", steps=0)
    with pytest.raises(InputError, match="not weights of this kbbench"):
        (tmp_path / "x.safetensors").write_bytes(b"nothing of the kind")
        read_card(tmp_path / "x.safetensors")


def test_a_dataset_folder_trains_too(
    tiny_dataset: Callable[[str], Dataset], tmp_path: Path
) -> None:
    folder = tiny_dataset("target_speech").folder
    options = (
        f"train {folder} --stage small --out {tmp_path} --steps 1 --batch-size 1 --clip 0.3 "
        "--validation-mixtures 1 --workers 0"
    )
    result = CliRunner().invoke(main, options.split())
    assert result.exit_code == 0, result.output
    assert read_card(tmp_path / "small.safetensors").config.enrolled


def test_clips_are_a_function_of_their_number() -> None:
    clips, fresh = (Clips(Noises(), settings(hint_loss=0.3)) for _ in range(2))
    for number in (5, 0, 17):
        ours, theirs = clips[number], fresh[number]
        assert torch.equal(ours["mixture"], theirs["mixture"])
        assert np.array_equal(ours["seen"], theirs["seen"])
        assert ours["mixture"].shape == (2, 1600)
        torch.testing.assert_close(ours["references"].sum(0), ours["mixture"])
    firsts = [clips[number]["mixture"][0, 0] for number in range(3)]
    assert len({float(first) for first in firsts}) == 3


def test_lost_hints_leave_the_newest_before_them() -> None:
    lost = np.array([True, False, True, True, False, False])
    assert lossy(6, 0, lost).tolist() == [-1, 1, 1, 1, 4, 5]
    assert lossy(6, 2, lost).tolist() == [-1, -1, -1, 1, 1, 1]
    assert lossy(2, 6, np.zeros(2, dtype=bool)).tolist() == [-1, -1]


def test_the_loss_knows_no_order_and_prefers_the_right_level() -> None:
    references = torch.stack([Noises()[n]["references"] for n in range(2)])
    estimates = references + 0.05 * torch.randn(
        references.shape, generator=torch.Generator().manual_seed(0)
    )
    straight = separation_loss(estimates, references, 0.1)
    torch.testing.assert_close(separation_loss(estimates.flip(1), references, 0.1), straight)
    assert separation_loss(2 * estimates, references, 0.1) > straight
    torch.testing.assert_close(
        separation_loss(2 * estimates, references, 0), separation_loss(estimates, references, 0)
    )
    silent = references.clone()
    silent[:, 1] = 0
    kept = separation_loss(estimates, silent, 0)
    torch.testing.assert_close(kept, separation_loss(estimates[:, :1], references[:, :1], 0))


def test_improvement_is_that_of_the_metrics() -> None:
    item = Noises()[0]
    references, mixture = item["references"][None], item["mixture"][None]
    estimates = (references + 0.3 * mixture[:, None]).flip(1)
    gain = si_sdr_improvement(estimates, references, mixture)
    before = si_sdr(mixture[:, None].expand_as(references), references)
    expected = (si_sdr(estimates.flip(1), references) - before).mean()
    assert float(gain) == pytest.approx(float(expected), abs=1e-3)


def test_weights_come_back_with_their_shape(tmp_path: Path) -> None:
    network = device("film")
    card = Card(
        kbbench="0",
        task="separation",
        stage="film",
        config=network.config,
        steps=3,
        validation_si_sdri_db=1.5,
        data="none",
        settings={"seed": 1},
    )
    save_weights(tmp_path / "w.safetensors", network.state_dict(), card)
    assert read_card(tmp_path / "w.safetensors") == card
    back = load_device(tmp_path / "w.safetensors")
    assert isinstance(back.config, GridNetConfig)
    for name, weight in network.state_dict().items():
        assert torch.equal(back.state_dict()[name], weight)
