"""Every corpus' layout, on small made-up trees: what is found, and what it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbbench.corpora import CORPORA, Corpora, Corpus, load_corpora
from kbbench.errors import InputError
from kbbench.scenes.recipe import SPLITS
from tests.corpora.conftest import SUBSETS, Tree, sofa, sound


def load(part: str, name: str, root: Path, **more: object) -> Corpus:
    """One part of one corpus; the rest is the mini corpus."""
    table: dict[str, object] = {"speech": "mini", "heads": "mini"}
    table[part] = {"corpus": name, **more}
    whole = load_corpora(Corpora.model_validate(table), {name: root})
    return Corpus(
        whole.name,
        tuple(item for item in whole.utterances if ":" in item.id),
        whole.noises,
        tuple(item for item in whole.heads if ":" in item.id),
        whole.licence,
        whole.attribution,
    )


def test_librispeech_splits_by_subset(tree: Tree) -> None:
    corpus = load("speech", "librispeech", tree("librispeech"))
    for split, subset in zip(SPLITS, SUBSETS, strict=True):
        talkers = corpus.talkers(split, "talker")
        assert set(talkers) == {f"librispeech:{name}" for name in SUBSETS[subset]}
        assert all(len(items) == 3 for items in talkers.values())
    first = corpus.utterance_by_id["librispeech:14-100-0000"]
    assert (first.samples, first.rate, first.channels) == (4800, 16_000, 1)
    assert "librispeech: CC BY 4.0;" in corpus.licence
    assert "Panayotov" in corpus.attribution


def test_the_archive_s_own_folder_may_be_given_too(tree: Tree) -> None:
    root = tree("librispeech")
    around = load("speech", "librispeech", root)
    assert load("speech", "librispeech", root / "LibriSpeech").utterances == around.utterances


def test_only_wanted_subsets_are_looked_at(tree: Tree) -> None:
    root = tree("librispeech")
    damaged = root / "LibriSpeech" / "dev-clean" / "84" / "100" / "84-100-0000.flac"
    damaged.write_text("no sound")
    corpus = load("speech", "librispeech", root, train=["train-clean-360"], test=["test-clean"])
    assert {item.split for item in corpus.utterances} == {"train", "test"}


def test_vctk_takes_the_first_microphone_of_each_talker(tree: Tree) -> None:
    corpus = load("speech", "vctk", tree("vctk"), train=["p225", "p226"], test=["s5"])
    assert {item.id for item in corpus.utterances} == {
        f"vctk:{talker}_{index:03d}" for talker in ("p225", "p226", "s5") for index in (1, 2)
    }
    assert {(item.rate, item.samples) for item in corpus.utterances} == {(48_000, 4800)}
    assert set(corpus.talkers("test", "talker")) == {"vctk:s5"}


def test_the_older_vctk_is_found(tmp_path: Path) -> None:
    sound(tmp_path / "VCTK-Corpus" / "wav48" / "p225" / "p225_001.wav", 48_000)
    corpus = load("speech", "vctk", tmp_path, train=["p225"])
    assert [item.id for item in corpus.utterances] == ["vctk:p225_001"]


def test_wham_has_its_own_splits_and_forbids_commercial_use(tree: Tree) -> None:
    corpus = load("noise", "wham", tree("wham"))
    for split, subset in zip(SPLITS, ("tr", "cv", "tt"), strict=True):
        assert [item.id for item in corpus.recordings(split)] == [
            f"wham:{subset}/{subset}x_{index}" for index in range(3)
        ]
    assert {item.channels for item in corpus.noises} == {2}
    assert "CC BY-NC 4.0, no commercial use" in corpus.licence


def test_all_channels_of_a_demand_environment_are_in_one_split(tree: Tree) -> None:
    corpus = load("noise", "demand", tree("demand"))
    places = {item.id.split("/")[0]: item.split for item in corpus.noises}
    assert len(places) == 4
    assert all(item.split == places[item.id.split("/")[0]] for item in corpus.noises)
    assert corpus.noise_by_id["demand:SCAFE/ch16"].samples == 4800


def test_musan_gives_noise_and_music_but_no_speech(tree: Tree) -> None:
    root = tree("musan")
    corpus = load("noise", "musan", root)
    assert set(corpus.noise_by_id) == {"musan:noise-free-sound-0000", "musan:music-fma-0001"}
    noise = load("noise", "musan", root, shares=[1, 0, 0], subsets=["noise"])
    assert set(noise.noise_by_id) == {"musan:noise-free-sound-0000"}
    music = load("noise", "musan", root, test=["music"])
    assert [(item.id, item.split) for item in music.noises] == [("musan:music-fma-0001", "test")]


def test_cipic_subjects_are_called_by_their_numbers(tree: Tree) -> None:
    corpus = load("heads", "cipic", tree("cipic"), train=["003"], validation=["008"], test=["165"])
    assert {item.id: item.split for item in corpus.heads} == {
        "cipic:003": "train",
        "cipic:008": "validation",
        "cipic:165": "test",
    }
    assert "Regents of the University of California" in corpus.attribution


def test_a_folder_of_one_s_own_has_talkers_noise_heads_and_a_licence(tree: Tree) -> None:
    table = {part: "folder" for part in ("speech", "noise", "heads")}
    corpus = load_corpora(Corpora.model_validate(table), {"folder": tree("folder")})
    assert {(item.talker, item.id) for item in corpus.utterances} == {
        ("folder:anna", "folder:anna/one.flac"),
        ("folder:anna", "folder:anna/deep/two.opus"),
        ("folder:bert", "folder:bert/one.flac"),
        ("folder:bert", "folder:bert/deep/two.opus"),
    }
    assert [item.id for item in corpus.noises] == ["folder:street/rain.ogg"]
    assert [item.id for item in corpus.heads] == ["folder:heads/me"]
    assert corpus.attribution == "Anna and Bert gave these to the world."


def test_two_folders_have_two_names(tmp_path: Path, tree: Tree) -> None:
    sound(tmp_path / "hum" / "fan.wav")
    sound(tmp_path / "hum" / "talker" / "speech.wav")
    table = {
        "speech": {"corpus": "folder", "name": "friends"},
        "noise": {"corpus": "folder", "name": "hum"},
        "heads": "mini",
    }
    folders = {"friends": tree("folder"), "hum": tmp_path / "hum"}
    corpus = load_corpora(Corpora.model_validate(table), folders)
    assert {item.id.split(":")[0] for item in corpus.utterances} == {"friends"}
    assert [item.id for item in corpus.noises] == ["hum:fan.wav"]
    assert "hum: its folder states no licence" in corpus.attribution


def test_a_corpus_is_the_same_wherever_it_lies(tree: Tree, tmp_path: Path) -> None:
    root = tree("librispeech")
    before = load("speech", "librispeech", root)
    elsewhere = root.rename(tmp_path / "elsewhere")
    assert load("speech", "librispeech", elsewhere).sha256 == before.sha256
    victim = elsewhere / "LibriSpeech" / "dev-clean" / "84" / "100" / "84-100-0000.flac"
    sound(victim, seconds=0.31)
    assert load("speech", "librispeech", elsewhere).sha256 != before.sha256


MISTAKES = {
    "librispeech": ("speech", {}),
    "vctk": ("speech", {}),
    "wham": ("noise", {}),
    "demand": ("noise", {}),
    "musan": ("noise", {}),
    "cipic": ("heads", {}),
    "sofa": ("heads", {}),
    "folder": ("speech", {}),
}


@pytest.mark.parametrize("name", sorted(MISTAKES))
def test_a_missing_or_empty_folder_is_one_line(name: str, tmp_path: Path) -> None:
    part, _ = MISTAKES[name]
    with pytest.raises(InputError, match="no such folder; expected") as caught:
        load(part, name, tmp_path / "nowhere")
    assert f"--corpus {name}={tmp_path / 'nowhere'}" in str(caught.value)
    with pytest.raises(InputError, match=f"no {part} of {name} there, expected") as caught:
        load(part, name, tmp_path)
    assert CORPORA[name].tree in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_sound_is_named(tree: Tree) -> None:
    root = tree("wham")
    broken = root / "wham_noise" / "tr" / "trx_1.wav"
    broken.write_text("not a sound")
    with pytest.raises(InputError, match=r"trx_1\.wav: .*expected a sound file; repair or remove"):
        load("noise", "wham", root)
    sound(broken, seconds=0)
    with pytest.raises(InputError, match=r"trx_1\.wav: no samples"):
        load("noise", "wham", root)


def test_a_link_that_leads_nowhere_is_named(tree: Tree) -> None:
    root = tree("wham")
    (root / "wham_noise" / "tr" / "gone.wav").symlink_to(root / "nowhere.wav")
    with pytest.raises(InputError, match=r"gone\.wav: No such file.*repair the link or remove it"):
        load("noise", "wham", root)


def test_a_talker_in_two_subsets_is_named(tree: Tree) -> None:
    root = tree("librispeech")
    sound(root / "LibriSpeech" / "dev-clean" / "14" / "100" / "14-100-0009.flac")
    with pytest.raises(InputError, match="talker 14 is in train-clean-360, says SPEAKERS"):
        load("speech", "librispeech", root)
    (root / "LibriSpeech" / "SPEAKERS.TXT").unlink()
    with pytest.raises(InputError, match=r"14 is in .* and in .* expected each of librispeech in"):
        load("speech", "librispeech", root)


def test_a_subset_that_is_not_there_says_how_to_get_it(tree: Tree) -> None:
    with pytest.raises(InputError, match=r"no test-other of librispeech .*--subset test-"):
        load("speech", "librispeech", tree("librispeech"), train=["dev-clean"], test=["test-other"])
    with pytest.raises(InputError, match=r"no 999 of cipic there, found 003, 008, .*\.\.\."):
        load("heads", "cipic", tree("cipic"), train=["999"])


def test_a_head_without_two_ears_is_named(tmp_path: Path) -> None:
    sofa(tmp_path / "good.sofa")
    sofa(tmp_path / "one-eared.sofa", ears=1)
    with pytest.raises(InputError, match=r"one-eared\.sofa: responses \(4, 1, 32\), expected two"):
        load("heads", "sofa", tmp_path)
    (tmp_path / "one-eared.sofa").write_text("no head")
    with pytest.raises(InputError, match=r"one-eared\.sofa: .*expected a SOFA file"):
        load("heads", "sofa", tmp_path)


def test_two_files_of_one_subject_are_refused(tree: Tree) -> None:
    root = tree("cipic")
    sofa(root / "again" / "subject_003.sofa")
    with pytest.raises(InputError, match="expected one file a subject"):
        load("heads", "cipic", root)


def test_speech_and_babble_share_no_talker(tree: Tree) -> None:
    table = {"speech": "librispeech", "babble": "librispeech", "heads": "mini"}
    with pytest.raises(InputError, match="is in speech and in babble; give the two different"):
        load_corpora(Corpora.model_validate(table), {"librispeech": tree("librispeech")})
