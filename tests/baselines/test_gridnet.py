"""The reference networks: streaming is exact, nothing looks ahead, sizes are as published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kbbench.baselines.config import GridNetConfig, baseline, boosted, large, small
from kbbench.baselines.gridnet import GridNet, RemoteGridNet
from kbbench.baselines.triples import seeded, untrained
from kbbench.channel import NO_HINT, deliver
from kbbench.units import CHUNK, LOOKAHEAD

Make = Callable[..., Tensor]
CHUNKS = 60
"""More than the 50 frames that attention looks back on."""
TASKS = ("separation", "target_speech", "enhancement")
BOOSTINGS = ("boosted", "film", "output")
TINY = GridNetConfig(sources=2, features=8, hidden=6, attention=True, compression=2)


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_sizes_are_those_of_the_paper() -> None:
    remote = large("separation")
    assert 20_000 < parameters(GridNet(small("separation"))) < 30_000
    assert 32_000 < parameters(GridNet(baseline("separation"))) < 42_000
    assert 450_000 < parameters(RemoteGridNet(remote)) < 560_000
    device = parameters(GridNet(boosted("separation", "attention", remote)))
    assert device == pytest.approx(parameters(GridNet(baseline("separation"))), rel=0.05)


def tiny(boosting: str) -> tuple[GridNet, RemoteGridNet]:
    remote = seeded(0, lambda: RemoteGridNet(TINY)).eval()
    config = GridNetConfig(
        sources=2,
        features=8,
        hidden=4,
        boosting=boosting,
        hint_features=TINY.hint_size("features"),
    )
    return seeded(1, lambda: GridNet(config)).eval(), remote


def seen_by(delay_chunks: int, lost: bool) -> np.ndarray[Any, np.dtype[np.int64]]:
    seen = np.maximum(np.arange(CHUNKS) - delay_chunks, NO_HINT)
    if lost:
        seen[20:30] = seen[20]
        seen[40:] = np.maximum(seen[40:] - 7, NO_HINT)
    return seen[None].repeat(2, axis=0)


def frames(mixture: Tensor) -> list[Tensor]:
    padded = torch.nn.functional.pad(mixture, (0, LOOKAHEAD))
    return [padded[..., k * CHUNK : (k + 1) * CHUNK + LOOKAHEAD] for k in range(CHUNKS)]


@torch.inference_mode()
@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("delay_chunks", [0, 1, 6])
@pytest.mark.parametrize("boosting", ["attention", "film", "output"])
def test_a_boosted_device_streams_what_it_gives_offline(
    boosting: str, delay_chunks: int, lost: bool, signal: Make
) -> None:
    device, remote = tiny(boosting)
    mixture = 0.1 * signal(2, 2, CHUNKS * CHUNK)
    _, hints = remote(mixture)
    delivery = deliver(hints, seen_by(delay_chunks, lost)).as_arguments()
    offline = device(mixture, **delivery)
    state = device.start(2)
    chunks = []
    for number, frame in enumerate(frames(mixture)):
        hint, age = delivery["hints"][:, number], delivery["age"][:, number]
        chunk, state = device.step(frame, state, hint=hint, age=age)
        chunks.append(chunk)
    assert (torch.cat(chunks, dim=-1) - offline).abs().max() < 1e-5 * max(1, offline.abs().max())
    assert (offline - device(mixture)).abs().max() > 1e-4  # hints do something


@torch.inference_mode()
def test_a_remote_streams_estimates_and_hints(signal: Make) -> None:
    _, remote = tiny("film")
    mixture = 0.1 * signal(2, 2, CHUNKS * CHUNK)
    estimates, hints = remote(mixture)
    assert estimates.shape == (2, 2, 2, CHUNKS * CHUNK)
    assert hints.shape == (2, CHUNKS, 97, TINY.hint_size("features"))
    state = remote.start(2)
    for number, frame in enumerate(frames(mixture)):
        chunk, hint, state = remote.step(frame, state)
        part = estimates[..., number * CHUNK : (number + 1) * CHUNK]
        assert (chunk - part).abs().max() < 1e-5
        assert (hint - hints[:, number]).abs().max() < 1e-5 * hints.abs().max()


@torch.inference_mode()
@pytest.mark.parametrize("boosting", ["attention", "film", "output"])
def test_nothing_depends_on_more_than_64_samples_past_a_chunk(boosting: str, signal: Make) -> None:
    device, remote = tiny(boosting)
    mixture = 0.1 * signal(2, 2, CHUNKS * CHUNK)
    other = mixture.clone()
    chunk = 30
    first = (chunk + 1) * CHUNK + LOOKAHEAD
    other[..., first:] = signal(2, 2, CHUNKS * CHUNK - first, seed=1)
    seen = seen_by(0, lost=False)
    outputs = []
    for sound in (mixture, other):
        estimates, hints = remote(sound)
        outputs.append((estimates, hints, device(sound, **deliver(hints, seen).as_arguments())))
    for before, after, axis in zip(*outputs, (CHUNK, 1, CHUNK), strict=True):
        length = (chunk + 1) * axis
        if axis == 1:
            before, after = before[:, :length], after[:, :length]
            rest = (outputs[0][1] - outputs[1][1])[:, length:]
        else:
            rest = (before - after)[..., length:]
            before, after = before[..., :length], after[..., :length]
        assert torch.equal(before, after)
        assert rest.abs().max() > 1e-4


@pytest.mark.parametrize("boosting", ["attention", "film", "output"])
def test_gradients_reach_every_parameter(boosting: str, signal: Make) -> None:
    device, remote = tiny(boosting)
    mixture = 0.1 * signal(1, 2, 20 * CHUNK)
    estimates, hints = remote(mixture)
    arguments = deliver(hints, seen_by(1, lost=False)[:1, :20]).as_arguments()
    loss = device(mixture, **arguments).square().sum() + estimates.square().sum()
    torch.autograd.backward(loss)
    for network in (device, remote):
        still = [
            name
            for name, parameter in network.named_parameters()
            if parameter.grad is None or not parameter.grad.abs().any()
        ]
        assert still == []


@torch.inference_mode()
@pytest.mark.parametrize("boosting", BOOSTINGS)
@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_its_triple(task: str, boosting: str, signal: Make) -> None:
    triple = untrained(task, boosting)
    mixture, enrollment = 0.1 * signal(1, 2, 8 * CHUNK), None
    if task == "target_speech":
        enrollment = 0.1 * signal(1, 1, 16_000, seed=2)
    sources = 2 if task == "separation" else 1
    large_model: Any = triple.large
    estimates, hints = large_model(mixture, enrollment=enrollment)
    assert estimates.shape == (1, sources, 2, 8 * CHUNK)
    device: Any = triple.boosted_at(6).device
    seen = seen_by(6, lost=False)[:1, :8]
    heard = device(mixture, enrollment=enrollment, **deliver(hints, seen).as_arguments())
    alone: Any = triple.small
    assert heard.shape == alone(mixture, enrollment=enrollment).shape == estimates.shape
    if enrollment is not None:
        talker = 0.1 * signal(1, 1, 16_000, seed=3)
        assert not torch.equal(
            alone(mixture, enrollment=talker), alone(mixture, enrollment=enrollment)
        )
        with pytest.raises(ValueError, match="enrollment is None"):
            alone(mixture)
