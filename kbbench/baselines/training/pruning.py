"""Fewer units in recurrent layers: those that are read the most stay."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbbench.baselines.gridnet import GridNet
from kbbench.baselines.layers import FullBand, SubBand


def narrowed(network: GridNet, hidden: int) -> dict[str, Tensor]:
    """Weights of a network with so many units in each recurrent layer and direction.

    How much a unit is read is the energy of the weights that read it: the layer's own from step to
    step, and those of the linear layer after it. Source: magnitude pruning of whole units, as in Li
    et al., "Pruning filters for efficient ConvNets", ICLR 2017.
    """
    state = network.state_dict()
    for name, layer in network.named_modules():
        if isinstance(layer, FullBand | SubBand):
            own = {f"{name}.{part}": weight for part, weight in _narrowed(layer, hidden).items()}
            state.update(own)
    return state


def _narrowed(layer: FullBand | SubBand, hidden: int) -> dict[str, Tensor]:
    lstm = layer.lstm
    read = torch.split(layer.out.weight.detach(), lstm.hidden_size, dim=1)
    ends = ("_l0", "_l0_reverse")[: len(read)]
    weights: dict[str, Tensor] = {}
    columns = []
    for end, after in zip(ends, read, strict=True):
        own = {kind: _weight(lstm, kind + end) for kind in ("weight_ih", "weight_hh")}
        biases = {kind: _weight(lstm, kind + end) for kind in ("bias_ih", "bias_hh")}
        kept = _most_read(torch.cat([own["weight_hh"], after]), hidden)
        own["weight_hh"] = own["weight_hh"][:, kept]
        rows = (torch.arange(4)[:, None] * lstm.hidden_size + kept).flatten()  # of the four gates
        weights |= {f"lstm.{kind}{end}": weight[rows] for kind, weight in (own | biases).items()}
        columns.append(after[:, kept])
    return {**weights, "out.weight": torch.cat(columns, dim=1)}


def _weight(lstm: nn.LSTM, name: str) -> Tensor:
    weight: Tensor = getattr(lstm, name)
    return weight.detach()


def _most_read(readers: Tensor, count: int) -> Tensor:
    """Of the columns (rows that read, units), the numbers of those of most energy, in order."""
    return readers.square().sum(dim=0).topk(count).indices.sort().values
