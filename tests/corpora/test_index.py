"""The index: each header is read once, whatever changed is read again, and a bad cache is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import soundfile

from kbbench.corpora import Corpora, Corpus, index, load_corpora
from kbbench.corpora.index import Facts, cache_folder, measure
from tests.corpora.conftest import Tree, sofa, sound

TABLE = Corpora.model_validate({"speech": "mini", "noise": "wham", "heads": "mini"})


def load(root: Path) -> Corpus:
    return load_corpora(TABLE, {"wham": root})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose headers are read."""
    names: list[str] = []
    info = soundfile.info

    def watched(path: Path) -> object:
        names.append(path.name)
        return info(path)

    monkeypatch.setattr(index.soundfile, "info", watched)
    return names


def test_a_folder_is_scanned_once(tree: Tree, opened: list[str]) -> None:
    root = tree("wham")
    first = load(root)
    assert len(opened) == 9
    assert load(root) == first
    assert len(opened) == 9


def test_what_has_changed_is_read_again_and_nothing_else(tree: Tree, opened: list[str]) -> None:
    root = tree("wham")
    before = load(root)
    opened.clear()
    folder = root / "wham_noise" / "tr"
    sound(folder / "trx_1.wav", 16_000, 2, seconds=0.5)
    sound(folder / "trx_9.wav", 16_000, 2)
    os.utime(folder / "trx_0.wav", (1, 1))
    after = load(root)
    assert sorted(opened) == ["trx_0.wav", "trx_1.wav", "trx_9.wav"]
    assert after.noise_by_id["wham:tr/trx_1"].samples == 8000
    unchanged = before.noises[0].id
    assert after.noise_by_id[unchanged].sha256 == before.noise_by_id[unchanged].sha256


def test_the_cache_is_not_in_the_user_s_folder(tree: Tree, cache: Path) -> None:
    root = tree("wham")
    files = sorted(root.rglob("*"))
    load(root)
    assert sorted(root.rglob("*")) == files
    assert [path.suffix for path in cache.iterdir()] == [".parquet"]


def test_a_damaged_cache_is_made_anew(tree: Tree, cache: Path, opened: list[str]) -> None:
    root = tree("wham")
    first = load(root)
    (table,) = cache.iterdir()
    table.write_bytes(b"damaged")
    opened.clear()
    assert load(root) == first
    assert len(opened) == 9
    assert table.read_bytes() != b"damaged"


def test_a_cache_that_cannot_be_written_is_done_without(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree("wham")
    first = load(root)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KBBENCH_CACHE", str(tmp_path / "file" / "cache"))
    assert load(root) == first


def test_without_a_setting_the_cache_is_where_the_platform_has_caches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KBBENCH_CACHE")
    assert cache_folder().name == "kbbench"
    assert cache_folder().is_absolute()


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("a.flac", 44_100, 1), ("a.wav", 8000, 2), ("a.ogg", 22_050, 1), ("a.opus", 48_000, 2)],
)
def test_headers_say_what_was_written(name: str, rate: int, channels: int, tmp_path: Path) -> None:
    facts = measure(sound(tmp_path / name, rate, channels))
    assert (facts.rate, facts.channels) == (rate, channels)
    assert facts.frames == pytest.approx(0.3 * rate, abs=0.01 * rate)


def test_a_head_s_header_says_directions_and_ears(tmp_path: Path) -> None:
    assert measure(sofa(tmp_path / "head.sofa", directions=7)) == Facts(7, 16_000, 2)
