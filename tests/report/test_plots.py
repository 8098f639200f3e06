"""Plots and pictures: what is drawn stands where its numbers say."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from kbbench.cost import CostFigure
from kbbench.cost.fair import matched
from kbbench.report.plots import cost_svg, gap_svg, spectrogram_png
from kbbench.report.plots.spectrogram import HOP, WINDOW
from kbbench.results import FinishedRun
from kbbench.results.price import SAME_IN_EVERY_RUN, Price
from kbbench.units import SAMPLE_RATE
from tests.report.test_page import summary


def tone(hertz: float, channels: int = 2) -> np.ndarray:
    wave = 16000 * np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    return np.tile(wave, (channels, 1)).astype(np.int16)


def brightness(png: bytes) -> np.ndarray:
    """Rows from low to high frequency, columns in time."""
    return np.asarray(imread(io.BytesIO(png)))[::-1, :, :3].sum(axis=-1)


@pytest.mark.parametrize("hertz", [500.0, 2000.0, 6500.0])
def test_a_tone_is_bright_at_its_frequency(hertz: float) -> None:
    picture = brightness(spectrogram_png(tone(hertz)))
    assert picture.shape[0] == WINDOW // 2 + 1
    assert abs(picture.shape[1] - SAMPLE_RATE / HOP) <= 2
    middle = picture[:, picture.shape[1] // 2]
    assert abs(int(middle.argmax()) - hertz * WINDOW / SAMPLE_RATE) <= 1


def test_pictures_share_a_scale_where_they_are_given_one() -> None:
    loud, quiet = tone(1000), tone(1000) // 100
    own = [brightness(spectrogram_png(pcm)).max() for pcm in (loud, quiet)]
    assert own[0] == own[1]
    shared = brightness(spectrogram_png(quiet, loudest_db=20.0)).max()
    assert shared < own[1]


def test_silence_and_a_sound_shorter_than_a_window_have_pictures() -> None:
    for pcm in (np.zeros((2, 16000), np.int16), tone(1000)[:, :100]):
        assert brightness(spectrogram_png(pcm)).size


def priced(device_macs: float) -> Price:
    def figures(macs: float) -> dict[str, CostFigure]:
        return {name: CostFigure(value=macs, unit="") for name in SAME_IN_EVERY_RUN}

    small, device = (CostFigure(value=macs, unit="MAC") for macs in (2e6, device_macs))
    return Price(
        delay_chunks=6,
        models={
            "small": figures(2e6),
            "device": figures(device_macs),
            "large": figures(4e7),
            "remote": figures(4e7),
        },
        deployed_parameters=CostFigure(value=5e5, unit="parameter"),
        hint_kbit_per_s=CostFigure(value=12.5, unit="kbit/s"),
        matched=matched(device, small),
    )


def test_every_run_has_a_line_of_gaps_and_its_points_of_cost() -> None:
    base = summary()
    runs = [
        FinishedRun(
            f"run $_{number}", base.model_copy(update={"price": priced(macs)}), pd.DataFrame()
        )
        for number, macs in enumerate((2e6, 3e6))
    ]
    gaps, costs = gap_svg(runs), cost_svg(runs)
    for run in runs:
        assert run.name in gaps
        assert f"{run.name}, small" in costs and f"{run.name}, boosted@6" in costs
    assert gaps == gap_svg(runs) and costs == cost_svg(runs)
    assert cost_svg([FinishedRun("no cost", base, pd.DataFrame())]) == ""
    gapless = base.model_copy(update={"gap_closed": {}})
    assert gap_svg([FinishedRun("no gap", gapless, pd.DataFrame())]) == ""
    assert runs[0].summary.mark == "not audited, does not rank"
    assert "1.5 x the small model" in runs[1].summary.mark
