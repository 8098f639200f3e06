"""A run is named by every file that its triple was made from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from kbbench.errors import ModelError
from kbbench.models.loading import LoadedTriple, load_triple
from kbbench.models.sources import locate

READS = """
import json, sys
from pathlib import Path
import torch
from kbbench.models import *
sys.path.insert(0, {library!r})
import elsewhere

HERE = Path(__file__).parent

class Device(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(0.5))
    def forward(self, mixture, **given):
        return self.gain * mixture[:, None]

def boosted(delay):
    device = load_weights(Device(), f"boosted-{{delay}}.pt")
    return Boosted(device, device)

def triple():
    settings = json.loads((HERE / "settings.json").read_text())
    with open(HERE / "log.txt", "a") as log:
        log.write("loaded")
    small = lambda mixture, **given: settings["gain"] * mixture[:, None]
    return Triple("t", "enhancement", small, small, boosted)
"""


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedTriple:
    """A triple from a file in ``user``, a module of ``library``, and files beside it."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library/elsewhere.py").write_text("GAIN = 1")
    user = tmp_path / "user"
    user.mkdir()
    (user / "settings.json").write_text('{"gain": 0.5}')
    for delay in (0, 6):
        torch.save({"gain": torch.tensor(0.1 * delay)}, user / f"boosted-{delay}.pt")
    path = user / "model.py"
    path.write_text(READS.format(library=str(tmp_path / "library")))
    before = list(sys.path)
    try:
        return load_triple(path, None)
    finally:
        sys.path[:] = before
        sys.modules.pop("elsewhere", None)


def test_what_is_read_while_it_is_loaded_counts(loaded: LoadedTriple) -> None:
    assert sorted(loaded.files_sha256([])) == ["settings.json"]
    assert list(loaded.imports_sha256) == ["elsewhere"]


def test_what_a_delay_s_model_reads_counts_for_that_delay(
    loaded: LoadedTriple, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # files are found beside the user's file all the same
    assert sorted(loaded.files_sha256([6])) == ["boosted-6.pt", "settings.json"]
    assert sorted(loaded.files_sha256([0, 6])) == ["boosted-0.pt", "boosted-6.pt", "settings.json"]
    with pytest.raises(ModelError, match=r"boosted\(3\): boosted-3.pt: no such file, looked for"):
        loaded.boosted_at(3)


def test_a_file_that_changes_names_another_run(loaded: LoadedTriple) -> None:
    before = loaded.files_sha256([])
    (loaded.path.parent / "settings.json").write_text('{"gain": 0.6}')
    try:
        after = load_triple(loaded.path, None)
    finally:
        sys.modules.pop("elsewhere", None)
        sys.path.remove(str(loaded.path.parents[1] / "library"))
    assert after.files_sha256([])["settings.json"] != before["settings.json"]
    assert after.file_sha256 == loaded.file_sha256


def test_outside_of_loading_paths_are_as_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w.pt").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    assert locate("w.pt") == tmp_path / "w.pt"
    assert locate(tmp_path / "w.pt") == tmp_path / "w.pt"
    with pytest.raises(ModelError, match=r"v.pt: no such file, looked for in"):
        locate("v.pt")
