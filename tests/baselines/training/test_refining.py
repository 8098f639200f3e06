"""A large network that is given a device inside, whose estimates it refines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from kbbench.baselines.config import GridNetConfig, baseline
from kbbench.baselines.gridnet import GridNet, RemoteGridNet
from kbbench.baselines.stages import Stage, stage_config
from kbbench.baselines.training import train
from kbbench.baselines.training.clips import Data
from kbbench.baselines.triples import seeded
from kbbench.baselines.weights import load_remote, read_card
from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.models.contract import Task
from kbbench.models.sources import file_sha256
from tests.baselines.networks import device, make_masks_differ, remote
from tests.baselines.training.noises import DATA, STILL, OneWanted, put, settings, weights

ENROLLED = Data(OneWanted(), OneWanted(), "target_speech", "noises")


def inside(folder: Path, task: Task = "separation", stage: Stage = "baseline") -> Path:
    """Weights of a device without hints, its masks far apart."""
    network = seeded(4, lambda: GridNet(baseline(task)))
    make_masks_differ(network)
    path = folder / f"{stage}-{task}.safetensors"
    put(path, network, stage)
    return path


def large(folder: Path) -> Path:
    """Weights of a large network without a device inside."""
    network = seeded(5, lambda: RemoteGridNet(stage_config("large", "separation")))
    make_masks_differ(network)
    path = folder / "start.safetensors"
    put(path, network, "large")
    return path


def refined(out: Path, **more: Any) -> Path:
    """Weights of a large network that was just given a device."""
    out.mkdir(exist_ok=True)
    given = {"start": large(out), "refine": inside(out)}
    return train(settings("large", **{**STILL, **more}), DATA, out, **given).weights


def test_at_first_it_is_the_mean_of_both_in_one_order(tmp_path: Path) -> None:
    start, path = large(tmp_path), inside(tmp_path)
    new = load_remote(refined(tmp_path), "features")
    mixture = torch.stack([DATA.train[0]["mixture"], DATA.train[1]["mixture"]])
    with torch.inference_mode():
        old, _ = load_remote(start, "features")(mixture)
        device, found = load_remote(path, "features")(mixture)[0], new(mixture)[0]
    orders = [(old + device[:, order]) / 2 for order in ([0, 1], [1, 0])]
    agreement = [float((old * device[:, order]).sum()) for order in ([0, 1], [1, 0])]
    best = agreement.index(max(agreement))
    torch.testing.assert_close(found, orders[best], atol=1e-5, rtol=0)
    assert (orders[0] - orders[1]).abs().max() > 1e-3


def test_the_order_is_that_of_the_network_that_refines(tmp_path: Path) -> None:
    """Its sources swapped, those of the device are too."""
    start, swapped = large(tmp_path), tmp_path / "swapped.safetensors"
    network = load_remote(start, "features")
    with torch.no_grad():
        for weight in network.decoder.parameters():
            weight.copy_(weight.reshape(2, -1)[[1, 0]].reshape(weight.shape))
    put(swapped, network, "large")
    given = {"refine": inside(tmp_path)}
    found = [
        load_remote(
            train(
                settings("large", **STILL), DATA, tmp_path / one.stem, start=one, **given
            ).weights,
            "features",
        )
        for one in (start, swapped)
    ]
    mixture = DATA.train[0]["mixture"][None]
    with torch.inference_mode():
        ours, theirs = (network(mixture)[0] for network in found)
    torch.testing.assert_close(theirs, ours[:, [1, 0]], atol=1e-5, rtol=0)


def test_the_device_inside_stays_as_it_is_and_the_rest_learns(tmp_path: Path) -> None:
    begun, done = (
        weights(refined(tmp_path / "a")),
        weights(refined(tmp_path / "b", steps=4, learning_rate=1e-2)),
    )
    kept = [name for name in begun if name.startswith("refined.")]
    assert kept and "trust" in begun
    assert all(torch.equal(begun[name], done[name]) for name in kept)
    moved = [name for name in begun if not torch.equal(begun[name], done[name])]
    assert "trust" in moved and {*moved} == {*begun} - {*kept}


def test_tuned_with_a_boosted_device_it_stays_too(tmp_path: Path) -> None:
    put(tmp_path / "large.safetensors", remote(refines=True), "large")
    tuned = settings("boosted", tune_large=True, learning_rate=1e-2)
    train(tuned, DATA, tmp_path)
    begun = weights(tmp_path / "large.safetensors")
    done = weights(tmp_path / "boosted.remote.safetensors")
    kept = {name for name in begun if name.startswith("refined.")}
    assert {name for name in begun if torch.equal(begun[name], done[name])} == kept != set()


def test_its_card_says_what_is_inside(tmp_path: Path) -> None:
    path = refined(tmp_path)
    card, device = read_card(path), tmp_path / "baseline-separation.safetensors"
    assert card.refined_sha256 == file_sha256(device)
    assert card.refined == read_card(device)
    assert card.config.refines == baseline("separation")
    assert card.start == read_card(tmp_path / "start.safetensors")
    again = train(settings("large", **STILL), DATA, tmp_path / "again", start=path)
    assert read_card(again.weights).config == card.config
    ours, theirs = weights(again.weights), weights(path)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-9, rtol=0)


def test_a_cut_run_carries_on_and_refuses_another_device(tmp_path: Path) -> None:
    whole = weights(refined(tmp_path / "whole", steps=4, learning_rate=1e-3))
    out = tmp_path / "cut"
    out.mkdir()
    given: dict[str, Any] = {"start": large(out), "refine": inside(out)}
    longer = settings("large", **{**STILL, "steps": 4, "learning_rate": 1e-3})
    assert not train(longer, DATA, out, minutes=0, **given).done
    other = {**given, "refine": tmp_path / "other.safetensors"}
    put(other["refine"], GridNet(baseline("separation")), "baseline")
    with pytest.raises(InputError, match="begun with start"):
        train(longer, DATA, out, **other)
    outcome = train(longer, DATA, out, **given)
    assert outcome.done
    ours = weights(outcome.weights)
    assert all(torch.equal(ours[name], whole[name]) for name in whole)


def test_for_another_task_the_device_inside_comes_along(tmp_path: Path) -> None:
    start = refined(tmp_path)
    outcome = train(settings("large", **STILL), ENROLLED, tmp_path / "wanted", start=start)
    card = read_card(outcome.weights)
    assert (card.task, card.config.refines) == ("target_speech", baseline("separation"))
    ours, theirs = weights(outcome.weights), weights(start)
    for name in ours:
        if name.startswith(("refined.", "trust", "encoder.")):
            torch.testing.assert_close(ours[name], theirs[name], atol=1e-9, rtol=0)


def test_one_that_picks_refines_all_talkers_of_one_that_picks(tmp_path: Path) -> None:
    path = inside(tmp_path, "target_speech")
    outcome = train(settings("large", **STILL), ENROLLED, tmp_path / "out", refine=path)
    assert read_card(outcome.weights).config.refines == baseline("separation")
    ours, theirs = weights(outcome.weights), weights(path)
    assert not any(name.startswith("refined.picker") for name in ours)
    assert torch.equal(ours["refined.encoder.conv.weight"], theirs["encoder.conv.weight"])


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path, out = inside(tmp_path), tmp_path / "out"

    def refuses(match: str, stage: Stage = "large", **given: Path) -> None:
        with pytest.raises(InputError, match=match):
            train(settings(stage), DATA, out, **given)
        assert not out.exists()

    refuses("--refine: for stage large alone, not 'small'; leave it out", "small", refine=path)
    refuses("of stage 'large' for separation, expected a device", refine=large(tmp_path))
    wanted = inside(tmp_path, "target_speech")
    refuses("for target_speech, expected a device without hints for separation", refine=wanted)
    boosted = tmp_path / "boosted.safetensors"
    put(boosted, device("attention"), "boosted")
    refuses("of stage 'boosted' for separation, expected a device", refine=boosted)
    refuses("refines a device already; leave it out", refine=path, start=refined(tmp_path))
    refuses("no such file", refine=tmp_path / "none.safetensors")


def test_shapes_that_do_not_fit_are_refused() -> None:
    one = GridNetConfig(sources=1, features=4, hidden=4)
    for refines, match in [
        (one, "refines 1 estimates, expected 2"),
        (baseline("target_speech"), "expected one without"),
    ]:
        with pytest.raises(ValueError, match=match):
            GridNetConfig(sources=2, features=4, hidden=4, refines=refines)


def test_the_command_takes_it(tmp_path: Path) -> None:
    given = ["mini-separation", "--stage", "small", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["train", *given, "--refine", str(inside(tmp_path))])
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "error: --refine: for stage large alone, not 'small'; leave it out"
    ]
