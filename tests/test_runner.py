"""The runner: hints move through the channel alone, and every output is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kbbench.channel import fixed, jitter, off
from kbbench.errors import InputError, ModelError
from kbbench.models import Boosted, Opaque, Triple
from kbbench.models.loading import LoadedTriple, load_triple
from kbbench.resources import recipes_folder
from kbbench.runner import Batch, Condition, Runner, find_device, hint_kbit_per_s, read_batch
from kbbench.scenes.dataset import Dataset
from kbbench.streaming import stream_boosted
from kbbench.units import CHUNK

CHUNKS = 10


def batch(size: int = 3) -> Batch:
    """Mixture b holds the value b + k / 16 in chunk k."""
    level = torch.arange(size)[:, None] + torch.arange(CHUNKS) / 16
    mixture = level.repeat_interleave(CHUNK, dim=1)[:, None].repeat(1, 2, 1)
    ids = tuple(f"test/{b:05d}" for b in range(size))
    return Batch(ids, mixture, mixture[:, None].clone(), None)


def spread(per_chunk: Tensor, like: Tensor) -> Tensor:
    """(B, K) to estimates (B, 1, C, T), each chunk constant."""
    return per_chunk.repeat_interleave(CHUNK, 1)[:, None, None].expand(-1, 1, like.shape[1], -1)


def remote(mixture: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Its hint is what it hears in the chunk."""
    return mixture[:, None], mixture[:, 0, ::CHUNK, None]


def device(mixture: Tensor, **kwargs: Any) -> Tensor:
    """Its estimate is the hint that it was given."""
    if kwargs.get("hints") is None:
        return torch.zeros_like(mixture)[:, None]
    return spread(kwargs["hints"][..., 0], mixture)


def runner(**parts: Any) -> Runner:
    given: dict[str, Any] = {"small": device, "large": remote, "boosted": Boosted(device, remote)}
    triple = Triple(name="t", task="enhancement", **{**given, **parts})
    return Runner(LoadedTriple(Path("model.py"), triple, "0" * 64, {}))


def estimates(run: Runner, condition: Condition, size: int = 4) -> Tensor:
    ((_, values),) = run.run(batch(size), [condition])
    return torch.from_numpy(values)


@pytest.mark.parametrize("delay", [0, 1, 6, 9, 12])
def test_the_device_gets_the_hint_of_d_chunks_ago(delay: int) -> None:
    got = estimates(runner(), Condition("b", "boosted", fixed(delay)))[:, 0, 0, ::CHUNK]
    heard = batch(4).mixture[:, 0, ::CHUNK]
    expected = torch.zeros_like(heard)
    if delay < CHUNKS:
        expected[:, delay:] = heard[:, : CHUNKS - delay]
    assert torch.equal(got, expected)


def test_controls_take_no_hint_or_a_partner_s() -> None:
    assert not estimates(runner(), Condition("b", "boosted", off(0))).any()
    condition = Condition("b", "boosted", fixed(0), other_hints=True)
    for size, partners in ((2, [1, 0]), (3, [1, 2, 0]), (5, [1, 0, 3, 4, 2])):
        other = estimates(runner(), condition, size)
        assert torch.equal(other[:, 0], batch(size).mixture[partners])


