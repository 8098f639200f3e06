"""Reference triples: what the link carries, what they cost, and names that are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kbbench.baselines.triples import trained, untrained
from kbbench.cost import profile_triple
from kbbench.errors import InputError
from kbbench.models.loading import LoadedTriple
from kbbench.runner import hint_kbit_per_s
from tests.baselines.networks import device, remote
from tests.baselines.training.noises import put


@pytest.mark.parametrize(
    ("boosting", "compression", "numbers"),
    [("boosted", 1, 64), ("boosted", 4, 16), ("film", 2, 32), ("output", 4, 8)],
)
def test_hints_cost_the_link_what_they_hold(
    boosting: str, compression: int, numbers: int, signal: Callable[..., Tensor]
) -> None:
    triple = untrained("separation", boosting, compression)
    assert triple.boosted_at(6).remote is triple.large
    with torch.inference_mode():
        _, hints = triple.large(signal(1, 2, 4 * 128))
    sent = hints.to(triple.hint_dtype)
    bits = 8 * sent.element_size() * sent[0, 0].numel()
    assert hint_kbit_per_s(bits) == pytest.approx(97 * numbers * 16 * 125 / 1000)


@pytest.mark.long
def test_macs_of_a_step_are_those_of_the_paper_s_models() -> None:
    triple = untrained("separation")
    cost = profile_triple(LoadedTriple(Path("x.py"), triple, "", {}), seconds=0.1)
    macs = {name: cost.models[name].figures["step_macs_per_chunk"].value for name in cost.models}
    assert macs["small"] == pytest.approx(2.2e6, rel=0.05)
    assert macs["device"] == pytest.approx(2.8e6, rel=0.08)
    assert macs["large"] == pytest.approx(39e6, rel=0.06)


def test_a_large_network_that_was_tuned_is_the_triple_s(tmp_path: Path) -> None:
    plain, tuned = remote(), remote()
    with torch.no_grad():
        tuned.decoder.conv.weight *= 2
    put(tmp_path / "large.safetensors", plain, "large")
    put(tmp_path / "small.safetensors", device(), "small")
    put(tmp_path / "boosted.safetensors", device("attention"), "boosted")
    put(tmp_path / "boosted@6.safetensors", device("attention"), "boosted")

    def decodes(network: Any) -> Tensor:
        return network.decoder.conv.weight

    triple = trained(tmp_path, "separation")
    assert torch.equal(decodes(triple.large), decodes(plain))
    assert triple.boosted_at(0).remote is triple.boosted_at(6).remote is triple.large
    put(tmp_path / "boosted.remote.safetensors", tuned, "large")
    triple = trained(tmp_path, "separation")
    assert torch.equal(decodes(triple.large), decodes(tuned))
    assert triple.boosted_at(0).remote is triple.large
    assert torch.equal(decodes(triple.boosted_at(6).remote), decodes(plain))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="boosting 'magic': expected one of boosted, film, output"):
        untrained("separation", "magic")
    with pytest.raises(InputError, match="task 'karaoke': expected one of separation"):
        untrained("karaoke")
