"""Built-in names are files like any user's: found, listed, known by the hash of their weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import kbbench.audit
from kbbench.audit import Audit, Effort
from kbbench.baselines.gridnet import GridNet
from kbbench.baselines.shipped import find_model, names, shipped
from kbbench.baselines.variants import VARIANTS, file_name
from kbbench.baselines.weights import Card, Trained, save_weights
from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.evaluation import prepare
from kbbench.models.loading import LoadedTriple, load_triple
from kbbench.models.sources import file_sha256
from kbbench.scenes.dataset import Dataset
from tests.baselines.networks import device, remote

LITTLE = Effort(0.4, longer_s=0.8, rows=4, rounds=1, longest_s=1.0)


def put(path: Path, network: GridNet) -> None:
    """Weights, as if they had been trained."""
    stage = path.name.partition(".")[0].partition("@")[0]
    card = Card(
        kbbench="0",
        task="separation",
        stage=stage,
        config=network.config,
        steps=40,
        validation_si_sdri_db=6.543,
        data="mini-separation version 2, 300 mixtures",
        settings={},
        trained=Trained(steps=140, clips=1120, seconds=7260),
    )
    save_weights(path, network.state_dict(), card)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``separation-kb`` and its variant by FiLM, installed as a package is."""
    where = tmp_path / "site-packages/shipped"
    one = where / "separation-kb"
    one.mkdir(parents=True)
    put(one / "small.safetensors", device())
    put(one / "large.safetensors", remote())
    put(one / "boosted.safetensors", device("attention"))
    put(one / "film@6.safetensors", device("film"))
    for name, variant in VARIANTS.items():
        (one / file_name(name)).write_text(variant.text("separation"))
    monkeypatch.setattr(names, "FOLDER", where)
    return one


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_names_are_those_whose_weights_are_there(folder: Path) -> None:
    assert {name: found.path for name, found in shipped().items()} == {
        "separation-kb": folder / "triple.py",
        "separation-kb-film": folder / "triple_film.py",
    }
    put(folder / "output.safetensors", device("output"))
    assert "separation-kb-output" in shipped()
    put(folder / "small2.safetensors", device())
    put(folder / "baseline.safetensors", device())
    assert {"separation-kb-ensemble", "separation-kb-baseline"} <= shipped().keys()
    assert "separation-kb-distilled" not in shipped()
    (folder / "large.safetensors").unlink()
    assert shipped() == {}


def test_a_large_network_that_was_tuned_is_the_one_of_the_name(folder: Path) -> None:
    (folder / "boosted.remote.safetensors").write_bytes((folder / "large.safetensors").read_bytes())
    own = shipped()["separation-kb"].weights
    assert own.large == folder / "boosted.remote.safetensors"
    assert own.devices == [folder / "boosted.safetensors"]
    assert shipped()["separation-kb-film"].weights.large == folder / "large.safetensors"
    (folder / "large.safetensors").unlink()
    assert shipped().keys() == {"separation-kb"}
    loaded = load_triple(find_model(Path("separation-kb")), "separation")
    assert "boosted.remote.safetensors" in loaded.files_sha256([6])


def test_a_run_of_a_name_is_known_by_the_hash_of_every_file(
    folder: Path, tiny_dataset: Callable[[str], Dataset]
) -> None:
    data = tiny_dataset("separation").folder
    identity = prepare(find_model(Path("separation-kb")), data, "test", (6,)).identity
    assert identity["file_sha256"] == file_sha256(folder / "triple.py")
    weights = ("boosted.safetensors", "large.safetensors", "small.safetensors")
    assert identity["files_sha256"] == {name: file_sha256(folder / name) for name in weights}


@pytest.mark.slow
def test_a_name_is_evaluated(
    folder: Path, tmp_path: Path, tiny_dataset: Callable[[str], Dataset]
) -> None:
    data, out = tiny_dataset("separation").folder, tmp_path / "run"
    options = ("--out", out, "--delays", "6", "--workers", 1, "--skip-audit")
    result = run("evaluate", "separation-kb", "--data", data, *options)
    assert result.exit_code == 0, result.output
    assert "TF-GridNet, knowledge boosting" in result.stdout
    assert json.loads((out / "run.json").read_text())["complete"]


@pytest.mark.slow
def test_check_profile_and_audit_take_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = kbbench.audit.audit_triple

    def quick(loaded: LoadedTriple, delays: tuple[int, ...], **given: object) -> Audit:
        return whole(loaded, delays, LITTLE, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(kbbench.audit, "audit_triple", quick)
    for command in (("check",), ("profile", "--seconds", "1"), ("audit",)):
        result = run(*command, "separation-kb", "--task", "separation")
        assert result.exit_code == 0, result.output
        assert "TF-GridNet, knowledge boosting" in result.stdout


def test_a_delay_s_own_weights_count_for_that_delay(folder: Path) -> None:
    loaded = load_triple(find_model(Path("separation-kb-film")), "separation")
    assert "film@6.safetensors" in loaded.files_sha256([6])
    assert "film@6.safetensors" not in load_triple(loaded.path, None).files_sha256([])


def test_a_file_goes_before_a_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model(Path("separation-kb")) == folder / "triple.py"
    Path("separation-kb").write_text("mine")
    assert find_model(Path("separation-kb")) == Path("separation-kb")
    for path in ("separation.py", "folder/separation-kb", "model.onnx"):
        assert find_model(Path(path)) == Path(path)


@pytest.mark.parametrize("command", ["check", "profile", "audit", "evaluate"])
def test_what_is_no_name_is_one_line_that_lists_them(command: str, folder: Path) -> None:
    more = ("--data", "d", "--out", "o") if command == "evaluate" else ()
    result = run(command, "separation-bk", *more)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "built in are separation-kb, separation-kb-film; expected a Python file" in line


def test_the_list_says_what_the_cards_say(folder: Path) -> None:
    result = run("models")
    assert result.exit_code == 0, result.output
    words = " ".join(result.stdout.split())
    for text in ("separation-kb-film", "film@6", "6.54", "140 steps, 1120 clips, 2.0 h"):
        assert text in words, text
    count = sum(weight.numel() for weight in device("attention").parameters())
    assert f"{count / 1000:.4g} k" in words
    assert "300 mixtures" not in words


def test_of_one_it_is_said_what_each_network_was_trained_on(folder: Path) -> None:
    result = run("models", "separation-kb-film")
    assert result.exit_code == 0, result.output
    for network in ("small", "film@6", "large"):
        said = f"{network} was trained on\n  mini-separation version 2, 300 mixtures\n"
        assert said in result.stdout
    assert "boosted" not in result.stdout
    wrong = run("models", "separation-bk")
    assert wrong.exit_code == 2
    (line,) = wrong.stderr.splitlines()
    assert "no built-in triple: built in are separation-kb, separation-kb-film; exp" in line


def test_where_there_are_none_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "FOLDER", tmp_path)
    assert run("models").stdout.startswith("no trained triple comes with this kbbench yet")
    with pytest.raises(InputError, match="built-in triple: none is built in yet; exp"):
        find_model(Path("separation-kb"))
