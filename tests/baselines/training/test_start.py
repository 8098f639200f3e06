"""A run that begins with trained weights: what it takes, what it refuses, what its card says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from kbbench.baselines.config import baseline
from kbbench.baselines.gridnet import GridNet, RemoteGridNet
from kbbench.baselines.stages import Stage, stage_config
from kbbench.baselines.training import train
from kbbench.baselines.training.clips import Data
from kbbench.baselines.training.pruning import narrowed
from kbbench.baselines.triples import seeded
from kbbench.baselines.weights import Card, Trained, load_device, read_card
from kbbench.channel import deliver, fixed
from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.models.contract import Task
from kbbench.models.sources import file_sha256
from kbbench.rng import Stream
from kbbench.units import chunk_count
from tests.baselines.networks import device, remote
from tests.baselines.training.noises import (
    DATA,
    LENGTH,
    STILL,
    OneWanted,
    fake_large,
    put,
    settings,
    weights,
)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of stage small after four steps; the tests leave them as they are."""
    return train(settings(seed=7), DATA, tmp_path_factory.mktemp("first")).weights


def test_it_begins_with_those_weights_and_its_card_says_so(first: Path, tmp_path: Path) -> None:
    outcome = train(settings(**STILL), DATA, tmp_path / "a", start=first)
    ours, theirs = weights(outcome.weights), weights(first)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-9, rtol=0)
    card = read_card(outcome.weights)
    assert card.start == read_card(first)
    assert card.start_sha256 == file_sha256(first)
    assert (card.steps, card.start.steps) == (1, read_card(first).steps)
    again = train(settings(**STILL), DATA, tmp_path / "b", start=outcome.weights)
    grandchild = read_card(again.weights)
    assert grandchild.start == card
    assert (grandchild.training.steps, grandchild.training.clips) == (card.start.steps + 2, 12)
    assert grandchild.training.seconds >= card.training.seconds >= card.start.training.seconds
    assert again.text.endswith(f"; in all {grandchild.training.text}: done")
    assert train(settings(**STILL), DATA, tmp_path / "c").weights.is_file()
    assert read_card(tmp_path / "c/small.safetensors").start is None


@pytest.mark.parametrize(
    ("stage", "begin"), [("boosted", "baseline"), ("film", "small"), ("output", "small")]
)
def test_a_device_with_hints_grows_out_of_one_without(
    stage: Stage, begin: Stage, tmp_path: Path
) -> None:
    first = train(settings(begin), DATA, tmp_path / "first").weights
    fake_large(tmp_path)
    outcome = train(settings(stage, **STILL), DATA, tmp_path, start=first)
    size = read_card(outcome.weights).config.hint_features
    generator = torch.Generator().manual_seed(0)
    mixture = 0.1 * torch.randn(1, 2, 1600, generator=generator)
    hints = torch.randn(1, chunk_count(1600), 97, size, generator=generator)
    given = deliver(hints, fixed(1).seen(hints.shape[1], Stream("test"))[None]).as_arguments()
    with torch.inference_mode():
        without = load_device(first)
        hidden = read_card(outcome.weights).config.hidden
        narrow = GridNet(without.config.model_copy(update={"hidden": hidden})).eval()
        narrow.load_state_dict(narrowed(without, hidden))
        expected = narrow(mixture)
        torch.testing.assert_close(load_device(outcome.weights)(mixture, **given), expected)
    card = read_card(outcome.weights)
    assert (card.stage, card.start) == (stage, read_card(first))
    fake_large(tmp_path / "on")
    learnt = load_device(train(settings(stage), DATA, tmp_path / "on", start=first).weights)
    with torch.inference_mode():
        heard, unheard = learnt(mixture, **given), learnt(mixture)
    assert not torch.allclose(heard, unheard)


