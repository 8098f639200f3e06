"""Two networks at once: the mean in one order of sources, decided without looking ahead."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kbbench.audit import Effort, audit_triple
from kbbench.baselines.config import GridNetConfig
from kbbench.baselines.ensemble import Ensemble, in_order
from kbbench.baselines.gridnet import GridNet
from kbbench.baselines.triples import seeded
from kbbench.models import export_step, steps
from kbbench.models.loading import load_triple
from kbbench.units import CHUNK, LOOKAHEAD
from tests.baselines.networks import frames_of
from tests.models.test_steps import KINDS, needs

Make = Callable[..., Tensor]
CHUNKS = 130
LENGTH = CHUNKS * CHUNK - 37
AUDITED = """
import torch
from kbbench.baselines import GridNet, GridNetConfig, RemoteGridNet
from kbbench.baselines.ensemble import Ensemble
from kbbench.baselines.triples import seeded
from kbbench.models import Boosted, Triple

def network(seed, **more):
    config = GridNetConfig(sources=2, features=4, hidden=3, blocks=1, **more)
    return seeded(seed, lambda: GridNet(config))

def triple():
    large = GridNetConfig(sources=2, features=4, hidden=3, blocks=1)
    remote = seeded(3, lambda: RemoteGridNet(large))
    device = network(4, boosting="film", hint_features=4)
    small = Ensemble(network(1), network(2))
    return Triple("ensemble", "separation", small, remote, Boosted(device, remote))
"""


def network(seed: int, sources: int = 2, enrolled: bool = False) -> GridNet:
    config = GridNetConfig(sources=sources, features=4, hidden=4, blocks=2, enrolled=enrolled)
    return seeded(seed, lambda: GridNet(config)).eval()


def pair(sources: int = 2, enrolled: bool = False) -> Ensemble:
    return Ensemble(network(1, sources, enrolled), network(2, sources, enrolled)).eval()


@torch.inference_mode()
def test_a_network_and_itself_in_another_order_are_that_network(signal: Make) -> None:
    first, second = network(1), network(1)
    for values in (second.decoder.conv.weight, second.decoder.conv.bias):
        assert values is not None
        values.copy_(values.unflatten(0, (2, -1)).flip(0).flatten(0, 1))
    mixture = signal(2, 2, LENGTH)
    alone = first(mixture)
    assert not torch.allclose(alone, second(mixture), atol=1e-2)
    torch.testing.assert_close(Ensemble(first, second)(mixture), alone, atol=1e-6, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize(("sources", "enrolled"), [(2, False), (3, False), (1, True)])
def test_it_streams_what_it_gives_offline(sources: int, enrolled: bool, signal: Make) -> None:
    model, mixture = pair(sources, enrolled), signal(3, 2, LENGTH)
    mixture[1] *= 1e-3
    mixture[2, :, : LENGTH // 2] = 0
    enrollment = signal(3, 1, 5000, seed=1) if enrolled else None
    offline, state, chunks = model(mixture, enrollment=enrollment), model.start(3, enrollment), []
    for frame in frames_of(mixture):
        chunk, state = model.step(frame, state)
        chunks.append(chunk)
    streamed = torch.cat(chunks, dim=-1)[..., :LENGTH]
    torch.testing.assert_close(streamed, offline, atol=1e-5, rtol=0)
    assert offline.std() > 1e-2


@torch.inference_mode()
def test_one_source_is_the_plain_mean(signal: Make) -> None:
    model, mixture = pair(sources=1), signal(2, 2, LENGTH)
    mean = (model.first(mixture) + model.second(mixture)) / 2
    torch.testing.assert_close(model(mixture), mean, atol=1e-6, rtol=0)


def test_the_order_is_that_of_a_loop_over_frames(signal: Make) -> None:
    ours, theirs = signal(2, 3, 2, 25, 5, 2), signal(2, 3, 2, 25, 5, 2, seed=1)
    before = signal(2, 3, 3, seed=2).double()
    ordered, after = in_order(theirs, ours, before)
    found = set()
    for row in range(2):
        sums = before[row].numpy().copy()
        for t in range(25):
            frame, other = ours[row, :, :, t].numpy(), theirs[row, :, :, t].numpy()
            sums += np.tensordot(frame, other, axes=([1, 2, 3], [1, 2, 3]))
            best = max(
                permutations(range(3)), key=lambda o: sum(sums[i, j] for i, j in enumerate(o))
            )
            found.add(best)
            assert torch.equal(ordered[row, :, :, t], theirs[row, list(best), :, t])
        np.testing.assert_allclose(after[row], sums, rtol=1e-5, atol=1e-4)
    assert len(found) > 1


@torch.inference_mode()
@pytest.mark.parametrize("poison", ["noise", "nan"])
def test_the_look_ahead_is_64_samples(poison: str, signal: Make) -> None:
    model, mixture, border = pair(), signal(1, 2, LENGTH), 60 * CHUNK
    changed = mixture.clone()
    future = changed[..., border + LOOKAHEAD :]
    future += 30 * signal(*future.shape, seed=9) if poison == "noise" else torch.nan
    before, after = model(mixture), model(changed)
    assert torch.equal(after[..., :border], before[..., :border])
    assert not torch.equal(after[..., border:], before[..., border:])


@pytest.mark.parametrize("kind", KINDS)
def test_its_step_goes_into_files(kind: str, tmp_path: Path, signal: Make) -> None:
    needs(kind)
    model, mixture = pair(), 0.1 * signal(2, 2, 14 * CHUNK + 50)
    from_file = steps(export_step(model, tmp_path / f"step{kind}"))
    with torch.inference_mode():
        torch.testing.assert_close(from_file(mixture), model(mixture), atol=1e-5, rtol=0)


def test_networks_of_unequal_numbers_of_sources_are_refused() -> None:
    with pytest.raises(ValueError, match="networks with 2 and 3 sources, expected as many"):
        Ensemble(network(1), network(2, sources=3))


@pytest.mark.slow
def test_it_passes_the_audit(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(AUDITED)
    effort = Effort(0.4, longer_s=1.0, rows=4, rounds=2, longest_s=2.0, budget_s=2.0)
    audit = audit_triple(load_triple(tmp_path / "model.py", "separation"), effort=effort)
    assert [f"{f.probe}, {f.part}: {f.what}" for f in audit.failures] == []
    assert audit.verdict == "honest"
    assert {item.part: item.samples for item in audit.lookahead}["small"] == LOOKAHEAD
    assert "small" in {item.part for item in audit.streaming}
