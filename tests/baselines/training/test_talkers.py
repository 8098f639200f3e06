"""Talkers are learnt to be told apart: of voices never heard, once a folder, and for good."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from kbbench.baselines.config import small
from kbbench.baselines.dvector import pretrained
from kbbench.baselines.gridnet import GridNet, Separated, State
from kbbench.baselines.merging import Heard
from kbbench.baselines.training import train
from kbbench.baselines.training.clips import Data, Item
from kbbench.baselines.training.loss import nearer
from kbbench.baselines.training.talkers import FOLDER, taught
from kbbench.baselines.triples import seeded
from kbbench.baselines.weights import load_device, read_card
from kbbench.errors import InputError
from tests.baselines.networks import remote
from tests.baselines.training.noises import DATA, put, settings

LENGTH = 4000
WAVES = np.arange(1, 13)
"""Of log spectra: the first few are the microphone's, the others the voice's."""
SLOW = 3


class Voices:
    """Mixtures of two talkers, an ear each; each is white noise through a spectrum of its own."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Item:
        own, other = 2 * (self.first + index), 2 * (self.first + index) + 1
        reference, rest = torch.zeros(2, LENGTH), torch.zeros(2, LENGTH)
        reference[index % 2], rest[1 - index % 2] = voice(own, 1)[0], voice(other, 1)[0]
        return {
            "mixture": reference + rest,
            "references": reference[None],
            "enrollment": voice(own, 2),
        }


class EarByEar(GridNet):
    """A device whose candidates are what either ear hears."""

    def separate(
        self, frames: Tensor, state: State, heard: Heard | None
    ) -> tuple[Separated, State]:
        """All of it right, and features as they are."""
        separated, state = super().separate(frames, state, heard)
        spectra = frames.permute(0, 2, 3, 1, 4)[:, :, :, None] * torch.eye(2)[:, :, None]
        level = torch.ones_like(separated.level)
        return Separated(spectra, separated.features, level), state


def fresh() -> EarByEar:
    """As training begins with it."""
    return seeded(0, lambda: EarByEar(small("target_speech"))).eval()


def voice(talker: int, utterance: int) -> Tensor:
    """(1, samples), through a microphone of its own."""
    rng = np.random.default_rng((talker, utterance))
    heights = 0.3 * np.random.default_rng(talker).standard_normal(len(WAVES))
    heights[:SLOW] = rng.standard_normal(SLOW)
    spectrum = np.fft.rfft(rng.standard_normal(LENGTH))
    places = np.linspace(0, math.pi, len(spectrum))
    sound = np.fft.irfft(spectrum * np.exp(heights @ np.cos(WAVES[:, None] * places)), LENGTH)
    return torch.from_numpy(0.1 * sound / sound.std()).float()[None]


VOICES = Data(Voices(0, 96), Voices(1000, 32), "target_speech", "voices")


def test_unheard_voices_are_picked_by_their_enrollment(tmp_path: Path) -> None:
    heard = default_collate([VOICES.validation[index] for index in range(32)])
    network = fresh()
    assert network.picker is not None

    def right() -> float:
        with torch.inference_mode():
            estimates = network(heard["mixture"], enrollment=heard["enrollment"])
        return float(nearer(estimates, heard["references"], heard["mixture"]).float().mean())

    assert right() <= 0.75
    encoder = taught(network.config.voice, VOICES, settings(talker_steps=40), tmp_path)
    network.picker.encoder.load_state_dict(encoder.state_dict())
    assert right() >= 0.95


def test_nearer_to_the_wanted_talker_than_to_all_else() -> None:
    batch = default_collate([VOICES.validation[index] for index in range(4)])
    wanted, mixture = batch["references"], batch["mixture"]
    rest = mixture[:, None] - wanted
    for share, expected in ((1.0, True), (0.7, True), (0.3, False), (0.0, False)):
        estimates = share * wanted + (1 - share) * rest
        assert nearer(estimates, wanted, mixture).tolist() == [expected] * 4


