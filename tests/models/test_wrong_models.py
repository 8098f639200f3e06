"""Ways for a model to be wrong: `kbbench check` tells each in one clear line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from kbbench.check import check_file
from kbbench.cli import main
from kbbench.errors import ModelError
from kbbench.models.loading import load_triple
from tests.models.networks import SAVE

RIGHT = """
import torch
from kbbench.models import *
from kbbench.units import CHUNK

def per_chunk(values, mixture):
    return values.repeat_interleave(CHUNK, 1)[:, None, None, : mixture.shape[-1]]

class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(0.5))
    def forward(self, mixture, *, enrollment=None, hints=None, seen_mask=None, age=None):
        return self.gain * mixture[:, None]
    def start(self, batch, enrollment=None):
        return 0
    def step(self, frame, state, hint=None, age=None):
        return self.gain * frame[:, None, :, :CHUNK], state

class Device(torch.nn.Module):
    def forward(self, mixture, *, enrollment=None, hints=None, seen_mask=None, age=None):
        return mixture[:, None] * (1 + per_chunk(hints[..., 0], mixture))

class Remote(torch.nn.Module):
    def forward(self, mixture, *, enrollment=None):
        level = mixture.unfold(-1, CHUNK, CHUNK).abs().mean((1, 3))
        return 0.9 * mixture[:, None], level[..., None]

TASK, LOOKAHEAD, DTYPE = "enhancement", 64, torch.float16
small, remote = Small(), Remote()
boosted = Boosted(Device(), remote)

def triple():
    return Triple("right", TASK, small, remote, boosted, DTYPE, LOOKAHEAD)