@pytest.mark.parametrize("stage", ["distilled", "small2"])
def test_others_of_the_small_shape_begin_as_a_small_one(
    stage: Stage, first: Path, tmp_path: Path
) -> None:
    fake_large(tmp_path)
    outcome = train(settings(stage, **STILL), DATA, tmp_path, start=first)
    ours, theirs = weights(outcome.weights), weights(first)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-9, rtol=0)
    assert read_card(outcome.weights).start == read_card(first)
    with pytest.raises(InputError, match=f"of stage '{stage}', expected 'small'"):
        train(settings(), DATA, tmp_path / "small", start=outcome.weights)


@pytest.mark.parametrize("task", ["enhancement", "target_speech"])
def test_weights_for_another_task_lend_what_both_have(
    task: Task, first: Path, tmp_path: Path
) -> None:
    data = Data(OneWanted(), OneWanted(), task, "noises")
    outcome = train(settings(**STILL), data, tmp_path / "lent", start=first)
    ours, theirs = load_device(outcome.weights), load_device(first)
    for name, lent in theirs.state_dict().items():
        taken = ours.state_dict()[name]
        if not name.startswith("decoder"):
            torch.testing.assert_close(taken, lent, atol=1e-9, rtol=0)
    item = data.train[0]
    with torch.inference_mode():
        frames = torch.view_as_real(ours.stft(item["mixture"][None]))
        mine, other = (
            network.separate(frames, network.start(1, item["enrollment"][None]), None)[0].spectra
            for network in (ours, theirs)
        )
    same = other if task == "target_speech" else other[:, :, :, :1]
    torch.testing.assert_close(mine, same)  # who is wanted does not change what is separated yet
    card = read_card(outcome.weights)
    assert (card.task, card.start) == (task, read_card(first))
    whole = train(settings(steps=2), data, tmp_path / "learnt", start=outcome.weights)
    back = train(settings(**STILL), DATA, tmp_path / "back", start=whole.weights)
    assert read_card(back.weights).task == "separation"


def test_a_device_with_hints_lends_too(tmp_path: Path) -> None:
    fake_large(tmp_path / "separation")
    first = train(settings("boosted"), DATA, tmp_path / "separation").weights
    fake_large(tmp_path / "lent", enrolled=True)
    data = Data(OneWanted(), OneWanted(), "target_speech", "noises")
    outcome = train(settings("boosted", **STILL), data, tmp_path / "lent", start=first)
    ours, theirs = load_device(outcome.weights), load_device(first)
    assert ours.config.hint_features == theirs.config.hint_features + 1
    item = data.train[0]
    mixture, enrollment = item["mixture"][None], item["enrollment"][None]
    generator = torch.Generator().manual_seed(0)
    hints = torch.randn(1, chunk_count(LENGTH), 97, ours.config.hint_features, generator=generator)
    seen = fixed(1).seen(hints.shape[1], Stream("test"))[None]
    with torch.inference_mode():
        given = deliver(hints, seen).as_arguments()
        _, mine = ours.with_all_talkers(mixture, enrollment=enrollment, **given)
        other = theirs(mixture, **deliver(hints[..., :-1], seen).as_arguments())
    torch.testing.assert_close(mine, other)  # who is wanted does not change what is separated yet


