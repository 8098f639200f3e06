"""Steps in files: the reference networks through every kind of file, link and task."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kbbench.audit import audit_triple
from kbbench.audit.run import Effort
from kbbench.baselines.shipped.names import find_model
from kbbench.channel import Channel, deliver, fixed, off, parse_channel
from kbbench.cost import profile_triple
from kbbench.errors import ModelError
from kbbench.models import Boosted, Triple, export_step, joint, plain, steps
from kbbench.models.loading import LoadedTriple, load_triple
from kbbench.runner import Batch, Condition, Runner
from kbbench.streaming import stream_boosted
from kbbench.units import OFFICIAL_DELAYS
from tests.baselines.networks import BOOSTINGS, device, remote

KINDS = (".ts", ".pt2", ".onnx")
SAMPLES = 128 * 14 + 50
LINKS = ("jitter:mean_ms=24,std_ms=16", "gilbert-elliott:to_bad=0.2,to_good=0.4,delay_ms=20")


def needs(kind: str) -> None:
    """Skip where the packages of a kind are not installed."""
    for name in ("onnx", "onnxruntime") if kind == ".onnx" else ():
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install 'kbbench[dev]'")


def channels(folder: Path) -> list[Channel]:
    """One of every kind."""
    trace = folder / "trace.csv"
    trace.write_text("time_ms,rtt_ms\n0,48\n5,\n11,31\n")
    links = [parse_channel(text) for text in (*LINKS, f"trace:file={trace}")]
    return [fixed(0), fixed(6), off(), *links]


def batch(enrolled: bool = False) -> Batch:
    generator = torch.Generator().manual_seed(7)
    mixture = 0.1 * torch.randn(3, 2, SAMPLES, generator=generator)
    enrollment = 0.1 * torch.randn(3, 1, 8000, generator=generator) if enrolled else None
    references = mixture[:, None].expand(-1, 1 if enrolled else 2, -1, -1).clone()
    return Batch(("a", "b", "c"), mixture, references, enrollment)


def in_files(native: Triple, folder: Path, kind: str, enrolled: bool = False) -> Triple:
    """The same triple, every model of it from a file."""
    given = torch.zeros(1, 1, 8000) if enrolled else None
    boosted = native.boosted_at(6)
    assert isinstance(boosted, Boosted)
    _, hints = boosted.remote(batch(enrolled).mixture, enrollment=batch(enrolled).enrollment)
    shape = tuple(hints.shape[2:])

    def file(name: str, model: Any, hint: tuple[int, ...] | None = None) -> Any:
        path = export_step(model, folder / f"{name}{kind}", hint, given)
        return steps(path, model.start if enrolled else None)

    large = file("large", native.large)
    small, boost = file("small", native.small), file("device", boosted.device, shape)
    return Triple(native.name, native.task, small, large, Boosted(boost, large), torch.float32)


def triple(boosting: Any, enrolled: bool = False, **more: bool) -> Triple:
    large = remote(boosting, enrolled, **more)
    parts = Boosted(device(boosting, enrolled), large)
    task = "target_speech" if enrolled else "separation"
    # Half precision would turn differences of the last bit into steps of 5e-4.
    return Triple("tiny", task, device(enrolled=enrolled), large, parts, torch.float32)


def loaded(item: Triple) -> LoadedTriple:
    return LoadedTriple(Path("model.py"), item, "0" * 64, {})


@pytest.mark.parametrize(
    ("boosting", "kind"),
    [
        # Exporting one to .pt2 takes seconds.
        pytest.param(boosting, kind, marks=pytest.mark.long if kind == ".pt2" else ())
        for boosting in (*BOOSTINGS, "refines", "enrolled", "d_vector")
        for kind in KINDS
    ],
)
def test_a_reference_triple_in_files_is_the_same_on_every_link(
    boosting: str, kind: str, tmp_path: Path
) -> None:
    needs(kind)
    enrolled = boosting in ("enrolled", "d_vector")
    more = {boosting: True} if boosting in ("d_vector", "refines") else {}
    native = triple(boosting if boosting in BOOSTINGS else "attention", enrolled, **more)
    same_on_every_link(native, in_files(native, tmp_path, kind, enrolled), tmp_path, enrolled)


def same_on_every_link(one: Triple, other: Triple, folder: Path, enrolled: bool = False) -> None:
    conditions = [Condition("small", "small"), Condition("large", "large")]
    conditions += [Condition(c.name, "boosted", c) for c in channels(folder)]
    found = [
        {
            c.name: estimates
            for c, estimates in Runner(loaded(item)).run(batch(enrolled), conditions)
        }
        for item in (one, other)
    ]
    for name, estimates in found[0].items():
        difference = abs(estimates - found[1][name]).max()
        assert difference < 1e-5, (name, difference)
    # Hints matter here, or this would prove little.
    assert abs(found[1]["delay-0"] - found[1]["hints-off"]).max() > 1e-4


def trained() -> Triple:
    """The built-in one."""
    native = load_triple(find_model(Path("separation-kb")), "separation").triple
    return replace(native, hint_dtype=torch.float32)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_the_trained_triple_in_files_is_the_same_on_every_link(kind: str, tmp_path: Path) -> None:
    needs(kind)
    same_on_every_link(trained(), in_files(trained(), tmp_path, kind), tmp_path)


class Whole(nn.Module):
    """The trained device, its remote and their link in one."""

    def __init__(self, parts: Boosted) -> None:
        super().__init__()
        self.device, self.remote = parts.device, parts.remote

    def forward(self, mixture: Tensor, delay: int) -> Tensor:
        _, hints = self.remote(mixture)
        late = deliver(hints, fixed(delay).seen_by("x", hints.shape[1])[None].repeat(3, 0))
        estimates: Tensor = self.device(mixture, **late.as_arguments())
        return estimates


def test_the_trained_triple_as_plain_and_joint_models() -> None:
    native = trained()
    parts = native.boosted_at(6)
    assert isinstance(parts, Boosted)
    small, large = plain(native.small), plain(First(native.large))
    other = Triple("j", native.task, small, large, joint(Whole(parts)), torch.float32)
    conditions = [Condition("small", "small"), Condition("large", "large")]
    conditions += [Condition(f"boosted@{d}", "boosted", fixed(d)) for d in OFFICIAL_DELAYS]
    here, there = (Runner(loaded(item)).run(batch(), conditions) for item in (native, other))
    for (condition, one), (_, same) in zip(here, there, strict=True):
        assert abs(one - same).max() < 1e-5, condition.name


class First(nn.Module):
    """The estimates of a network that has hints too."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, mixture: Tensor) -> Tensor:
        estimates: Tensor = self.network(mixture)[0]
        return estimates


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_steps_stream_and_have_a_cost(kind: str, tmp_path: Path) -> None:
    needs(kind)
    native = triple("attention")
    filed = in_files(native, tmp_path, kind)
    heard, link = batch().mixture, fixed(2)
    seen = link.seen_by("a", 15)
    streamed, other = (
        stream_boosted(item.boosted_at(6), heard, seen, 64, torch.float16).estimates  # type: ignore[arg-type]
        for item in (native, filed)
    )
    torch.testing.assert_close(streamed, other, atol=1e-5, rtol=0)
    cost = profile_triple(loaded(filed), seconds=0.1)
    assert cost.models["device"].value("state_bytes") == profile_triple(
        loaded(native), seconds=0.1
    ).models["device"].value("state_bytes")
    assert cost.models["small"].value("chunk_ms_p50") is not None
    if kind == ".onnx":
        assert "ONNX Runtime" in (cost.models["small"].figures["macs_per_chunk"].reason or "")


