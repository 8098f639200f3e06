"""Tar shards: the same dataset as in folders of FLAC, through kills, damage, shards and exports."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kbbench.audio import decode_pcm, pcm_sha256
from kbbench.errors import InputError
from kbbench.scenes.dataset import Dataset, read_header, write_header
from kbbench.scenes.export import export_dataset
from kbbench.scenes.make import make_dataset, make_shard
from kbbench.scenes.tar import TarShards
from kbbench.scenes.verify import verify_dataset
from tests.conftest import tiny_recipe
from tests.scenes.test_dataset import contents, write_recipe

Data = Callable[[str], Dataset]
TASKS = ("separation", "target_speech", "enhancement")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mixtures a tar: three test mixtures are in two of them."""
    monkeypatch.setattr("kbbench.scenes.tar.SHARD_MIXTURES", 2)


@pytest.fixture(scope="session")
def packed(tiny_dataset: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kbbench.scenes.tar.SHARD_MIXTURES", 2)
        out = tmp_path_factory.mktemp("tar") / "data"
        return make_dataset(tiny_recipe("enhancement"), out, 1, storage="tar").folder


@pytest.fixture
def copy(packed: Path, tmp_path: Path) -> Path:
    shutil.copytree(packed, tmp_path / "data")
    return tmp_path / "data"


def remake(folder: Path) -> Dataset:
    return make_dataset(tiny_recipe("enhancement"), folder, workers=1)


def renders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of what is rendered from now on."""
    from kbbench.scenes import pack

    real, ids = pack.render, []

    def render(plan, corpus):  # type: ignore[no-untyped-def]
        ids.append(plan.id)
        return real(plan, corpus)

    monkeypatch.setattr("kbbench.scenes.pack.render", render)
    return ids


def damage(tar: Path, member: str) -> None:
    """Turn over the bits of a member's sound, behind its header."""
    with tarfile.open(tar) as file:
        entry = file.getmember(member)
    with tar.open("r+b") as raw:
        raw.seek(entry.offset_data + entry.size // 2)
        old = raw.read(64)
        raw.seek(-64, os.SEEK_CUR)
        raw.write(bytes(255 - byte for byte in old))


def test_both_forms_hold_one_dataset(packed: Path, tiny_dataset: Data) -> None:
    flac, tar = tiny_dataset("enhancement"), Dataset.open(packed)
    assert tar.header.data_sha256 == flac.header.data_sha256
    for name in ("plan.parquet", "manifest.parquet"):
        assert (packed / name).read_bytes() == (flac.folder / name).read_bytes()
    assert tar.header == flac.header.model_copy(update={"storage": "tar"})
    for split in ("train", "validation", "test"):
        for one, other in zip(flac.mixtures(split), tar.mixtures(split), strict=True):
            assert one.id == other.id
            assert one.stems == other.stems
            for stem in one.stems:
                np.testing.assert_array_equal(one.read(stem), other.read(stem))


def test_a_tar_is_what_webdataset_reads(packed: Path, tiny_dataset: Data) -> None:
    assert sorted(name for name in contents(packed) if name.endswith(".tar")) == [
        "test/000000.tar",
        "test/000001.tar",
        "train/000000.tar",
        "validation/000000.tar",
    ]
    flac = tiny_dataset("enhancement").folder
    with tarfile.open(packed / "test/000001.tar") as tar:
        entries = tar.getmembers()
        stems = ("mixture", "noise", "source-0")
        assert [entry.name for entry in entries] == [
            "00002.json",
            *(f"00002.{stem}.flac" for stem in stems),
        ]
        for entry in entries:
            assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) == (
                0,
                0,
                0,
                "",
                0o644,
            )
        found = [tar.extractfile(entry).read() for entry in entries]  # type: ignore[union-attr]
    scene = (flac / "test/00002/scene.json").read_bytes()
    assert found == [scene, *((flac / f"test/00002/{stem}.flac").read_bytes() for stem in stems)]
    row = json.loads(found[0])
    assert row["sha256"]["noise"] == pcm_sha256(decode_pcm(found[2], "noise"))


def test_webdataset_itself_reads_them(packed: Path) -> None:
    reason = "WebDataset is not installed; `pip install webdataset` to run this test"
    tars = pytest.importorskip("webdataset.tariterators", reason=reason)
    samples: list[dict[str, bytes]] = []
    for number in range(2):
        with (packed / f"test/00000{number}.tar").open("rb") as stream:
            files = tars.tar_file_expander([{"url": f"{number}", "stream": stream}])
            samples += tars.group_by_keys(files)
    assert [sample["__key__"] for sample in samples] == ["00000", "00001", "00002"]
    for sample, mixture in zip(samples, Dataset.open(packed).mixtures("test"), strict=True):
        pcm = decode_pcm(sample["mixture.flac"], "mixture")
        np.testing.assert_array_equal(pcm, mixture.read("mixture"))


@pytest.mark.parametrize("task", TASKS)
def test_exports_turn_one_form_into_the_other(
    task: str, tmp_path: Path, tiny_dataset: Data
) -> None:
    flac = tiny_dataset(task).folder
    export_dataset(flac, "webdataset", tmp_path / "tar")
    made = make_dataset(tiny_recipe(task), tmp_path / "made", workers=1, storage="tar")
    assert contents(tmp_path / "tar") == contents(made.folder)
    export_dataset(tmp_path / "tar", "flac", tmp_path / "flac")
    assert contents(tmp_path / "flac") == contents(flac)


def test_what_an_export_cannot_do_is_one_line(packed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for form in ("lhotse", "kaldi"):
        with pytest.raises(InputError, match=r"holds tar shards.*kbbench export .* --format flac"):
            export_dataset(packed, form, out)
    with pytest.raises(InputError, match="is kept in this form already"):
        export_dataset(packed, "webdataset", out)
    assert not out.exists()
    export_dataset(packed, "card", out)
    text = (out / "README.md").read_text()
    assert "--out mini-enhancement --format tar\n" in text
    assert "The tars in `SPLIT` hold, as `INDEX.NAME.flac`" in text


def test_the_folder_remembers_its_form(copy: Path, tmp_path: Path, tiny_dataset: Data) -> None:
    before = contents(copy)
    remake(copy)
    assert contents(copy) == before
    with pytest.raises(InputError, match="holds format tar, asked for flac; give another folder"):
        make_dataset(tiny_recipe("enhancement"), copy, 1, storage="flac")
    assert contents(copy) == before
    shutil.copytree(tiny_dataset("enhancement").folder, tmp_path / "old")
    path = tmp_path / "old" / "dataset.json"
    header = json.loads(path.read_text())
    del header["storage"]  # as kbbench wrote it before there were tars
    path.write_text(json.dumps(header))
    assert Dataset.open(tmp_path / "old").header.storage == "flac"
    with pytest.raises(InputError, match="holds format flac, asked for tar"):
        make_dataset(tiny_recipe("enhancement"), tmp_path / "old", 1, storage="tar")


def test_making_it_again_writes_no_tar(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in copy.rglob("*.tar")}
    ids = renders(monkeypatch)
    remake(copy)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert ids == []


def test_a_damaged_member_is_named_and_alone_rendered_again(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(copy)
    damage(copy / "test/000000.tar", "00001.noise.flac")
    (finding,) = verify_dataset(copy, 1).findings
    assert finding.startswith("test/00001: 00001.noise.flac in test/000000.tar ")
    mixture = list(Dataset.open(copy).mixtures("test"))[1]
    with pytest.raises(InputError, match=r"mixture test/00001: 00001\.noise\.flac in test/000000"):
        mixture.read("noise")
    ids = renders(monkeypatch)
    remake(copy)
    assert ids == ["test/00001"]
    assert contents(copy) == before
    assert verify_dataset(copy, 1).findings == ()


def test_a_tar_that_is_cut_short_keeps_what_is_whole(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(copy)
    tar = copy / "train/000000.tar"
    with tarfile.open(tar) as file:
        cut = file.getmember("00001.mixture.flac").offset_data + 1000
    tar.write_bytes(tar.read_bytes()[:cut])
    assert verify_dataset(copy, 1).findings == (
        "train/00001: 00001.mixture.flac in train/000000.tar is damaged",
        "train/00001: 00001.noise.flac in train/000000.tar is missing",
        "train/00001: 00001.source-0.flac in train/000000.tar is missing",
    )
    with pytest.raises(InputError, match=r"00001\.source-0\.flac in train/.* is missing in"):
        list(Dataset.open(copy).mixtures("train"))
    ids = renders(monkeypatch)
    remake(copy)
    assert ids == ["train/00001"]
    assert contents(copy) == before


@pytest.mark.parametrize("wrong", ["header", "end", "missing", "other members", "no tar"])
def test_whatever_is_wrong_with_a_tar_is_mended(
    wrong: str, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(copy)
    tar = copy / "test/000000.tar"
    data = tar.read_bytes()
    expected = []
    if wrong == "header":  # of the first member of the first mixture; the rest is found behind it
        tar.write_bytes(b"\xff" * 512 + data[512:])
        expected = ["test/00000"]
    elif wrong == "end":
        tar.write_bytes(data[:-512])
    elif wrong == "missing":
        tar.unlink()
        expected = ["test/00000", "test/00001"]
    elif wrong == "other members":
        with tarfile.open(tar, "a") as file:
            file.addfile(tarfile.TarInfo("thesis.txt"), io.BytesIO(b""))
    else:
        tar.write_bytes(b"no tar" * 100_000)
        expected = ["test/00000", "test/00001"]
    ids = renders(monkeypatch)
    remake(copy)
    assert ids == expected
    assert contents(copy) == before


def test_what_a_kill_left_of_a_tar_is_kept(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(copy)
    tar = copy / "test/000000.tar"
    data = tar.read_bytes()
    tar.unlink()
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        cut = file.getmember("00001.noise.flac").offset_data + 10
    (copy / "test/.000000.tar.0123abcd.partial").write_bytes(data[:cut])
    (copy / "test/.000001.tar.0123abcd.partial").write_bytes(b"")
    ids = renders(monkeypatch)
    remake(copy)
    assert ids == ["test/00001"]
    (copy / "test/.000001.tar.0123abcd.partial").unlink()  # of a tar that was whole anyway
    assert contents(copy) == before


def test_shards_are_whole_tars_and_merge(tmp_path: Path, packed: Path) -> None:
    recipe, out = tiny_recipe("enhancement"), tmp_path / "data"
    counts = [make_shard(recipe, out, 1, (n, 3), storage="tar") for n in (1, 2, 3)]
    assert counts == [2 + 1, 1, 2]
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.tar")}
    assert len(stamps) == 4
    remake(out)
    assert contents(out) == contents(packed)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.long
def test_ten_kills_end_in_the_same_bytes(tmp_path: Path) -> None:
    recipe = tiny_recipe("enhancement")
    counts = recipe.splits.model_copy(update={"train": 60, "validation": 2, "test": 2})
    recipe = recipe.model_copy(update={"splits": counts, "duration_s": 1.0})
    path, out = write_recipe(recipe, tmp_path / "tiny.toml"), tmp_path / "killed"
    command = [sys.executable, "-m", "kbbench", "make-data", str(path), "--out", str(out)]
    command += ["--format", "tar", "--workers", "2"]
    wait, kills = random.Random(1), 0
    while kills < 10:
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(wait.uniform(1.5, 6.0))
        running = process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        if not running:
            break
    assert kills > 2, "the first runs ended before they were killed: wait less"
    subprocess.run(command, check=True, capture_output=True)
    killed = contents(out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kbbench.scenes.tar.SHARD_MIXTURES", 100)
        whole = make_dataset(recipe, tmp_path / "whole", workers=1, storage="tar")
    assert killed == contents(whole.folder)


def test_a_tar_of_another_plan_is_not_kept(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(copy)
    store = TarShards(copy)
    items = [(name, store.load(name)) for name in ("test/00000", "test/00001")]
    row = {**items[1][1].row, "plan_sha256": "0" * 64}
    store.write([items[0], (items[1][0], dataclasses.replace(items[1][1], row=row))])
    ids = renders(monkeypatch)
    remake(copy)
    assert ids == ["test/00001"]
    assert contents(copy) == before


def test_a_header_of_an_unknown_form_is_one_line(copy: Path) -> None:
    header = read_header(copy)
    assert header is not None
    write_header(copy, header)
    text = (copy / "dataset.json").read_text().replace('"tar"', '"zip"')
    (copy / "dataset.json").write_text(text)
    with pytest.raises(InputError, match="damaged, or of another kbbench version"):
        Dataset.open(copy)