def test_a_cut_run_does_not_begin_again(first: Path, tmp_path: Path) -> None:
    whole = train(settings(), DATA, tmp_path / "whole", start=first)
    while not train(settings(), DATA, tmp_path / "cut", start=first, minutes=0).done:
        pass
    ours, theirs = weights(whole.weights), weights(tmp_path / "cut/small.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    fresh = weights(train(settings(), DATA, tmp_path / "fresh").weights)
    assert not all(torch.equal(ours[name], fresh[name]) for name in fresh)


def test_a_begun_folder_refuses_another_start(first: Path, tmp_path: Path) -> None:
    other = train(settings(seed=8), DATA, tmp_path / "other").weights
    train(settings(), DATA, tmp_path / "run", start=first, minutes=0)
    with pytest.raises(InputError, match=rf"begun with start 'weights {file_sha256(first)}', now"):
        train(settings(), DATA, tmp_path / "run", start=other)
    with pytest.raises(InputError, match="now 'random weights'; give the same to carry on"):
        train(settings(), DATA, tmp_path / "run")
    train(settings(), DATA, tmp_path / "random", minutes=0)
    with pytest.raises(InputError, match="begun with start 'random weights', now 'weights "):
        train(settings(), DATA, tmp_path / "random", start=first)
    moved = tmp_path / "renamed.safetensors"
    moved.write_bytes(first.read_bytes())
    assert train(settings(), DATA, tmp_path / "run", start=moved).done


def test_what_does_not_fit_is_refused_before_anything_is_written(
    first: Path, tmp_path: Path
) -> None:
    fake_large(tmp_path)
    start = tmp_path / "large.safetensors"
    with pytest.raises(InputError, match="no such file; expected weights written by"):
        train(settings(), DATA, tmp_path / "out", start=tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="of stage 'large', expected 'small'"):
        train(settings(), DATA, tmp_path / "out", start=start)
    with pytest.raises(InputError, match="of stage 'small', expected 'large'"):
        train(settings("large"), DATA, tmp_path / "out", start=first)
    with pytest.raises(InputError, match="of another shape: features 8, expected 64"):
        train(settings("large"), DATA, tmp_path / "out", start=start)
    narrow = GridNet(baseline("separation").model_copy(update={"hidden": 16}))
    put(tmp_path / "narrow.safetensors", narrow, "baseline")
    with pytest.raises(InputError, match="of 16 units, expected 18 or more"):
        train(settings("boosted"), DATA, tmp_path, start=tmp_path / "narrow.safetensors")
    small = settings("film"), replace(DATA, task="enhancement")
    with pytest.raises(
        InputError, match="trained for separation, the data is for enhancement, and"
    ):
        train(*small, tmp_path, start=first)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not weights of this kbbench"):
        train(settings(), DATA, tmp_path / "out", start=tmp_path / "thesis.txt")
    assert not (tmp_path / "out").exists()


def test_the_file_that_a_run_writes_is_no_start(tmp_path: Path) -> None:
    ours = train(settings(), DATA, tmp_path).weights
    (tmp_path / "small/checkpoint.pt").unlink()
    (tmp_path / "link.safetensors").symlink_to(ours)
    for start in (ours, tmp_path / "link.safetensors"):
        with pytest.raises(InputError, match="this run writes that file; copy it"):
            train(settings(seed=1), DATA, tmp_path, start=start)


def test_a_large_network_that_was_tuned_comes_along(tmp_path: Path) -> None:
    fake_large(tmp_path / "a")
    fake_large(tmp_path / "b")
    tuned = settings("boosted", tune_large=True)
    start = train(tuned, DATA, tmp_path / "a").weights
    beside = tmp_path / "a/boosted.remote.safetensors"
    large = read_card(tmp_path / "a/large.safetensors")
    assert read_card(beside).start == large
    with pytest.raises(InputError, match="its large network was tuned with it; give --tune-large"):
        train(settings("boosted"), DATA, tmp_path / "b", start=start)
    still = settings("boosted", tune_large=True, **STILL)
    train(still, DATA, tmp_path / "b", start=start)
    ours, theirs = weights(tmp_path / "b/boosted.remote.safetensors"), weights(beside)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-9, rtol=0)
    assert read_card(tmp_path / "b/boosted.remote.safetensors").start == read_card(beside)


def test_a_device_learns_on_from_the_large_network_that_was_tuned_with_it(tmp_path: Path) -> None:
    fake_large(tmp_path / "a")
    start = train(settings("boosted", tune_large=True), DATA, tmp_path / "a").weights
    beside = tmp_path / "a/boosted.remote.safetensors"
    large = tmp_path / "b/large.safetensors"
    large.parent.mkdir()
    large.write_bytes(beside.read_bytes())
    kept = settings("boosted", cache_hints=True, **STILL)
    outcome = train(kept, DATA, large.parent, start=start)
    assert outcome.done and large.read_bytes() == beside.read_bytes()
    assert read_card(outcome.weights).start == read_card(start)
    ours, theirs = weights(outcome.weights), weights(start)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-9, rtol=0)