def test_a_remote_runs_once_for_all_conditions() -> None:
    calls = []

    def counting(mixture: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:
        calls.append(len(mixture))
        return remote(mixture)

    run = runner(large=counting, boosted=Boosted(device, counting))
    conditions = [Condition("large", "large")]
    conditions += [Condition(f"b{d}", "boosted", fixed(d)) for d in range(7)]
    conditions.append(Condition("o", "boosted", fixed(6), other_hints=True))
    assert len(list(run.run(batch(), conditions))) == 9
    assert calls == [3]


def test_each_delay_may_have_its_own_boosted() -> None:
    def boosted(delay: int) -> Boosted:
        return Boosted(lambda mixture, **kwargs: torch.full_like(mixture, delay)[:, None], remote)

    for delay in (0, 3):
        got = estimates(runner(boosted=boosted), Condition("b", "boosted", fixed(delay)))
        assert (got == delay).all()


def test_hints_pass_through_their_type() -> None:
    def fine(mixture: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return mixture[:, None], torch.full((len(mixture), CHUNKS, 4), 1 + 2**-12)

    run = runner(boosted=Boosted(device, fine), hint_dtype=torch.float16)
    assert (estimates(run, Condition("b", "boosted", fixed(0))) == 1.0).all()
    # Four numbers of 16 bits, 125 times a second.
    assert run.hint_bits_per_chunk == 64
    assert hint_kbit_per_s(run.hint_bits_per_chunk) == pytest.approx(8.0)


def test_a_model_cannot_change_what_the_next_one_hears() -> None:
    def vandal(mixture: Tensor, **kwargs: Any) -> Tensor:
        mixture.zero_()
        return mixture[:, None]

    given = batch()
    conditions = [Condition("small", "small"), Condition("large", "large")]
    (_, _), (_, large) = runner(small=vandal).run(given, conditions)
    assert torch.equal(torch.from_numpy(large)[:, 0], batch().mixture)


def test_a_model_cannot_change_enrollment_or_reference() -> None:
    def vandal(mixture: Tensor, *, enrollment: Any, reference: Any, **kwargs: Any) -> Tensor:
        enrollment.zero_()
        reference.zero_()
        return mixture[:, None]

    def listener(mixture: Tensor, *, enrollment: Any, reference: Any, **kwargs: Any) -> Tensor:
        return reference + enrollment.mean()

    given = replace(batch(), enrollment=torch.ones(3, 1, 100))
    conditions = [Condition("small", "small"), Condition("large", "large")]
    run = runner(small=vandal, large=listener, oracle=True)
    (_, _), (_, large) = run.run(given, conditions)
    assert torch.equal(torch.from_numpy(large), batch().references + 1)


def test_a_model_may_hand_out_one_buffer_again_and_again() -> None:
    buffer = torch.empty(3, 1, 2, CHUNKS * CHUNK)

    def reusing(mixture: Tensor, **kwargs: Any) -> Tensor:
        hints = kwargs.get("hints")
        out = buffer[: len(mixture)]
        return out.copy_(mixture[:, None] if hints is None else spread(hints[..., 0], mixture))

    def telling(mixture: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return buffer.copy_(2 * mixture[:, None]), mixture[:, 0, ::CHUNK, None]

    run = runner(small=reusing, large=telling, boosted=Boosted(reusing, telling))
    conditions = [Condition("small", "small"), Condition("large", "large")]
    conditions += [Condition(f"b{d}", "boosted", fixed(d)) for d in (0, 3)]
    conditions.append(Condition("large", "large"))
    found = [torch.from_numpy(values) for _, values in run.run(batch(), conditions)]
    heard = batch().mixture[:, None]
    for values, expected in zip(found[:3], (heard, 2 * heard, heard), strict=True):
        assert torch.equal(values, expected)
    assert torch.equal(found[4], 2 * heard)


def test_a_boosted_model_in_one_piece_gets_no_hints() -> None:
    def whole(mixture: Tensor, **kwargs: Any) -> Tensor:
        assert set(kwargs) == {"enrollment"}
        return 3 * mixture[:, None]

    run = runner(boosted=lambda delay: Opaque(lambda m, **k: delay + whole(m, **k)))
    got = estimates(run, Condition("b", "boosted", fixed(2)))
    assert torch.equal(got, 3 * batch(4).mixture[:, None] + 2)


def test_an_oracle_gets_the_reference_and_nobody_else_does() -> None:
    def peek(mixture: Tensor, *, reference: Tensor | None = None, **kwargs: Any) -> Tensor:
        return torch.zeros_like(mixture)[:, None] if reference is None else reference

    small = Condition("small", "small")
    assert not estimates(runner(small=peek), small).any()
    assert torch.equal(estimates(runner(small=peek, oracle=True), small), batch(4).references)


def raising(mixture: Tensor, **kwargs: Any) -> Tensor:
    raise RuntimeError("out of\nluck")


def nan_in_the_second(mixture: Tensor, **kwargs: Any) -> Tensor:
    output = mixture[:, None].clone()
    output[1, 0, 1, 700] = torch.nan
    return output


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"small": raising}, "small raised RuntimeError on mixture test/00000: out of luck"),
        ({"small": lambda m, **k: m}, r"small returned \(3, 2, 1280\) .* = \(3, 1, 2, 1280\)"),
        ({"small": lambda m, **k: [m]}, "small returned list"),
        ({"small": nan_in_the_second}, r"mixture test/00001 is nan at \(0, 1, 700\)"),
        ({"large": lambda m, **k: (m[:, None], m[:, 0, ::CHUNK], 3)}, "large returned a tuple of"),
        (
            {"large": lambda m, **k: (m[:, None], m[:, 0])},
            r"large returned hints \(3, 1280\) .* expected \(3, 10, ...\)",
        ),
        (
            {"large": lambda m, **k: (m[:, None], 1e9 * torch.ones(3, CHUNKS, 1))},
            "hints of large .* is inf",
        ),
        (
            {"boosted": Boosted(device, lambda m, **k: m[:, None])},
            "remote of boosted@0 returned estimates alone",
        ),
    ],
)
def test_a_broken_contract_is_said_in_one_line(parts: dict[str, Any], message: str) -> None:
    conditions = [
        Condition("small", "small"),
        Condition("large", "large"),
        Condition("boosted@0", "boosted", fixed(0)),
    ]
    with pytest.raises(ModelError, match=message) as caught:
        list(runner(**parts).run(batch(), conditions))
    assert str(caught.value).startswith("model.py: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_batches_hold_what_the_files_do(task: str, tiny_dataset: Callable[[str], Dataset]) -> None:
    mixtures = list(tiny_dataset(task).mixtures("test"))
    read = read_batch(mixtures)
    sources = 2 if task == "separation" else 1
    assert read.mixture.shape == (3, 2, 32_000)
    assert read.references.shape == (3, sources, 2, 32_000)
    assert (read.enrollment is not None) == (task == "target_speech")
    if read.enrollment is not None:
        assert read.enrollment.shape == (3, 1, 80_000)
    torch.testing.assert_close(
        read.mixture[1] * 32768, torch.from_numpy(mixtures[1].read("mixture").astype("float32"))
    )


def test_a_device_that_is_not_here_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"--device cuda: PyTorch .* finds no CUDA device here"):
        find_device("cuda")
    with pytest.raises(InputError, match="--device tpu: expected cpu or cuda"):
        find_device("tpu")
    assert find_device("cpu") == torch.device("cpu")