def test_the_log_says_whether_talkers_are_known(tmp_path: Path) -> None:
    train(settings(talker_steps=40), VOICES, tmp_path)
    shares = pd.read_csv(tmp_path / "small/log.csv")["talkers_known"].dropna()
    network = load_device(tmp_path / "small.safetensors")
    best = read_card(tmp_path / "small.safetensors").steps
    heard = default_collate([VOICES.validation[index] for index in range(32)])
    with torch.inference_mode():
        estimates = network(heard["mixture"], enrollment=heard["enrollment"])
    right = nearer(estimates, heard["references"], heard["mixture"]).float().mean()
    assert len(shares) == 2
    assert shares.iloc[best // 2 - 1] == pytest.approx(float(right))
    train(settings(), DATA, tmp_path / "nobody")
    assert "talkers_known" not in pd.read_csv(tmp_path / "nobody/small/log.csv")


def test_it_is_learnt_once_a_folder_and_stays_as_it_is(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []

    def show(what: str) -> AbstractContextManager[Callable[[int, int], None]]:
        return nullcontext(lambda done, total: told.append((what, done, total)))

    knowing = settings(talker_steps=3)
    outcome = train(knowing, VOICES, tmp_path, show=show)
    assert told == [
        *(("steps of telling talkers apart", step, 3) for step in (1, 2, 3)),
        *(("steps of small", step, 4) for step in (1, 2, 3, 4)),
    ]
    (kept,) = (tmp_path / FOLDER).iterdir()
    expected = taught(64, VOICES, knowing, tmp_path).state_dict()
    network = load_device(outcome.weights)
    assert network.picker is not None
    found = network.picker.encoder.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert read_card(outcome.weights).settings["talker_steps"] == 3
    told.clear()
    train(settings("baseline", talker_steps=3), VOICES, tmp_path, show=show)
    assert {what for what, *_ in told} == {"steps of baseline"}
    taught(64, VOICES, settings(talker_steps=2), tmp_path)
    taught(64, replace(VOICES, words="others"), knowing, tmp_path)
    assert len(list((tmp_path / FOLDER).iterdir())) == 3 and kept.is_file()


def test_where_a_run_carries_on_it_stays_as_it_is(tmp_path: Path) -> None:
    first = train(settings(talker_steps=3), VOICES, tmp_path / "first").weights
    second = train(settings(), VOICES, tmp_path / "second", start=first).weights
    third = train(settings(), VOICES, tmp_path / "third", start=second).weights
    before, after = load_device(first).state_dict(), load_device(third).state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert not any(name.startswith("picker.encoder.") for name in changed)
    assert {"picker.sharpness", "encoder.conv.weight"} <= changed


def test_in_a_large_network_that_is_tuned_it_stays_as_it_is(tmp_path: Path) -> None:
    large = remote(enrolled=True, d_vector=True)
    put(tmp_path / "large.safetensors", large, "large", talker_steps=3, d_vector=True)
    train(settings("boosted", tune_large=True, learning_rate=1e-2), VOICES, tmp_path)
    before = load_device(tmp_path / "large.safetensors").state_dict()
    after = load_device(tmp_path / "boosted.remote.safetensors").state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert not any(name.startswith(("picker.encoder.", "picker.d_vector.")) for name in changed)
    assert {"picker.sharpness", "encoder.conv.weight"} <= changed


def test_what_was_lost_on_the_way_is_not_taken_for_taught(tmp_path: Path) -> None:
    first = train(settings(talker_steps=3), VOICES, tmp_path / "first").weights
    without = train(settings(), DATA, tmp_path / "without", start=first).weights
    again = train(settings(), VOICES, tmp_path / "again", start=without).weights
    assert [read_card(path).taught() for path in (first, without, again)] == [True, False, False]
    found, untaught = load_device(again), fresh()
    assert found.picker is not None and untaught.picker is not None
    before = untaught.picker.encoder.state_dict()
    assert any(
        not torch.equal(value, before[name])
        for name, value in found.picker.encoder.state_dict().items()
    )


def test_without_it_the_encoder_learns_with_the_rest(tmp_path: Path) -> None:
    network, untaught = load_device(train(settings(), VOICES, tmp_path).weights), fresh()
    assert network.picker is not None and untaught.picker is not None
    before = untaught.picker.encoder.state_dict()
    assert any(
        not torch.equal(value, before[name])
        for name, value in network.picker.encoder.state_dict().items()
    )
    assert not (tmp_path / FOLDER).exists()


def test_a_cut_run_carries_on_to_the_same_weights(tmp_path: Path) -> None:
    knowing = settings(talker_steps=2)
    whole = load_device(train(knowing, VOICES, tmp_path / "whole").weights).state_dict()
    while not train(knowing, VOICES, tmp_path / "cut", minutes=0).done:
        pass
    cut = load_device(tmp_path / "cut/small.safetensors").state_dict()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_it_is_refused_where_there_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--talker-steps: separation has no enrollments"):
        train(settings(talker_steps=1), DATA, tmp_path)
    first = train(settings(), VOICES, tmp_path / "first").weights
    with pytest.raises(InputError, match="--start tells talkers apart already"):
        train(settings(talker_steps=1), VOICES, tmp_path / "next", start=first)


def test_d_vectors_are_learnt_from_but_for_their_recurrent_layers(tmp_path: Path) -> None:
    first = train(settings("large", steps=1), VOICES, tmp_path / "first").weights
    knowing = settings("large", d_vector=True, talker_steps=2, steps=1, learning_rate=1e-9)
    network = load_device(train(knowing, VOICES, tmp_path / "next", start=first).weights)
    assert network.picker is not None and network.picker.d_vector is not None
    found, given = network.picker.d_vector.state_dict(), pretrained().state_dict()
    stayed = {name for name, value in found.items() if torch.equal(value, given[name])}
    assert stayed == {name for name in found if name.startswith("lstm.")}
    lent = load_device(first).state_dict()
    for name, value in lent.items():
        torch.testing.assert_close(network.state_dict()[name], value, atol=1e-6, rtol=0)
    with pytest.raises(InputError, match="knows voices by d-vectors; give --d-vector"):
        train(
            settings("large"), VOICES, tmp_path / "less", start=tmp_path / "next/large.safetensors"
        )
    again = settings("large", d_vector=True, steps=1, learning_rate=1e-9)
    other = train(again, VOICES, tmp_path / "again", start=tmp_path / "next/large.safetensors")
    kept = load_device(other.weights).state_dict()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(kept[name], value, atol=1e-6, rtol=0)


def test_d_vectors_are_for_the_large_network_of_target_speech(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="d_vector: for stage large alone, not 'small'"):
        settings(d_vector=True)
    with pytest.raises(InputError, match="--d-vector: separation has no enrollments"):
        train(settings("large", d_vector=True), DATA, tmp_path)