"""
SMALL, DEVICE = "return self.gain * mixture[:, None]", "return mixture[:, None] * (1 + "
STEP = "return self.gain * frame[:, None, :, :CHUNK], state"
HEARD = "return 0.9 * mixture[:, None], level[..., None]"


@dataclass(frozen=True)
class Wrong:
    """A change to a file that is right, and the line that tells of it.

    Args:
        old: text of ``RIGHT``; the whole of it where it is empty.
        new: what stands there instead.
        line: a pattern that the one line matches.
        load: it is told when the file is loaded, by every command.
    """

    old: str
    new: str
    line: str
    load: bool = False


WRONG = {
    # The file.
    "syntax error": Wrong("import torch\n", "import torch:\n", "SyntaxError: .*line 2", True),
    "missing module": Wrong("import torch\n", "import torch, nonesuch\n", "No module named", True),
    "ends Python": Wrong("import torch\n", "raise SystemExit(3)\n", "SystemExit: 3", True),
    "no triple()": Wrong("def triple()", "def tripel()", r"no function triple\(\)", True),
    "triple() raises": Wrong(
        "    return Triple", "    raise OSError('disk')\n    return Triple", "raised OSError", True
    ),
    "triple() returns something else": Wrong(
        'return Triple("right", TASK,', "return (", r"returned tuple, expected .*\.Triple", True
    ),
    # What it declares.
    "unknown task": Wrong(
        '"enhancement"', '"denoising"', "task 'denoising', expected one of", True
    ),
    "look-ahead too large": Wrong(
        'TASK, LOOKAHEAD, DTYPE = "enhancement", 64',
        'TASK, LOOKAHEAD, DTYPE = "enhancement", 128',
        "lookahead 128 samples, expected 0",
        True,
    ),
    "complex hint_dtype": Wrong(
        "torch.float16", "torch.complex64", "hint_dtype torch.complex64, .*view_as_real", True
    ),
    "hint_dtype as text": Wrong("torch.float16", '"float16"', "hint_dtype float16, expected", True),
    "small is no model": Wrong(
        "small, remote = Small()", "small, remote = 3", "small is int", True
    ),
    "boosted is no model": Wrong(
        "boosted = Boosted(Device(), remote)", "boosted = None", "boosted is NoneType", True
    ),
    "boosted(6) raises": Wrong(
        "boosted = Boosted(Device(), remote)",
        "boosted = lambda delay: {0: Boosted(Device(), remote)}[delay]",
        r"boosted\(6\) raised KeyError: 6",
    ),
    "boosted(d) returns a module": Wrong(
        "boosted = Boosted(Device(), remote)",
        "boosted = lambda delay: Device()",
        r"boosted\(0\) returned Device, expected kbbench.models.Boosted",
    ),
    # Estimates.
    "forward raises": Wrong(SMALL, "raise RuntimeError('out of luck')", "small raised Runt.*: out"),
    "no source axis": Wrong(
        SMALL,
        "return self.gain * mixture",
        r"small returned \(2, 2, 32000\) .* \(2, 1, 2, 32000\); the source axis is missing",
    ),
    "two sources for one talker": Wrong(
        SMALL, SMALL + ".repeat(1, 2, 1, 1)", r"small returned \(2, 2, 2, 32000\).*each source"
    ),
    "samples are lost": Wrong(
        SMALL, SMALL + "[..., :-64]", "small returned .*31936.* one output sample for each"
    ),
    "one ear": Wrong(SMALL, SMALL + "[:, :, :1]", r"small returned \(2, 1, 1, 32000\) .*expected"),
    "NaN": Wrong(SMALL, SMALL + " / 0 * 0", r"output of small .* is nan at \(0, 0, 0\)"),
    "a list": Wrong(SMALL, "return [mixture]", "small returned list .*return one tensor"),
    "nothing": Wrong(SMALL, "pass", "small returned NoneType .*return one tensor"),
    "whole numbers": Wrong(
        SMALL, "return (32768 * mixture[:, None]).short()", "small returned int16, expected float32"
    ),
    "small returns hints": Wrong(
        SMALL, "return mixture[:, None], mixture", "small returned a tuple"
    ),
    "other estimates each time": Wrong(
        SMALL,
        "return mixture[:, None] + torch.rand(1)",
        "small gives other estimates .*second time",
    ),
    "dropout in train mode": Wrong(
        SMALL, "self.train(); " + SMALL, "small is in train mode after eval.*Small"
    ),
    "the mean of the utterance": Wrong(
        SMALL, SMALL + " / mixture.std()", "small looks ahead: sound from sample .* chunk 0,"
    ),
    "one sample of look-ahead too many": Wrong(
        SMALL,
        "return self.gain * torch.nn.functional.pad(mixture, (0, 65))[:, None, :, 65:]",
        "small looks ahead: .*declared 64 samples",
    ),
    # What it does to others.
    "writes into the mixture": Wrong(
        SMALL, "return mixture.mul_(0.5)[:, None]", "small changes its input in place: mixture"
    ),
    "writes into the hints": Wrong(
        DEVICE, "hints.zero_(); " + DEVICE, "device of .* changes its input in place: hints"
    ),
    # Hints.
    "the device takes no hints": Wrong(
        "class Device(torch.nn.Module):\n    def forward(self, mixture, *, enrollment=None, "
        "hints=None, seen_mask=None, age=None):\n        " + DEVICE,
        "class Device(torch.nn.Module):\n    def forward(self, mixture, *, enrollment=None):\n"
        "        hints = mixture; " + DEVICE,
        "device of boosted@0 raised TypeError: .*'hints'.* expected forward",
    ),
    "the remote returns a list": Wrong(
        HEARD, HEARD.replace("return ", "return [") + "]", "large returned list"
    ),
    "the remote has no hints": Wrong(
        HEARD, "return 0.9 * mixture[:, None]", "large, the remote .*, returned estimates alone"
    ),
    "the remote returns three": Wrong(
        HEARD, HEARD + ", 3", "large returned a tuple of Tensor, Tensor, int, expected estimates or"
    ),
    "a hint too few": Wrong(
        HEARD, HEARD + "[:, 1:]", r"hints \(2, 249, 1\) .*expected \(2, 250, ...\)"
    ),
    "chunks before mixtures": Wrong(
        HEARD, HEARD + ".transpose(0, 1)", r"hints \(250, 2, 1\) .* mixtures first"
    ),
    "hints too large for float16": Wrong(
        HEARD, HEARD + " + 1e6", "hints of large .* is inf .* once sent as float16; scale them"
    ),
    "complex hints": Wrong(
        HEARD, HEARD + " * 1j", "large returned hints of complex64, expected real"
    ),
    "hints of the future": Wrong(
        HEARD, HEARD + ".flip(1)", "large looks ahead: .* changes its hints in chunk"
    ),
    # The streaming form.
    "start without step": Wrong("    def step(", "    def stp(", "small has start but no step"),
    "step without start": Wrong("    def start(", "    def begin(", "small has step but no start"),
    "step gives no state": Wrong(STEP, STEP.replace(", state", ""), "step returned no tuple"),
    "step is louder": Wrong(
        STEP,
        "return " + STEP[7:].replace("self.gain", "0.6"),
        "small: step gives other estimates than forward from chunk 0 on, by up to 1.7e-01",
    ),
    "step gives the whole frame": Wrong(
        STEP, STEP.replace(", :CHUNK]", "]"), r"step returned an estimate \(2, 1, 2, 192\)"
    ),
    "step raises": Wrong(STEP, "return state.gone", "small: step raised AttributeError"),
    # Files of weights and models.
    "weights are not there": Wrong(
        "small, remote = Small()",
        'small, remote = load_weights(Small(), "no.pt")',
        "no.pt: no such file, looked for in",
        True,
    ),
    "weights of another module": Wrong(
        "small, remote = Small()",
        'small, remote = load_weights(Small(), "linear.pt")',
        "linear.pt: weights of another module than Small; missing: gain; unexpected: weight, bias",
        True,
    ),
    "weights that are a pickle": Wrong(
        "small, remote = Small()",
        'small, remote = load_weights(Small(), "module.pt")',
        "module.pt: holds more than weights, and is not loaded",
        True,
    ),
    "TorchScript with another input": Wrong(
        "small, remote = Small()",
        'small, remote = torchscript("noisy.ts")',
        "noisy.ts: input noisy, expected mixture and any of",
        True,
    ),
    "ONNX that is none": Wrong(
        "small, remote = Small()",
        'small, remote = onnx("linear.pt")',
        "linear.pt: ONNX Runtime (cannot load it|is not installed)",
        True,
    ),
}


class Noisy(nn.Module):
    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        return noisy[:, None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that wrong models load."""
    made = tmp_path_factory.mktemp("wrong")
    torch.save(nn.Linear(1, 1).state_dict(), made / "linear.pt")
    torch.save(nn.Linear(1, 1), made / "module.pt")
    SAVE["torchscript"][1](Noisy(), made / "noisy.ts")
    return made