class Gain(torch.nn.Module):
    """Device, remote and small in one, with a weight that has to lie where the input does."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, mixture: Tensor, **kwargs: Any) -> Any:
        if kwargs.get("hints") is not None:
            return spread(self.gain * kwargs["hints"][..., 0], mixture)
        return self.gain * mixture[:, None], self.gain * mixture[:, 0, ::CHUNK, None]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_device_changes_no_estimate() -> None:
    model = Gain()
    triple = Triple("t", "enhancement", device, model, Boosted(model, model))
    conditions = [Condition("large", "large"), Condition("b", "boosted", jitter(24, 8))]
    found = [
        [values for _, values in Runner(loaded, find_device(name)).run(batch(), conditions)]
        for name in ("cpu", "cuda")
        for loaded in [LoadedTriple(Path("model.py"), triple, "0" * 64, {})]
    ]
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(torch.from_numpy(there), torch.from_numpy(here))


def test_mixtures_of_two_lengths_make_no_batch(tiny_dataset: Callable[[str], Dataset]) -> None:
    first, second, *_ = tiny_dataset("enhancement").mixtures("test")
    second.row["samples"] = 5
    try:
        with pytest.raises(InputError, match=r"mixtures of \[5, 32000\] samples"):
            read_batch([first, second])
    finally:
        second.row["samples"] = 32_000


def test_a_streamed_link_goes_chunk_by_chunk_a_mixture_at_a_time() -> None:
    """To the bit what one stream of one mixture gives, and offline but for rounding."""
    loaded = load_triple(recipes_folder() / "models" / "wiener.py", "enhancement")
    generator = torch.Generator().manual_seed(1)
    mixture = 0.1 * torch.randn(3, 2, 12 * CHUNK + 5, generator=generator)
    given = Batch(("a", "b", "c"), mixture, mixture[:, None].clone(), None)
    link = jitter(24, 16)
    streamed = Condition("boosted@s", "boosted", replace(link, streamed=True))
    conditions = [streamed, Condition("boosted@f", "boosted", link)]
    found = Runner(loaded).run(given, conditions)
    by_form = {condition.name: torch.from_numpy(values) for condition, values in found}
    torch.testing.assert_close(by_form["boosted@s"], by_form["boosted@f"], rtol=0, atol=1e-6)
    for row, name in enumerate(given.ids):
        alone = stream_boosted(
            loaded.triple.boosted_at(link.delay_chunks),
            mixture[row : row + 1],
            link.seen_by(name, 13),
            loaded.triple.lookahead,
            loaded.triple.hint_dtype,
        )
        assert torch.equal(by_form["boosted@s"][row], alone.estimates[0])


def test_a_streamed_link_needs_a_streaming_form() -> None:
    condition = Condition("boosted@s", "boosted", replace(fixed(1), streamed=True))
    message = "model.py: boosted@s: device: function has no streaming form.* on mixture test/00000"
    with pytest.raises(ModelError, match=message):
        estimates(runner(), condition)
