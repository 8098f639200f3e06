"""Adapters: what comes out of them is what the network itself gives, and what names it."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from kbbench.channel import fixed, gilbert_elliott, jitter, off, parse_channel
from kbbench.errors import ModelError
from kbbench.models import Opaque, exported, joint, load_weights, plain
from kbbench.models.adapters.onnx import external_files
from kbbench.models.loading import LoadedTriple, load_triple
from kbbench.runner import Batch, Condition, Runner
from tests.models import networks
from tests.models.networks import SAVE, Half, Hinted, Told

CONDITIONS = [
    Condition("small", "small"),
    Condition("large", "large"),
    Condition("boosted@3", "boosted", fixed(3)),
    Condition("boosted@off", "boosted", off(3)),
    Condition("boosted@jitter", "boosted", jitter(24, 8)),
    Condition("boosted@loss", "boosted", gilbert_elliott(to_bad=0.1, to_good=0.3)),
    Condition("boosted@other-hints", "boosted", fixed(3), other_hints=True),
]
ADAPTERS = ["torchscript", "exported", pytest.param("onnx", marks=pytest.mark.slow)]
NATIVE = """
from kbbench.models import *
from tests.models.networks import Half, Hinted, Told
import torch

class Device(Hinted):
    def forward(self, mixture, *, hints, seen_mask, age, **given):
        return super().forward(mixture, hints, seen_mask, age)

class Remote(Told):
    def forward(self, mixture, **given):
        return super().forward(mixture)

def triple():
    device = load_weights(Device(), "device.safetensors")
    remote = Remote()
    return Triple("t", "enhancement", plain(Half()), remote, Boosted(device, remote))
"""
FROM_FILES = """
from kbbench.models import *
from kbbench.models import {adapter} as load

def triple():
    remote = load("remote.{suffix}")
    return Triple("t", "enhancement", load("small.{suffix}"), remote,
                  Boosted(load("device.{suffix}"), remote))
"""


def needs(adapter: str) -> None:
    """Skip where the adapter's own packages are not installed."""
    if adapter == "onnx":
        for name in ("onnx", "onnxruntime", "onnxscript"):
            if importlib.util.find_spec(name) is None:
                pytest.skip(f"{name} is not installed: pip install 'kbbench[dev]'")


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    mixture = torch.rand(4, 2, 5120, generator=generator)
    ids = tuple(f"test/{b:05d}" for b in range(4))
    return Batch(ids, mixture, mixture[:, None].clone(), None)


