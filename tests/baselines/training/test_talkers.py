"""Enrollments are learnt to be told apart: of voices never heard, once a folder, and for good."""

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

from kbbench.baselines.enrollment import Enrollment
from kbbench.baselines.training import train
from kbbench.baselines.training.clips import Data, Item
from kbbench.baselines.training.talkers import FOLDER, taught, told_apart
from kbbench.baselines.triples import seeded
from kbbench.baselines.weights import load_device, read_card
from kbbench.errors import InputError
from tests.baselines.training.noises import DATA, settings

LENGTH = 4000
WAVES = np.arange(1, 13)
"""Of log spectra: the first few are the microphone's, the others the voice's."""
SLOW = 3


class Voices:
    """Mixtures of two talkers, each white noise through a spectrum of its own; one is enrolled."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Item:
        own, other = 2 * (self.first + index), 2 * (self.first + index) + 1
        wanted = voice(own, 1)
        mixture = (wanted + 0.3 * voice(other, 1)).expand(2, -1)
        return {
            "mixture": mixture,
            "references": wanted.expand(2, -1)[None],
            "enrollment": voice(own, 2),
        }


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


def test_voices_that_were_never_heard_are_told_apart(tmp_path: Path) -> None:
    heard = default_collate([VOICES.validation[index] for index in range(32)])
    encoder = taught(VOICES, settings(talker_steps=40), tmp_path)
    with torch.inference_mode():
        before, after = (told_apart(one, heard) for one in (seeded(0, Enrollment), encoder))
    assert before.float().mean() <= 0.75
    assert after.float().mean() >= 0.95


def test_the_log_says_whether_talkers_are_known(tmp_path: Path) -> None:
    train(settings(talker_steps=40), VOICES, tmp_path)
    shares = pd.read_csv(tmp_path / "small/log.csv")["talkers_known"].dropna()
    assert len(shares) == 2 and (shares >= 0.95).all()
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
    expected = taught(VOICES, knowing, tmp_path).state_dict()
    network = load_device(outcome.weights)
    assert network.enrollment is not None
    found = network.enrollment.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert read_card(outcome.weights).settings["talker_steps"] == 3
    told.clear()
    train(settings("baseline", talker_steps=3), VOICES, tmp_path, show=show)
    assert {what for what, *_ in told} == {"steps of baseline"}
    taught(VOICES, settings(talker_steps=2), tmp_path)
    taught(replace(VOICES, words="others"), knowing, tmp_path)
    assert len(list((tmp_path / FOLDER).iterdir())) == 3 and kept.is_file()


def test_without_it_the_encoder_learns_with_the_rest(tmp_path: Path) -> None:
    network = load_device(train(settings(), VOICES, tmp_path).weights)
    assert network.enrollment is not None
    fresh = seeded(0, Enrollment).state_dict()
    assert any(
        not torch.equal(value, fresh[name])
        for name, value in network.enrollment.state_dict().items()
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
    with pytest.raises(InputError, match="--start has an encoder of enrollments already"):
        train(settings(talker_steps=1), VOICES, tmp_path / "next", start=first)