def written(folder: Path, wrong: Wrong) -> Path:
    assert RIGHT.count(wrong.old) >= 1, wrong.old
    path = folder / "model.py"
    path.write_text(RIGHT.replace(wrong.old, wrong.new, 1))
    return path


def test_the_file_that_is_changed_is_right(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(RIGHT)
    report = check_file(path)
    assert report.right
    assert [(item.part, item.parameters, item.streams) for item in report.found] == [
        ("small", 1, True),
        ("large", 0, False),
        ("device of boosted@0", 0, False),
    ]
    assert report.link is not None
    assert report.link.kbit_per_s == pytest.approx(2.0)  # 16 bits, 125 times a second


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_is_told_in_one_clear_line(name: str, folder: Path) -> None:
    path = written(folder, WRONG[name])
    (line,) = check_file(path).problems
    assert "\n" not in line
    assert re.search(WRONG[name].line, line), line
    if WRONG[name].load:
        with pytest.raises(ModelError, match=WRONG[name].line) as caught:
            load_triple(path, None)
        assert str(caught.value).startswith(f"{path}: ")


def test_there_are_more_than_twenty_ways() -> None:
    assert len(WRONG) > 40


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    text = RIGHT.replace("64", "96", 1).replace("torch.float16", "torch.complex64")
    text = text.replace(SMALL, SMALL + "[..., :-64]").replace(HEARD, HEARD + "[:, 1:]")
    path = tmp_path / "model.py"
    path.write_text(text)
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    for part, line in zip(("lookahead", "hint_dtype", "small", "large"), lines, strict=False):
        assert line.startswith(f"{path}: {part} "), line
    assert lines[4].startswith("note: device of boosted@0 was not tried: large gives it no hints")
    assert lines[-1] == "4 problems"


def test_target_speech_is_tried_with_an_enrollment(tmp_path: Path) -> None:
    text = RIGHT.replace('"enhancement"', '"target_speech"')
    path = tmp_path / "model.py"
    path.write_text(text)
    assert check_file(path).right
    path.write_text(text.replace(SMALL, "enrollment.zero_(); " + SMALL))
    (line,) = check_file(path).problems
    assert "small changes its input in place: enrollment" in line
    path.write_text(text.replace(SMALL, "assert enrollment.shape == (2, 1, 16000); " + SMALL))
    assert check_file(path).right


@pytest.mark.parametrize(("sources", "right"), [(1, False), (2, True), (3, True)])
def test_separation_is_of_two_talkers_or_more(sources: int, right: bool, tmp_path: Path) -> None:
    text = RIGHT.replace('"enhancement"', '"separation"').replace(
        "[:, None]", f"[:, None].repeat(1, {sources}, 1, 1)"
    )
    text = text.replace(
        "frame[:, None, :, :CHUNK]", f"frame[:, None, :, :CHUNK].repeat(1, {sources}, 1, 1)"
    )
    path = tmp_path / "model.py"
    path.write_text(text)
    report = check_file(path)
    assert report.right == right, report.problems


def test_what_is_right_exits_0_and_a_missing_file_2(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(RIGHT)
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 0
    assert "keeps the contract" in result.stdout
    assert "hints: [1] a chunk as float16, 2 kbit/s" in result.stdout
    result = CliRunner().invoke(main, ["check", str(tmp_path / "none.py")])
    assert result.exit_code == 2
    assert "`kbbench new-model NAME` writes one" in result.stderr


Example = Callable[[str], Path]


@pytest.mark.parametrize("name", ["passthrough", "wiener", "oracle"])
def test_examples_are_right(name: str, example: Example) -> None:
    assert check_file(example(name)).problems == ()