@pytest.mark.long
def test_a_triple_of_steps_passes_the_audit(tmp_path: Path) -> None:
    needs(".onnx")
    export_step(device(), tmp_path / "small.onnx")
    large = remote("film")
    export_step(large, tmp_path / "large.onnx")
    shape = tuple(large(batch().mixture)[1].shape[2:])
    export_step(device("film"), tmp_path / "device.onnx", shape)
    file = tmp_path / "mine.py"
    file.write_text(
        "from kbbench.models import Boosted, Triple, steps\n\n"
        "def triple():\n"
        "    large = steps('large.onnx')\n"
        "    boosted = Boosted(steps('device.onnx'), large)\n"
        "    return Triple('steps', 'separation', steps('small.onnx'), large, boosted)\n",
        encoding="utf-8",
    )
    item = load_triple(file, "separation")
    assert set(item.files_sha256([6])) == {"small.onnx", "large.onnx", "device.onnx"}
    effort = Effort(seconds=0.3, longer_s=0.5, rows=4, rounds=2, longest_s=1.0, budget_s=1.0)
    audit = audit_triple(item, (6,), effort)
    assert audit.verdict == "honest", audit.failures
    assert all(part.streams for part in audit.streaming)


class Complex(nn.Module):
    """Its step has no tensors in its state, and complex numbers in it."""

    def start(self, batch: int, enrollment: Any = None) -> tuple[()]:
        return ()

    def step(self, frame: torch.Tensor, state: Any) -> Any:
        return torch.fft.irfft(torch.fft.rfft(frame))[:, None, :, :128], state


@pytest.mark.filterwarnings("ignore:`torch.jit.* is deprecated:FutureWarning")
def test_what_cannot_be_written_or_read_is_one_line(tmp_path: Path) -> None:
    there = tmp_path / "there.ts"
    there.write_text("mine")
    with pytest.raises(ModelError, match=r"there.ts: is there already; give another name"):
        export_step(device(), there)
    assert there.read_text() == "mine"
    with pytest.raises(ModelError, match=r"expected a name that ends in .ts, .pt2, .onnx"):
        export_step(device(), tmp_path / "model.tflite")
    with pytest.raises(ModelError, match="Linear has no streaming form; define start and step"):
        export_step(nn.Linear(1, 1), tmp_path / "model.ts")
    with pytest.raises(ModelError, match=r"none.ts: no such file"):
        steps(tmp_path / "none.ts")
    with pytest.raises(ModelError, match=r"there.ts: no .ts file .*write it with export_step"):
        steps(there)
    with pytest.raises(ModelError, match=r"model.bin: expected a file of a step, .ts, .pt2, .onnx"):
        steps("model.bin")
    torch.jit.save(torch.jit.script(nn.Identity()), tmp_path / "other.ts")
    with pytest.raises(ModelError, match=r"other.ts: not a step that kbbench wrote"):
        steps(tmp_path / "other.ts")


def test_a_model_without_state_is_a_step_too_but_not_in_onnx(tmp_path: Path) -> None:
    needs(".onnx")
    mixture = batch().mixture
    model = steps(export_step(Complex(), tmp_path / "complex.ts"))
    torch.testing.assert_close(model(mixture)[:, 0], mixture, atol=1e-6, rtol=0)
    with pytest.raises(ModelError, match=r"complex.onnx: cannot be exported \(UnsupportedOper"):
        export_step(Complex(), tmp_path / "complex.onnx")
    assert not (tmp_path / "complex.onnx").exists()