def run(loaded: LoadedTriple) -> dict[str, torch.Tensor]:
    """Under every condition, and through every kind of link."""
    trace = loaded.path.parent / "link.csv"
    trace.write_text("time_ms,rtt_ms\n0,24\n40,\n60,56\n")
    traced = Condition("boosted@trace", "boosted", parse_channel(f"trace:file={trace}"))
    outputs = Runner(loaded).run(batch(), [*CONDITIONS, traced])
    return {condition.name: torch.from_numpy(values) for condition, values in outputs}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The native triple, and its weights."""
    made = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    safetensors.torch.save_file(Hinted().state_dict(), made / "device.safetensors")
    (made / "native.py").write_text(NATIVE)
    return made


def export(adapter: str, folder: Path) -> Path:
    """The same triple from three files of a kind."""
    suffix, save = SAVE[adapter]
    path = folder / f"from_{adapter}.py"
    if not path.is_file():
        device = load_weights(Hinted(), folder / "device.safetensors").eval()
        for name, network in {"small": Half(), "device": device, "remote": Told()}.items():
            save(network.eval(), folder / f"{name}.{suffix}")
        path.write_text(FROM_FILES.format(adapter=adapter, suffix=suffix))
    return path


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_files_give_what_the_network_gives(adapter: str, folder: Path) -> None:
    needs(adapter)
    native = run(load_triple(folder / "native.py", None))
    foreign = run(load_triple(export(adapter, folder), None))
    for name, expected in native.items():
        torch.testing.assert_close(foreign[name], expected, rtol=0, atol=1e-5)
    assert (native["boosted@3"] - native["boosted@other-hints"]).abs().max() > 1e-3


@pytest.mark.parametrize("adapter", ["torchscript", "exported"])
def test_files_of_torch_stay_in_evaluation_mode(adapter: str, folder: Path) -> None:
    loaded = load_triple(export(adapter, folder), None)
    device: Any = loaded.boosted_at(6).models[0]
    assert not [name for name, module in device.named_modules() if module.training]
    assert sum(p.numel() for p in device.parameters()) == networks.HINTS + 1


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_file_names_the_run(adapter: str, folder: Path) -> None:
    needs(adapter)
    suffix = SAVE[adapter][0]
    loaded = load_triple(export(adapter, folder), None)
    files = loaded.files_sha256([0, 6])
    assert {f"{part}.{suffix}" for part in ("small", "device", "remote")} <= set(files)
    assert all(len(value) == 64 for value in files.values())


@pytest.mark.slow
def test_weights_beside_an_onnx_file_name_the_run(folder: Path, tmp_path: Path) -> None:
    needs("onnx")
    import onnx

    path = tmp_path / "from_onnx.py"
    path.write_text(export("onnx", folder).read_text())
    for part in ("small", "remote"):
        (tmp_path / f"{part}.onnx").write_bytes((folder / f"{part}.onnx").read_bytes())
    model = onnx.load(folder / "device.onnx")
    size = 4 * networks.HINTS
    weight = next(t for t in model.graph.initializer if len(t.raw_data) == size)
    onnx.external_data_helper.set_external_data(weight, "device.bin")
    onnx.save(model, tmp_path / "device.onnx")
    assert external_files((tmp_path / "device.onnx").read_bytes()) == ["device.bin"]
    before = load_triple(path, None)
    data = bytearray((tmp_path / "device.bin").read_bytes())
    data[2] ^= 0x40
    (tmp_path / "device.bin").write_bytes(data)
    after = load_triple(path, None)
    old, new = (loaded.files_sha256([6]) for loaded in (before, after))
    assert [name for name in old if old[name] != new[name]] == ["device.bin"]
    assert not torch.equal(run(before)["boosted@3"], run(after)["boosted@3"])


def test_a_file_for_one_mixture_takes_them_one_by_one(tmp_path: Path) -> None:
    network, heard = Told().eval(), batch().mixture
    axes = {"mixture": {2: torch.export.Dim.AUTO}}
    program = torch.export.export(network, (heard[:1],), dynamic_shapes=axes)
    torch.export.save(program, tmp_path / "one.pt2")
    estimates, hints = exported(tmp_path / "one.pt2", one_by_one=True)(heard)
    torch.testing.assert_close(estimates, network(heard)[0])
    torch.testing.assert_close(hints, network(heard)[1])


@pytest.mark.parametrize("samples", [1, 127, 128, 300, 5000])
def test_an_exported_program_takes_any_length(samples: int, folder: Path) -> None:
    device: Any = load_triple(export("exported", folder), None).boosted_at(6).models[0]
    network = load_weights(Hinted(), folder / "device.safetensors")
    mixture, chunks = batch().mixture[..., :samples], -(-samples // 128)
    told = {
        "hints": torch.rand(4, chunks, networks.HINTS),
        "seen_mask": torch.ones(4, chunks, dtype=torch.bool),
        "age": torch.zeros(4, chunks, dtype=torch.int64),
    }
    torch.testing.assert_close(device(mixture, **told), network(mixture, **told))


def test_inputs_that_a_file_does_not_have_are_not_fed(folder: Path) -> None:
    loaded = load_triple(export("torchscript", folder), None)
    mixture, small = batch().mixture, loaded.triple.small
    hints = torch.zeros(4, 40, 3)
    assert torch.equal(small(mixture, enrollment=mixture, hints=hints), 0.5 * mixture[:, None])


def test_a_file_that_needs_hints_says_so_where_there_are_none(folder: Path) -> None:
    loaded = load_triple(export("exported", folder), None)
    with pytest.raises(ModelError, match=r"device.pt2: needs hints, seen_mask, age, which small"):
        loaded.boosted_at(6).models[0](batch().mixture)


class Named(nn.Module):
    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        return noisy[:, None]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_file_with_other_inputs_is_refused(adapter: str, tmp_path: Path) -> None:
    needs(adapter)
    suffix, save = SAVE[adapter]
    path = tmp_path / f"net.{suffix}"
    if adapter == "torchscript":
        save(Named(), path)
    else:
        program = torch.export.export(Named(), (torch.rand(1, 2, 256),))
        if adapter == "exported":
            torch.export.save(program, path)
        else:
            made = torch.onnx.export(program, verbose=False)
            assert made is not None
            made.save(str(path))
    (tmp_path / "m.py").write_text(FROM_FILES.format(adapter=adapter, suffix=suffix))
    for name in ("small", "remote", "device"):
        (tmp_path / f"{name}.{suffix}").write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match="input noisy, expected mixture and any of enrollment"):
        load_triple(tmp_path / "m.py", None)


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ("torchscript", "no TorchScript file"),
        ("exported", "no exported program"),
        ("onnx", "ONNX Runtime cannot load it"),
    ],
)
def test_a_file_of_something_else_is_refused(adapter: str, message: str, tmp_path: Path) -> None:
    needs(adapter)
    (tmp_path / "m.py").write_text(FROM_FILES.format(adapter=adapter, suffix="x"))
    with pytest.raises(ModelError, match=r"m.py: remote.x: no such file, looked for in"):
        load_triple(tmp_path / "m.py", None)
    (tmp_path / "remote.x").write_bytes(b"this is no model")
    with pytest.raises(ModelError, match=f"m.py: remote.x: {message}") as caught:
        load_triple(tmp_path / "m.py", None)
    assert "\n" not in str(caught.value)


class Late(nn.Module):
    """A joint model: the mixture, the delay in chunks as its gain, and the enrollment."""

    def forward(
        self, mixture: torch.Tensor, delay: int, enrollment: torch.Tensor | None = None
    ) -> torch.Tensor:
        extra = 0.0 if enrollment is None else enrollment.mean()
        return mixture[:, None] / (1 + delay) + extra


def test_a_joint_model_is_given_the_delay() -> None:
    mixture = batch().mixture
    made = joint(Late())(3)
    assert isinstance(made, Opaque)
    assert torch.equal(made.whole(mixture), mixture[:, None] / 4)
    moved = made.whole(mixture, enrollment=torch.ones(4, 1, 100))
    assert torch.equal(moved, mixture[:, None] / 4 + 1)


def test_a_plain_network_gets_the_enrollment_where_it_takes_one() -> None:
    mixture, enrollment = batch().mixture, torch.ones(4, 1, 100)

    class Takes(nn.Module):
        def forward(self, mixture: torch.Tensor, enrollment: torch.Tensor) -> torch.Tensor:
            return mixture[:, None] + enrollment.mean()

    assert torch.equal(plain(Takes())(mixture, enrollment=enrollment), mixture[:, None] + 1)
    assert torch.equal(plain(Half())(mixture, enrollment=enrollment), 0.5 * mixture[:, None])


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_weights_are_loaded_and_nothing_else(suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    given = nn.Linear(3, 2)
    path = tmp_path / f"w.{suffix}"
    if suffix == "pt":
        torch.save(given.state_dict(), path)
    else:
        safetensors.torch.save_file(given.state_dict(), path)
    loaded = load_weights(nn.Linear(3, 2), path)
    assert torch.equal(loaded.weight, given.weight)
    with pytest.raises(ModelError, match=r"of another module than Linear; of another shape: weigh"):
        load_weights(nn.Linear(4, 2), path)
    with pytest.raises(ModelError, match=r"missing: weight_ih, weight_hh, .* and 1 more; unexpect"):
        load_weights(nn.GRUCell(3, 2), path)


class Trap:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "caught")


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"weight": Trap(tmp_path / "trap")}, tmp_path / "w.pt")
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(Trap(tmp_path / "trap")))
    for name in ("w.pt", "w.pkl"):
        with pytest.raises(ModelError, match="holds more than weights, and is not loaded"):
            load_weights(nn.Linear(1, 1), tmp_path / name)
    assert not (tmp_path / "trap").exists()


def test_a_checkpoint_of_more_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": nn.Linear(1, 1).state_dict(), "epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="it holds state_dict, epoch; save the state_dict alone"):
        load_weights(nn.Linear(1, 1), tmp_path / "w.pt")
    (tmp_path / "w.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match=r"w.safetensors: no safetensors file"):
        load_weights(nn.Linear(1, 1), tmp_path / "w.safetensors")
