"""Units that nobody reads can go; others go in the order of how little they are read."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kbbench.baselines.gridnet import GridNet
from kbbench.baselines.layers import FullBand, SubBand
from kbbench.baselines.training.pruning import narrowed
from tests.baselines.networks import device

UNREAD = (0, 3)
HIDDEN = 6


def with_unread_units() -> GridNet:
    """A network of six units a layer and direction, two of which nothing reads."""
    network = device(hidden=HIDDEN)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, FullBand | SubBand):
                for name, weight in layer.lstm.named_parameters():
                    if name.startswith("weight_hh"):
                        weight[:, UNREAD] = 0
                for first in range(0, layer.out.weight.shape[1], HIDDEN):
                    layer.out.weight[:, [first + unit for unit in UNREAD]] = 0
    return network


def test_what_nobody_reads_can_go(signal: Callable[..., Tensor]) -> None:
    wide, narrow = with_unread_units(), device(hidden=HIDDEN - len(UNREAD))
    narrow.load_state_dict(narrowed(wide, HIDDEN - len(UNREAD)))
    mixture = signal(2, 2, 4000)
    with torch.inference_mode():
        expected = wide(mixture)
        torch.testing.assert_close(narrow(mixture), expected, atol=1e-6, rtol=0)
        assert expected.std() > 1e-2
        narrower = device(hidden=3)
        narrower.load_state_dict(narrowed(wide, 3))
        assert not torch.allclose(narrower(mixture), expected, atol=1e-3)


def test_as_many_units_are_the_same_network() -> None:
    network = device(hidden=HIDDEN)
    same = narrowed(network, HIDDEN)
    for name, weight in network.state_dict().items():
        assert torch.equal(same[name], weight)
