"""Loading a user's file: what is found, what is refused, what names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kbbench.errors import ModelError
from kbbench.models.loading import load_triple

GOOD = """
import torch
from kbbench.models import Boosted, Triple

class Device(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(0.5))
    def forward(self, mixture, **kwargs):
        return self.gain * mixture[:, None]

def triple():
    device = Device()
    return Triple("good", "enhancement", device, device, Boosted(device, device))
"""


def write(folder: Path, text: str, name: str = "model.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_loads_in_evaluation_mode(tmp_path: Path) -> None:
    loaded = load_triple(write(tmp_path, GOOD), "enhancement")
    assert loaded.triple.name == "good"
    assert not loaded.triple.small.training  # type: ignore[attr-defined]
    assert loaded.boosted_at(6).remote is loaded.triple.large


def test_hashes_name_file_weights_and_imports(tmp_path: Path) -> None:
    first = load_triple(write(tmp_path, GOOD), "enhancement")
    heavier = load_triple(write(tmp_path, GOOD.replace("0.5)", "0.6)"), "b.py"), "enhancement")
    assert first.file_sha256 != heavier.file_sha256
    assert first.weights_sha256([6]) != heavier.weights_sha256([6])
    assert first.weights_sha256([0, 6]) == load_triple(
        write(tmp_path, GOOD), "enhancement"
    ).weights_sha256([0, 6])


def test_each_folder_has_its_own_helper_module(tmp_path: Path) -> None:
    loaded = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        write(folder, f"NAME = {name!r}", "helper.py")
        text = "import helper\n" + GOOD.replace('"good"', "helper.NAME")
        loaded.append(load_triple(write(folder, text), "enhancement"))
    assert [item.triple.name for item in loaded] == ["one", "two"]
    assert list(loaded[0].imports_sha256) == ["helper"]
    assert loaded[0].imports_sha256 != loaded[1].imports_sha256


def test_a_file_may_serve_several_tasks(tmp_path: Path) -> None:
    text = GOOD.replace("triple()", "triple(task='x')").replace('"enhancement"', "task")
    for task in ("separation", "target_speech"):
        assert load_triple(write(tmp_path, text), task).triple.task == task


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"no function triple\(\); define one"),
        ("def triple(): return 3", r"triple\(\) returned int, expected kbbench.models.Triple"),
        ("def triple(): raise KeyError('lost')", r"triple\(\) raised KeyError: 'lost'"),
        ("import nonesuch", "ModuleNotFoundError: No module named 'nonesuch'"),
        ("def triple(:", "SyntaxError"),
        (GOOD.replace('"enhancement"', '"separation"'), "a triple for separation, the data is for"),
        (GOOD.replace('"enhancement"', '"dance"'), "task 'dance', expected one of separation"),
        (GOOD.replace("device))", "device), lookahead=65)"), "lookahead 65 samples, expected 0 to"),
        (
            GOOD.replace("device))", "device), hint_dtype=torch.complex64)"),
            "hint_dtype torch.complex64, expected a real",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ModelError, match=message) as caught:
        load_triple(path, "enhancement")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_function_of_the_delay_is_called_once_for_each(tmp_path: Path) -> None:
    """Else random weights would differ from call to call, and a freed model's id be used again."""
    text = GOOD.replace("Boosted(device, device)", "lambda delay: Boosted(Device(), Device())")
    loaded = load_triple(write(tmp_path, text), "enhancement")
    kept = [loaded.boosted_at(delay) for delay in range(7)]
    assert [loaded.boosted_at(delay) for delay in range(7)] == kept
    assert len({id(boosted.remote) for boosted in kept}) == 7


def test_a_missing_file_and_a_wrong_boosted_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        load_triple(tmp_path / "nowhere.py", "enhancement")
    by_delay = GOOD.replace("Boosted(device, device)", "lambda delay: delay")
    loaded = load_triple(write(tmp_path, by_delay), "enhancement")
    with pytest.raises(ModelError, match=r"boosted\(3\) returned int"):
        loaded.boosted_at(3)
    raising = GOOD.replace("Boosted(device, device)", "lambda delay: {}[delay]")
    with pytest.raises(ModelError, match=r"boosted\(3\) raised KeyError: 3"):
        load_triple(write(tmp_path, raising), "enhancement").boosted_at(3)


def test_without_a_task_the_file_s_own_is_taken(tmp_path: Path) -> None:
    assert load_triple(write(tmp_path, GOOD), None).triple.task == "enhancement"
    several = GOOD.replace('"enhancement"', "task")
    text = several.replace("triple()", "triple(task='separation')")
    assert load_triple(write(tmp_path, text, "b.py"), None).triple.task == "separation"
    asks = write(tmp_path, several.replace("triple()", "triple(task)"), "c.py")
    with pytest.raises(ModelError, match=r"triple\(task\) needs a task, one of separation"):
        load_triple(asks, None)