def test_a_large_network_that_was_tuned_with_a_device_learns_on_alone(tmp_path: Path) -> None:
    start = tmp_path / "boosted.remote.safetensors"
    network = seeded(0, lambda: RemoteGridNet(stage_config("large", "separation")))
    put(start, network, "large", tune_large=True)
    outcome = train(settings("large", **STILL), DATA, tmp_path / "out", start=start)
    assert read_card(outcome.weights).start == read_card(start)
    ours, theirs = weights(outcome.weights), weights(start)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-9, rtol=0)


def test_a_device_with_hints_keeps_the_shape_that_it_begins_with(tmp_path: Path) -> None:
    fake_large(tmp_path)
    start = tmp_path / "earlier.safetensors"
    put(start, device("attention"), "boosted")
    outcome = train(settings("boosted", **STILL), DATA, tmp_path, start=start)
    assert read_card(outcome.weights).config == device("attention").config
    assert read_card(outcome.weights).config != stage_config(
        "boosted", "separation", remote().config
    )
    ours, theirs = weights(outcome.weights), weights(start)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-9, rtol=0)
    put(
        start,
        GridNet(device("attention").config.model_copy(update={"hint_features": 3})),
        "boosted",
    )
    fake_large(tmp_path / "other")
    with pytest.raises(InputError, match="of another shape"):
        train(settings("boosted", **STILL), DATA, tmp_path / "other", start=start)


def test_for_another_task_the_large_network_is_that_of_the_folder(tmp_path: Path) -> None:
    fake_large(tmp_path / "a")
    start = train(settings("boosted", tune_large=True), DATA, tmp_path / "a").weights
    data = Data(OneWanted(), OneWanted(), "target_speech", "noises")
    for tuned in (True, False):
        out = tmp_path / f"tuned-{tuned}"
        fake_large(out, enrolled=True)
        train(settings("boosted", tune_large=tuned, **STILL), data, out, start=start)
        assert read_card(out / "boosted.safetensors").start == read_card(start)
    remote = read_card(tmp_path / "tuned-True/boosted.remote.safetensors")
    assert remote.start == read_card(tmp_path / "tuned-True/large.safetensors")


def test_weights_from_before_there_were_starts_load(tmp_path: Path) -> None:
    network = device()
    card = Card(
        kbbench="0",
        task="separation",
        stage="small",
        config=network.config,
        steps=3,
        validation_si_sdri_db=1.5,
        data="none",
        settings={"batch_size": 8},
    )
    old = json.loads(card.model_dump_json(exclude={"start", "start_sha256", "trained"}))
    path = tmp_path / "old.safetensors"
    save_file(network.state_dict(), path, metadata={"card": json.dumps(old)})
    assert read_card(path) == card
    assert card.training == Trained(steps=3, clips=24, seconds=0, untimed_steps=3)
    later = Trained(steps=1, clips=2, seconds=9)
    text = "4 steps, 26 clips, 9 s and the time of 3 steps"
    assert (card.training + later).text == text
    child = card.model_copy(update={"start": card, "settings": {}})
    assert child.training == Trained(steps=6, clips=24, seconds=0, untimed_steps=6)


def test_a_checkpoint_from_before_there_were_starts_carries_on(tmp_path: Path) -> None:
    train(settings(), DATA, tmp_path, minutes=0)
    checkpoint = tmp_path / "small/checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True)
    del state["start_sha256"]
    torch.save(state, checkpoint)
    assert train(settings(), DATA, tmp_path).done


def test_the_command_takes_it(first: Path, tmp_path: Path) -> None:
    options = f"train mini-separation --stage small --out {tmp_path} --start"
    missing = CliRunner().invoke(main, [*options.split(), "none.safetensors"])
    assert missing.exit_code == 2
    assert missing.stderr.splitlines() == [
        "error: none.safetensors: no such file; expected weights written by `kbbench train`"
    ]
    more = f"{first} --mixtures 1 --steps 1 --batch-size 1 --clip 0.2 --validation-mixtures 1"
    result = CliRunner().invoke(main, [*options.split(), *more.split(), "--workers", "0"])
    assert result.exit_code == 0, result.output
    assert read_card(tmp_path / "small.safetensors").start == read_card(first)
