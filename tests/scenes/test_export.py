"""Exports say what is in the folder, by value, and other tools read them."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.scenes.dataset import Dataset, write_header
from kbbench.scenes.export import FORMATS, export_dataset
from kbbench.scenes.plan import plan_hash

Data = Callable[[str], Dataset]
SPLITS = {"train": 2, "validation": 1, "test": 3}
TASKS = ("separation", "target_speech", "enhancement")
OF_FOLDERS = [form for form in FORMATS if form != "flac"]
"""Formats for a dataset that is kept in folders of FLAC."""


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def table(path: Path) -> dict[str, str]:
    pairs = (line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines())
    return {key: value for key, value in pairs}


@pytest.mark.parametrize("task", TASKS)
def test_lhotse_recordings_are_the_files(task: str, tmp_path: Path, tiny_dataset: Data) -> None:
    dataset = tiny_dataset(task)
    export_dataset(dataset.folder, "lhotse", tmp_path / "out")
    name = dataset.header.recipe.name
    assert len(list((tmp_path / "out").iterdir())) == 3 * len(SPLITS)
    for split in SPLITS:
        recordings = jsonl(tmp_path / "out" / f"{name}_recordings_{split}.jsonl.gz")
        paths = {recording["sources"][0]["source"] for recording in recordings}
        assert paths == {str(path) for path in (dataset.folder / split).rglob("*.flac")}
        assert len(recordings) == len({recording["id"] for recording in recordings}) == len(paths)
        for recording in recordings:
            (source,) = recording["sources"]
            info = soundfile.info(source["source"])
            assert recording["num_samples"] == info.frames
            assert recording["duration"] == info.frames / info.samplerate
            assert recording["sampling_rate"] == info.samplerate == 16000
            assert source["channels"] == recording["channel_ids"] == list(range(info.channels))


@pytest.mark.parametrize("task", TASKS)
def test_lhotse_supervisions_are_the_plan(task: str, tmp_path: Path, tiny_dataset: Data) -> None:
    dataset = tiny_dataset(task)
    export_dataset(dataset.folder, "lhotse", tmp_path / "out")
    name = dataset.header.recipe.name
    found = jsonl(tmp_path / "out" / f"{name}_supervisions_test.jsonl.gz")
    expected = []
    for plan in (plan for plan in dataset.plan if plan.split == "test"):
        recording = plan.id.replace("/", "-")
        parts = [(source, clip, "mixture") for source in plan.talkers for clip in source.clips]
        parts += [(plan.talkers[0], clip, "enrollment") for clip in plan.enrollment]
        for source, clip, stem in parts:
            start, length = clip.onset / 16000, clip.samples / 16000
            expected.append((f"{recording}-{stem}", source.name, clip.id, start, length))
    keys = ("recording_id", "speaker", "start", "duration")
    assert [
        (row["recording_id"], row["speaker"], row["custom"]["utterance"], *map(row.get, keys[2:]))
        for row in found
    ] == expected
    assert len({row["id"] for row in found}) == len(found)


def test_a_lhotse_cut_leads_to_its_references(tmp_path: Path, tiny_dataset: Data) -> None:
    dataset = tiny_dataset("target_speech")
    export_dataset(dataset.folder, "lhotse", tmp_path / "out")
    cuts = jsonl(tmp_path / "out" / "mini-target-speech_cuts_test.jsonl.gz")
    assert [cut["id"] for cut in cuts] == ["test-00000", "test-00001", "test-00002"]
    for cut, mixture in zip(cuts, dataset.mixtures("test"), strict=True):
        assert cut["duration"] == 2.0
        assert cut["channel"] == [0, 1]
        custom = cut["custom"]
        wanted, other = cut["supervisions"]
        assert [wanted["speaker"], other["speaker"]] == list(mixture.row["talkers"])
        assert [wanted["custom"]["wanted"], other["custom"]["wanted"]] == [True, False]
        for supervision, stem in ((wanted, "source-0"), (other, "other-1")):
            (source,) = custom[supervision["custom"]["reference"]]["sources"]
            assert source["source"] == str(dataset.folder / mixture.id / f"{stem}.flac")
        assert custom["enrollment"]["num_samples"] == 80000
        assert custom["enrollment_unaligned"] is True
        assert custom["sir_db"] == mixture.row["sir_db"]
        assert not {"snr_db", "noise_kind"} & set(custom)


def test_lhotse_itself_reads_them(tmp_path: Path, tiny_dataset: Data) -> None:
    reason = "Lhotse is not installed; `pip install lhotse` to run this test"
    lhotse = pytest.importorskip("lhotse", reason=reason)
    dataset = tiny_dataset("target_speech")
    export_dataset(dataset.folder, "lhotse", tmp_path / "out")
    for split, count in SPLITS.items():
        kinds = ("recordings", "supervisions", "cuts")
        recordings, supervisions, cuts = (
            lhotse.load_manifest(tmp_path / "out" / f"mini-target-speech_{kind}_{split}.jsonl.gz")
            for kind in kinds
        )
        lhotse.qa.validate_recordings_and_supervisions(recordings, supervisions, read_data=True)
        lhotse.qa.validate(cuts, read_data=True)
        assert len(cuts) == count
        for cut, mixture in zip(cuts, dataset.mixtures(split), strict=True):
            assert ((cut.load_audio() * 32768).round() == mixture.read("mixture")).all()
            assert ((cut.load_source_0() * 32768).round() == mixture.read("source-0")).all()
            part = cut.truncate(duration=1.0)
            assert part.load_other_1().shape == (2, 16000)
            assert part.load_enrollment().shape == (1, 80000)


@pytest.mark.parametrize(
    ("task", "scp"),
    [
        ("separation", {"spk1": "source-0", "spk2": "source-1"}),
        ("target_speech", {"spk1": "source-0", "spk2": "other-1", "enroll_spk1": "enrollment"}),
        ("enhancement", {"spk1": "source-0", "noise1": "noise"}),
    ],
)
def test_kaldi_folders(task: str, scp: dict[str, str], tmp_path: Path, tiny_dataset: Data) -> None:
    dataset = tiny_dataset(task)
    export_dataset(dataset.folder, "kaldi", tmp_path / "out")
    for split in SPLITS:
        folder = tmp_path / "out" / split
        names = {f"{name}.scp" for name in ("wav", *scp)} | {"utt2spk", "spk2utt", "utt2dur"}
        assert {path.name for path in folder.iterdir()} == names
        for path in folder.iterdir():
            lines = path.read_bytes().splitlines()
            assert lines == sorted(lines)
        speakers = table(folder / "utt2spk")
        assert list(speakers.values()) == sorted(speakers.values())
        mixtures = {mixture.id.replace("/", "-"): mixture for mixture in dataset.mixtures(split)}
        assert len(speakers) == len(mixtures)
        for utterance, speaker in speakers.items():
            mixture = mixtures[utterance.removeprefix(f"{speaker}-")]
            wanted = mixture.row["talkers"][: dataset.header.recipe.source_count]
            assert speaker == "_".join(wanted).replace("-", "_")
            for name, stem in {"wav": "mixture", **scp}.items():
                path = table(folder / f"{name}.scp")[utterance]
                assert path == str(dataset.folder / mixture.id / f"{stem}.flac")
            assert float(table(folder / "utt2dur")[utterance]) == 2.0
        back = {
            utterance: speaker
            for speaker, utterances in table(folder / "spk2utt").items()
            for utterance in utterances.split()
        }
        assert back == speakers


def test_relative_paths_lead_there_from_out(tmp_path: Path, tiny_dataset: Data) -> None:
    dataset = tiny_dataset("enhancement")
    out = tmp_path / "deep" / "out"
    export_dataset(dataset.folder, "kaldi", out, relative=True)
    export_dataset(dataset.folder, "lhotse", tmp_path / "lhotse", relative=True)
    for path in table(out / "test" / "noise1.scp").values():
        assert path.startswith("..")
        assert (out / path).resolve().is_relative_to(dataset.folder)
        assert (out / path).is_file()
    for cut in jsonl(tmp_path / "lhotse" / "mini-enhancement_cuts_test.jsonl.gz"):
        assert (tmp_path / "lhotse" / cut["recording"]["sources"][0]["source"]).is_file()


@pytest.mark.parametrize("form", OF_FOLDERS)
def test_the_same_bytes_again_and_the_dataset_untouched(
    form: str, tmp_path: Path, tiny_dataset: Data
) -> None:
    dataset = tiny_dataset("enhancement")
    before = contents(dataset.folder)
    written = export_dataset(dataset.folder, form, tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / ".two.partial").mkdir()
    (tmp_path / ".two.partial" / "rest").write_text("of a kill")
    export_dataset(dataset.folder, form, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert {str(path.relative_to(tmp_path / "one")) for path in written} == set(
        contents(tmp_path / "one")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert contents(dataset.folder) == before


def test_what_cannot_be_out_is_refused(tmp_path: Path, tiny_dataset: Data) -> None:
    folder = tiny_dataset("enhancement").folder
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        export_dataset(folder, "kaldi", tmp_path / "mine")
    with pytest.raises(InputError, match="a file, expected a new or empty folder"):
        export_dataset(folder, "kaldi", tmp_path / "mine" / "thesis.txt")
    with pytest.raises(InputError, match="give a folder that can be written"):
        export_dataset(folder, "kaldi", tmp_path / "mine" / "thesis.txt" / "out")
    with pytest.raises(InputError, match="inside the dataset"):
        export_dataset(folder, "kaldi", folder / "kaldi")
    with pytest.raises(InputError, match=r"no dataset\.json there"):
        export_dataset(tmp_path / "mine", "kaldi", tmp_path / "out")
    with pytest.raises(InputError, match="leave --relative out"):
        export_dataset(folder, "card", tmp_path / "out", relative=True)
    assert contents(tmp_path) == {"mine/thesis.txt": b"mine"}
    assert not (folder / "kaldi").exists()


@pytest.mark.parametrize("form", OF_FOLDERS)
def test_a_missing_file_leaves_nothing(form: str, tmp_path: Path, tiny_dataset: Data) -> None:
    shutil.copytree(tiny_dataset("enhancement").folder, tmp_path / "data")
    (tmp_path / "data" / "test" / "00002" / "noise.flac").unlink()
    with pytest.raises(InputError, match=r"test/00002: noise\.flac is missing"):
        export_dataset(tmp_path / "data", form, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_kaldi_has_no_spaces_in_paths(tmp_path: Path, tiny_dataset: Data) -> None:
    folder = tmp_path / "my data"
    shutil.copytree(tiny_dataset("enhancement").folder, folder)
    with pytest.raises(InputError, match=r"my data.*white space in a path.*--relative"):
        export_dataset(folder, "kaldi", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["my data"]


def test_kaldi_takes_no_two_talkers_for_one(tmp_path: Path, tiny_dataset: Data) -> None:
    folder = tmp_path / "data"
    shutil.copytree(tiny_dataset("enhancement").folder, folder)
    dataset = Dataset.open(folder)
    names = iter(["a-b", "a_b", "c", "d", "e", "f"])
    plan = [
        row.model_copy(
            update={"talkers": (row.talkers[0].model_copy(update={"name": next(names)}),)}
        )
        for row in dataset.plan
    ]
    pd.DataFrame([row.model_dump() for row in plan]).to_parquet(folder / "plan.parquet")
    with pytest.raises(InputError, match=r"plan\.parquet: does not match dataset\.json"):
        export_dataset(folder, "kaldi", tmp_path / "out")
    write_header(folder, dataset.header.model_copy(update={"plan_sha256": plan_hash(plan)}))
    with pytest.raises(InputError, match="talkers a-b and a_b: both are a_b"):
        export_dataset(folder, "kaldi", tmp_path / "out")


def test_the_command_is_one_line(tmp_path: Path, tiny_dataset: Data) -> None:
    folder = str(tiny_dataset("enhancement").folder)
    out = str(tmp_path / "out")

    def export(form: str, *more: str) -> Any:
        arguments = ["export", folder, "--format", form, "--out", out, *more]
        return CliRunner().invoke(main, arguments)

    result = export("kaldy")
    assert result.exit_code == 2
    assert result.stderr == "error: format 'kaldy': no such format; did you mean kaldi?\n"
    result = export("kaldi", "--relative")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}: 18 files, kaldi\n"
    result = export("kaldi")
    assert result.exit_code == 2
    assert result.stderr == f"error: {out}: not empty; give a new or empty folder\n"


def test_a_shard_takes_no_damaged_file(tmp_path: Path, tiny_dataset: Data) -> None:
    shutil.copytree(tiny_dataset("separation").folder, tmp_path / "data")
    shutil.copy(
        tmp_path / "data/test/00001/mixture.flac", tmp_path / "data/test/00000/mixture.flac"
    )
    with pytest.raises(InputError, match=r"test/00000: mixture.flac does not match its hash"):
        export_dataset(tmp_path / "data", "webdataset", tmp_path / "out")
    assert not (tmp_path / "out").exists()
