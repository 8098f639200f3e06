"""Rendering again: identical, equivalent or different, and never one called the other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from kbbench.audio import read_pcm
from kbbench.cli import main
from kbbench.scenes.dataset import Dataset, read_header, write_header
from kbbench.scenes.export import export_dataset
from kbbench.scenes.rerender import EQUIVALENT_DB, difference_db, render_again
from tests.scenes.test_verify import replace_stem

Data = Callable[[str], Dataset]


@pytest.fixture
def copy(tmp_path: Path, tiny_dataset: Data) -> Path:
    shutil.copytree(tiny_dataset("enhancement").folder, tmp_path / "data")
    return tmp_path / "data"


def last_bit(folder: Path, mixture: str) -> None:
    """A mixture as a platform would make it that rounds one sample the other way."""
    for stem in ("mixture", "noise"):
        replace_stem(folder, mixture, stem, lambda pcm: pcm + (np.arange(pcm.shape[1]) == 500))


def verify(folder: Path, *more: str) -> tuple[int, list[str]]:
    arguments = ["verify-data", str(folder), "--workers", "1", *more]
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.stdout.splitlines()


def test_the_difference_is_in_the_stems_own_level() -> None:
    again = np.full((2, 1000), 100, dtype=np.int16)
    stored = again.copy()
    assert difference_db(stored, again) == -np.inf
    stored[0, 7] += 1  # one of 2000 samples by 1, beside 100 in each
    assert difference_db(stored, again) == pytest.approx(10 * np.log10(1 / 2000 / 100**2))
    assert difference_db(again + 1, again) == pytest.approx(-40.0)
    assert difference_db(again, 0 * again) == np.inf
    assert difference_db(again[:, :-1], again) == np.inf


def test_the_same_platform_is_identical(tiny_dataset: Data, tmp_path: Path) -> None:
    folder = tiny_dataset("target_speech").folder
    code, lines = verify(folder, "--render", "all")
    assert (code, lines[-1]) == (0, "6 of 6 mixtures rendered again: identical to the bit")
    export_dataset(folder, "webdataset", tmp_path / "tar")
    code, lines = verify(tmp_path / "tar", "--render", "2")
    assert (code, lines[-1]) == (0, "2 of 2 mixtures rendered again: identical to the bit")


def test_the_last_bit_is_equivalent_and_not_identical(copy: Path) -> None:
    last_bit(copy, "test/00001")
    rendered = render_again(copy, 100, 1)
    assert (rendered.identical, rendered.equivalent, rendered.different) == (5, 1, 0)
    assert rendered.findings == ()
    noise = read_pcm(copy / "test/00001/noise.flac")
    mixture = read_pcm(copy / "test/00001/mixture.flac")
    quieter = min(float(np.mean(np.square(stem.astype(float)))) for stem in (noise, mixture))
    expected = 10 * np.log10(2 / noise.size / quieter)
    assert rendered.difference_db == pytest.approx(expected, abs=0.01)
    assert rendered.difference_db < EQUIVALENT_DB
    code, lines = verify(copy, "--render", "all")
    assert code == 0, lines
    assert lines[-1] == (
        "6 mixtures rendered again: 5 identical, 1 equivalent within "
        f"{rendered.difference_db:.1f} dB"
    )


def test_another_mixture_is_named(copy: Path) -> None:
    last_bit(copy, "test/00000")
    noise = read_pcm(copy / "test/00001/noise.flac")
    quiet = np.rint(0.01 * noise).astype(np.int16)  # 0.09 dB: no level check finds it
    for stem in ("noise", "mixture"):
        replace_stem(copy, "test/00001", stem, lambda pcm: pcm + quiet)
    code, lines = verify(copy, "--render", "all")
    assert code == 1
    (finding,) = [line for line in lines if "differs from what is rendered here" in line]
    assert finding.startswith("test/00001: noise.flac differs from what is rendered here by -4")
    assert "6 mixtures rendered again: 4 identical, 1 equivalent within -" in lines[-1]
    assert lines[-1].endswith(" dB, 1 different")


def test_mixtures_are_spread_evenly(copy: Path) -> None:
    (copy / "train/00000/mixture.flac").unlink()  # places 0, 2 and 4 of six
    (copy / "train/00001/mixture.flac").unlink()
    (copy / "test/00001/mixture.flac").unlink()
    done: list[tuple[int, int]] = []
    rendered = render_again(copy, 3, 1, lambda n, of: done.append((n, of)))
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert rendered.different == 2
    assert rendered.findings == (
        "test/00001: mixture.flac is missing or damaged, so not compared",
        "train/00000: mixture.flac is missing or damaged, so not compared",
    )


def test_another_corpus_is_said(copy: Path) -> None:
    header = read_header(copy)
    assert header is not None
    write_header(copy, header.model_copy(update={"corpus_sha256": "0" * 64}))
    rendered = render_again(copy, 1, 1)
    (finding,) = rendered.findings
    assert "dataset.json says 0000000000000000; the dataset was made from another one" in finding
    assert rendered.identical == 1


@pytest.mark.parametrize("count", ["0", "-1", "some", "1.5"])
def test_a_count_that_is_none_is_one_line(count: str, copy: Path) -> None:
    result = CliRunner().invoke(main, ["verify-data", str(copy), "--render", count])
    assert result.exit_code == 2
    assert f"{count!r}: expected a number of mixtures, or all" in result.stderr
    assert json.loads((copy / "dataset.json").read_text())["complete"]
