"""Speed and level of clips: physics, sums, and a draw that depends on the clip's number alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from kbbench.baselines.training import Settings
from kbbench.baselines.training.augment import Change
from kbbench.baselines.training.clips import Clips, Item
from kbbench.baselines.training.hints import heard_scenes
from kbbench.baselines.weights import read_card
from kbbench.cli import main
from kbbench.cli.options import Speeds
from kbbench.errors import InputError
from tests.baselines.networks import remote
from tests.baselines.training.noises import DATA, LENGTH, Noises, settings

SPEEDS = (90, 95, 100, 105, 110)


class Tones:
    """One mixture of a tone at each ear, with a talker whose enrollment is the first tone."""

    frequencies_hz = (440.0, 1230.0)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Item:
        n = np.arange(LENGTH)
        waves = [np.sin(2 * math.pi * f / 16000 * n) for f in self.frequencies_hz]
        mixture = torch.from_numpy(np.stack(waves).astype(np.float32))
        return {"mixture": mixture, "references": mixture[None], "enrollment": mixture[:1]}


@pytest.mark.parametrize("percent", [90, 93, 95, 105, 110, 200])
def test_a_tone_is_that_much_higher_from_the_very_sample_on(percent: int) -> None:
    change, mixture = Change(percent, 1.0), Tones()[0]["mixture"]
    for start in (0, 1, 701, LENGTH - change.needed(1600)):
        clip = change.excerpt(mixture, start, 1600)
        where = start + np.arange(1600) * percent / 100
        inside = (where > 200) & (where < LENGTH - 200)  # silence is around the recording
        for ear, frequency_hz in enumerate(Tones.frequencies_hz):
            expected = np.sin(2 * math.pi * frequency_hz / 16000 * where)
            assert np.abs(clip[ear].numpy() - expected)[inside].max() < 1e-5


def test_a_mixture_stays_the_sum_of_its_parts() -> None:
    clips = Clips(Noises(), settings(speeds_percent=SPEEDS, gain_db=10))
    for number in range(20):
        clip = clips[number]
        assert clip["mixture"].shape == (2, 1600)
        torch.testing.assert_close(clip["references"].sum(0), clip["mixture"], atol=1e-5, rtol=0)


def test_the_change_of_a_clip_depends_on_its_number_alone() -> None:
    many = settings(speeds_percent=SPEEDS, gain_db=10, seed=3)
    changes = [Change.drawn(many, number) for number in range(300)]
    assert {change.speed_percent for change in changes} == set(SPEEDS)
    gains_db = 20 * np.log10([change.gain for change in changes])
    assert -10 <= gains_db.min() < -9 and 9 < gains_db.max() <= 10
    assert abs(gains_db.mean()) < 1
    assert changes[7] == Change.drawn(many, 7) != Change.drawn(settings(seed=4, gain_db=10), 7)
    clips, fresh = Clips(Noises(), many), Clips(Noises(), many)
    clips[3]
    assert torch.equal(clips[5]["mixture"], fresh[5]["mixture"])


def test_without_a_change_clips_are_the_recordings_themselves() -> None:
    assert Change.drawn(settings(), 5) == (100, 1.0, False)
    clip = Clips(Noises(), settings())[1]["mixture"]
    mixtures = [Noises()[n]["mixture"] for n in range(3)]
    pieces = torch.stack([mixture.unfold(-1, 1600, 1) for mixture in mixtures])  # (3, 2, N, 1600)
    assert (pieces == clip[None, :, None]).all(-1).all(1).any()


def test_all_clips_are_of_one_length_and_the_enrollment_keeps_pace() -> None:
    long = settings(speeds_percent=SPEEDS, clip_s=10)
    for number in range(8):
        change, clip = Change.drawn(long, number), Clips(Tones(), long)[number]
        assert clip["mixture"].shape[-1] == clip["enrollment"].shape[-1] == LENGTH * 100 // 110
        where = np.arange(300, 2000) * change.speed_percent / 100
        expected = np.sin(2 * math.pi * 440 / 16000 * where)
        assert np.abs(clip["enrollment"][0, 300:2000].numpy() - expected).max() < 1e-5


def test_every_other_clip_is_mirrored_whole() -> None:
    plain, mirrored = (Clips(Noises(), settings(mirror=mirror)) for mirror in (False, True))
    turned = 0
    for number in range(40):
        before, after = plain[number], mirrored[number]
        if Change.drawn(mirrored.settings, number).mirrored:
            turned += 1
            before = {name: before[name].flip(-2) for name in ("mixture", "references")}
        for name in ("mixture", "references"):
            assert torch.equal(after[name], before[name])
    assert 10 < turned < 30
    voice = Tones()[0]["enrollment"]
    assert torch.equal(Change(100, 1.0, mirrored=True).excerpt(voice, 5, 50), voice[:, 5:55])


@pytest.mark.parametrize("change", [{"speeds_percent": (90, 100)}, {"mirror": True}])
def test_kept_hints_go_with_gain_alone(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave out either --cache-hints, or --speed and --mirror"):
        settings("boosted", cache_hints=True, **change)
    kept = settings("distilled", cache_hints=True, gain_db=6)
    clips = Clips(heard_scenes(DATA, kept, remote(), tmp_path), kept)
    plain = Clips(clips.scenes, settings("distilled", cache_hints=True))
    for name in ("mixture", "references", "heard_estimates"):
        louder = Change.drawn(kept, 2).gain * plain[2][name]
        torch.testing.assert_close(clips[2][name], louder)


@pytest.mark.parametrize(
    ("text", "percents"),
    [("0.9-1.1", SPEEDS), ("1", (100,)), ("1.1,0.9,1", (90, 100, 110)), ("0.93", (93,))],
)
def test_speeds_are_read(text: str, percents: tuple[int, ...]) -> None:
    assert Speeds().convert(text, None, None) == percents


def test_the_command_takes_both(tmp_path: Path) -> None:
    line = f"train mini-separation --stage small --out {tmp_path} --mixtures 1 --steps 1 --clip 0.2"
    more = "--batch-size 1 --validation-mixtures 1 --workers 0 --gain 6 --speed 0.9-1.1"
    result = CliRunner().invoke(main, [*line.split(), *more.split()])
    assert result.exit_code == 0, result.output
    kept = read_card(tmp_path / "small.safetensors").settings
    assert (tuple(kept["speeds_percent"]), kept["gain_db"]) == (SPEEDS, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "expected speeds such as 0.9-1.1"),
        ("1.1-0.9", "expected ascending speeds"),
        ("-1", "expected speeds such as"),
        ("0.1", "a speed is 50 to 200 percent, got 10"),
    ],
)
def test_what_is_no_speed_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    line = f"train mini-separation --stage small --out {tmp_path / 'out'} --speed={text}"
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 2
    (error,) = result.stderr.splitlines()
    assert message in error
    assert not (tmp_path / "out").exists()


def test_runs_from_before_there_were_speeds_carry_on() -> None:
    old = settings().model_dump(exclude={"speeds_percent", "gain_db", "mirror"})
    assert Settings.model_validate(old) == settings()
