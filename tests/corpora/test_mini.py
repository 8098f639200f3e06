"""The mini corpus is what its tables say, and can fill every recipe."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kbbench.audio import pcm_sha256, read_pcm, to_float
from kbbench.corpora import load_corpus, mini
from kbbench.errors import InputError
from kbbench.resources import recipes_folder
from kbbench.scenes.recipe import SPLITS

CORPUS = recipes_folder() / "mini-corpus"
LIMIT_BYTES = 10 * 2**20


def test_every_recording_is_what_its_table_says() -> None:
    corpus = load_corpus("mini")
    for item in (*corpus.utterances, *corpus.noises):
        pcm = read_pcm(item.path)
        assert pcm.shape == (1, item.samples), item.id
        assert pcm_sha256(pcm) == item.sha256, item.id
        assert np.abs(pcm).max() < 32767, f"{item.id} clips"
        assert to_float(pcm).std() > 0.005, f"{item.id} is silent"


def test_utterances_last_three_to_eight_seconds() -> None:
    for item in load_corpus("mini").utterances:
        assert 3.0 <= item.samples / 16_000 <= 8.0, item.id


def test_talkers_recordings_and_heads_are_in_one_split_each() -> None:
    corpus = load_corpus("mini")
    for pairs in (
        {(item.talker, item.split, item.role) for item in corpus.utterances},
        {(item.id, item.split) for item in corpus.noises},
        {(item.id, item.split) for item in corpus.heads},
    ):
        names = [pair[0] for pair in pairs]
        assert len(names) == len(set(names))


def test_no_recording_is_there_twice() -> None:
    corpus = load_corpus("mini")
    hashes = [item.sha256 for item in (*corpus.utterances, *corpus.noises)]
    assert len(hashes) == len(set(hashes))


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_has_enough_of_everything(split: str) -> None:
    corpus = load_corpus("mini")
    talkers = corpus.talkers(split, "talker")
    assert len(talkers) >= 2
    assert all(len(utterances) >= 3 for utterances in talkers.values())
    assert corpus.talkers(split, "babble")
    assert sum(item.split == split for item in corpus.noises) >= 2
    assert any(head.split == split for head in corpus.heads)


def test_it_is_small_and_its_licences_are_told() -> None:
    size = sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file())
    assert size <= LIMIT_BYTES
    corpus = load_corpus("mini")
    licences = corpus.attribution
    rows = (CORPUS / "speech.csv").read_text() + (CORPUS / "noise.csv").read_text()
    packages = {line.rsplit(",", 1)[1] for line in rows.splitlines()[1:] if line}
    packages.discard("package")
    for package in packages:
        assert package in licences, f"LICENSES.md says nothing of {package}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    shutil.copytree(CORPUS, tmp_path / "mini-corpus")
    victim = sorted((tmp_path / "mini-corpus" / "speech").rglob("*.flac"))[0]
    victim.unlink()
    with pytest.raises(InputError, match=f"{victim.name}: missing; the mini corpus is incomplete"):
        mini.load(tmp_path / "mini-corpus")


def test_an_unknown_corpus_is_refused() -> None:
    with pytest.raises(InputError, match=r"'librispeach': unknown, .* did you mean librispeech"):
        load_corpus("librispeach")
