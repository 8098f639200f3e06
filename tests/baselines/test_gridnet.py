"""The networks stream what they give offline, look 64 samples ahead, and are of the stated size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kbbench.baselines.config import (
    Boosting,
    GridNetConfig,
    baseline,
    boosted,
    large,
    small,
)
from kbbench.baselines.gridnet import GridNet, RemoteGridNet
from kbbench.baselines.triples import seeded, untrained
from kbbench.channel import Delivered, deliver, fixed
from kbbench.cost import fair_cost
from kbbench.models.contract import TASKS, Task
from kbbench.models.loading import LoadedTriple
from kbbench.rng import Stream
from kbbench.units import CHUNK, LOOKAHEAD
from tests.baselines.networks import (
    BOOSTINGS,
    device,
    frames_of,
    remote,
    stream_device,
    stream_remote,
)

Make = Callable[..., Tensor]
CHUNKS = 130
"""More than two windows of attention, and no multiple of a block."""
LENGTH = CHUNKS * CHUNK - 37
DEVICES = [*((boosting, False) for boosting in BOOSTINGS), ("attention", True)]
"""Every way that hints enter, and whether norms there have no parameters."""


def late(hints: Tensor, delay: int) -> Delivered:
    return deliver(hints, fixed(delay).seen(hints.shape[1], Stream("test")))


def same(streamed: Tensor, offline: Tensor) -> None:
    torch.testing.assert_close(streamed, offline, atol=1e-5, rtol=0)
    assert offline.std() > 1e-2  # else the tolerance would say nothing


@torch.inference_mode()
@pytest.mark.parametrize(
    ("enrolled", "more"),
    [
        (False, {}),
        (False, {"refines": True}),
        (True, {}),
        (True, {"refines": True}),
        (True, {"d_vector": True}),
    ],
)
def test_small_and_large_stream_what_they_give_offline(
    enrolled: bool, more: dict[str, bool], signal: Make
) -> None:
    mixture = signal(2, 2, LENGTH)
    enrollment = signal(2, 1, 5000, seed=1) if enrolled else None
    network, other = device(enrolled=enrolled), remote(enrolled=enrolled, **more)
    same(
        stream_device(network, mixture, enrollment=enrollment),
        network(mixture, enrollment=enrollment),
    )
    streamed, hints = stream_remote(other, mixture, enrollment)
    estimates, told = other(mixture, enrollment=enrollment)
    same(streamed, estimates)
    same(hints, told)


@torch.inference_mode()
@pytest.mark.parametrize("enrolled", [False, True])
@pytest.mark.parametrize("boosting", BOOSTINGS)
@pytest.mark.parametrize("delay", range(7))
def test_boosted_streams_what_it_gives_offline(
    boosting: Boosting, delay: int, enrolled: bool, signal: Make
) -> None:
    mixture, enrollment = signal(2, 2, LENGTH), signal(2, 1, 5000, seed=1) if enrolled else None
    _, hints = remote(boosting, enrolled)(mixture, enrollment=enrollment)
    heard, network = late(hints, delay), device(boosting, enrolled)
    same(
        stream_device(network, mixture, heard, enrollment),
        network(mixture, enrollment=enrollment, **heard.as_arguments()),
    )


@torch.inference_mode()
@pytest.mark.parametrize("enrolled", [False, True])
@pytest.mark.parametrize(("boosting", "lean"), DEVICES)
def test_lost_and_reordered_hints_stream_too(
    boosting: Boosting, lean: bool, enrolled: bool, signal: Make
) -> None:
    mixture, enrollment = signal(2, 2, LENGTH), signal(2, 1, 5000, seed=1) if enrolled else None
    _, hints = remote(boosting, enrolled)(mixture, enrollment=enrollment)
    rng = np.random.default_rng(4)
    steps = np.arange(CHUNKS)
    seen = np.maximum(steps - rng.integers(0, 70, (2, CHUNKS)), -1)  # some are older than 0.4 s
    seen[rng.random((2, CHUNKS)) < 0.3] = -1
    seen[:, 40:110] = -1  # an outage longer than the window
    heard, network = deliver(hints, seen), device(boosting, enrolled, lean)
    same(
        stream_device(network, mixture, heard, enrollment),
        network(mixture, enrollment=enrollment, **heard.as_arguments()),
    )


@torch.inference_mode()
@pytest.mark.parametrize(("boosting", "lean"), DEVICES)
def test_hints_their_age_and_their_place_matter(
    boosting: Boosting, lean: bool, signal: Make
) -> None:
    mixture = signal(1, 2, LENGTH)
    _, hints = remote(boosting)(mixture)
    network = device(boosting, lean=lean)

    def run(heard: Delivered) -> Tensor:
        estimates: Tensor = network(mixture, **heard.as_arguments())
        return estimates

    reference = run(late(hints, 3))
    assert not torch.allclose(run(late(hints.flip(1), 3)), reference, atol=1e-4)
    older = late(hints, 3)
    older = Delivered(older.hints, older.seen_mask, torch.where(older.seen_mask, 9, -1))
    assert torch.allclose(run(older), reference, atol=1e-6) == (boosting == "output")


@torch.inference_mode()
@pytest.mark.parametrize("boosting", BOOSTINGS)
def test_what_has_not_arrived_has_no_influence(boosting: Boosting, signal: Make) -> None:
    mixture = signal(1, 2, LENGTH)
    network = device(boosting)
    _, hints = remote(boosting)(mixture)
    none = torch.zeros(1, CHUNKS, dtype=torch.bool)
    nothing = network(
        mixture,
        hints=torch.full_like(hints, torch.nan),
        seen_mask=none,
        age=torch.full((1, CHUNKS), -1),
    )
    assert torch.equal(nothing, network(mixture))
    stale = network(
        mixture, hints=hints, seen_mask=torch.ones_like(none), age=torch.full((1, CHUNKS), 51)
    )
    assert torch.equal(stale, network(mixture))


@torch.inference_mode()
@pytest.mark.parametrize("poison", ["noise", "nan"])
@pytest.mark.parametrize("kind", ["small", "large", *BOOSTINGS])
def test_the_look_ahead_is_64_samples(kind: str, poison: str, signal: Make) -> None:
    mixture, border = signal(1, 2, LENGTH), 60 * CHUNK
    changed = mixture.clone()
    future = changed[..., border + LOOKAHEAD :]
    future += signal(*future.shape, seed=9) if poison == "noise" else torch.nan

    def run(heard: Tensor) -> Tensor:
        if kind == "large":
            estimates: Tensor = remote()(heard)[0]
            return estimates
        if kind == "small":
            alone: Tensor = device()(heard)
            return alone
        boosting: Boosting = kind  # type: ignore[assignment]
        hints = remote(boosting)(heard)[1]
        late_hints = late(hints, 2).as_arguments()
        helped: Tensor = device(boosting)(heard, **late_hints)
        return helped

    before, after = run(mixture), run(changed)
    assert torch.equal(after[..., :border], before[..., :border])
    assert not torch.equal(
        after[..., border : border + CHUNK], before[..., border : border + CHUNK]
    )
    # ... and the last of the 64 samples is used.
    changed = mixture.clone()
    changed[..., border + LOOKAHEAD - 1] += 1
    assert not torch.equal(run(changed)[..., :border], before[..., :border])


@torch.inference_mode()
def test_a_gain_changes_nothing_but_the_gain(signal: Make) -> None:
    mixture, network = 0.1 * signal(1, 2, LENGTH), device()
    louder = network(4 * mixture) / 4
    assert (louder - network(mixture)).norm() < 1e-3 * louder.norm()


@torch.inference_mode()
@pytest.mark.parametrize("boosting", BOOSTINGS)
def test_neighbours_in_a_batch_do_not_matter(boosting: Boosting, signal: Make) -> None:
    mixture, network = signal(2, 2, LENGTH), device(boosting)
    _, hints = remote(boosting)(mixture)
    both = network(mixture, **late(hints, 1).as_arguments())
    alone = network(mixture[:1], **late(hints[:1], 1).as_arguments())
    torch.testing.assert_close(both[:1], alone, atol=1e-5, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("length", [1, 128, 129])
def test_silence_and_short_signals_survive(length: int) -> None:
    network, other = device("attention"), remote()
    estimates, hints = other(torch.zeros(1, 2, length))
    assert hints.shape == (1, -(-length // CHUNK), 97, 4)
    estimates = network(torch.zeros(1, 2, length), **late(hints, 0).as_arguments())
    assert estimates.shape == (1, 2, 2, length)
    assert estimates.isfinite().all()


def test_every_enrollment_counts_and_none_is_refused(signal: Make) -> None:
    network, mixture = device(enrolled=True), signal(1, 2, 2000)
    with torch.inference_mode():
        one, other = (network(mixture, enrollment=signal(1, 1, 5000, seed=s)) for s in (1, 2))
    assert not torch.allclose(one, other, atol=1e-4)
    with pytest.raises(ValueError, match="enrollment is None: this network extracts"):
        network(mixture)


@pytest.mark.parametrize("boosting", ["none", *BOOSTINGS])
def test_gradients_reach_all_parameters(boosting: Boosting, signal: Make) -> None:
    mixture, enrollment = signal(2, 2, 60 * CHUNK), signal(2, 1, 3000, seed=1)
    network, other = (
        device(boosting, enrolled=True).train(),
        remote(boosting, enrolled=True).train(),
    )
    _, hints = other(mixture, enrollment=enrollment)
    more = {} if boosting == "none" else late(hints, 1).as_arguments()
    for model, given in ((other, {}), (network, more)):
        estimates, talkers = model.with_all_talkers(mixture, enrollment=enrollment, **given)
        assert estimates.shape[1] == 1 and talkers.shape[1] == 2
        (estimates.square().mean() + talkers.square().mean()).backward(retain_graph=True)
    for name, weight in [*network.named_parameters(), *other.named_parameters()]:
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    if boosting != "none":
        given = late(hints, 1).as_arguments()
        _, talkers = network.with_all_talkers(mixture, enrollment=enrollment, **given)
        reached = torch.autograd.grad(talkers.sum(), hints)[0]
        assert reached[:, :-1].abs().sum() > 0
        assert not reached[:, -1].any()  # the last hint arrives after the end


@torch.inference_mode()
@pytest.mark.parametrize("task", ["separation", "target_speech", "enhancement"])
def test_estimates_begin_the_right_way_up(task: Task, signal: Make) -> None:
    mixture, enrollment = signal(1, 2, 4000), signal(1, 1, 3000, seed=1)
    for seed in range(5):
        network = seeded(seed, partial(GridNet, small(task)))
        _, talkers = network.with_all_talkers(mixture, enrollment=enrollment)
        assert ((talkers * mixture[:, None]).sum(-1) > 0).all()


def count(config: GridNetConfig) -> int:
    return sum(weight.numel() for weight in GridNet(config).parameters())


@pytest.mark.parametrize("task", ["separation", "enhancement"])
def test_parameters_are_as_many_as_the_paper_s(task: Task) -> None:
    remote_config = large(task)
    assert count(small(task)) == pytest.approx(25_000, rel=0.1)
    assert count(baseline(task)) == pytest.approx(37_000, rel=0.05)
    assert count(boosted(task, "attention", remote_config)) == pytest.approx(37_000, rel=0.05)
    assert count(remote_config) == pytest.approx(500_000, rel=0.06)


@pytest.mark.parametrize("task", TASKS)
def test_the_boosted_device_has_and_does_no_more_than_the_baseline(task: Task) -> None:
    alone = GridNet(baseline(task)).eval()
    triple = replace(untrained(task), small=alone)
    has = count(boosted(task, "attention", large(task)))
    assert 0.9 * count(alone.config) < has <= count(alone.config)
    verdict = fair_cost(LoadedTriple(Path(__file__), triple, "", {}))
    assert verdict.matched is True, verdict.text
    assert verdict.factor is not None and verdict.factor <= 1


def test_parameters_of_the_small_one_by_hand() -> None:
    lstm = 4 * 16 * (16 + 16 + 2)
    block = 2 * 2 * 16 + 2 * lstm + 16 * 33 + lstm + 16 * 17  # norms, both ways, out, one way, out
    assert count(small("separation")) == (4 + 4) * 16 * 9 + 16 + 3 * block + 16 * 8 * 9 + 8


@pytest.mark.parametrize(("compression", "size"), [(1, 64), (2, 32), (4, 16)])
def test_hints_are_narrower_by_the_compression(compression: int, size: int, signal: Make) -> None:
    network = RemoteGridNet(large("enhancement", compression)).eval()
    with torch.inference_mode():
        _, hints = network(signal(1, 2, 3 * CHUNK))
    assert hints.shape == (1, 3, 97, size)


def test_the_frames_of_steps_are_those_of_the_contract(signal: Make) -> None:
    mixture = signal(1, 2, 300)
    frames = frames_of(mixture)
    assert [frame.shape[-1] for frame in frames] == [192] * 3
    assert torch.equal(frames[1][..., :172], mixture[..., 128:])


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="4 heads do not divide 6 features"):
        GridNetConfig(sources=1, features=6, hidden=4, attention=True)
    with pytest.raises(ValueError, match="compression 3 does not divide 16 features"):
        GridNetConfig(sources=1, features=16, hidden=4, compression=3)
    with pytest.raises(ValueError, match="boosting 'film' with 0 hint features"):
        GridNetConfig(sources=1, features=16, hidden=4, boosting="film")
    with pytest.raises(ValueError, match="lean or merges with boosting 'none': expected attention"):
        GridNetConfig(sources=1, features=16, hidden=4, lean=True)
    hinted = {"sources": 1, "features": 16, "hidden": 4, "hint_features": 8}
    for boosting, merges, words in (
        ("film", 1, "lean or merges with boosting 'film': expected attention"),
        ("attention", 3, "merges 3 of 3 blocks: expected fewer"),
    ):
        with pytest.raises(ValueError, match=words):
            GridNetConfig.model_validate({**hinted, "boosting": boosting, "merges": merges})
