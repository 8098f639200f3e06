"""Tiny networks of every kind, and the two ways to run them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kbbench.baselines.config import Boosting, GridNetConfig, spoken
from kbbench.baselines.dvector import DVectorEncoder
from kbbench.baselines.gridnet import FIRST_MASKS, GridNet, RemoteGridNet
from kbbench.baselines.triples import seeded
from kbbench.channel import Delivered
from kbbench.units import CHUNK, LOOKAHEAD, chunk_count

BOOSTINGS: tuple[Boosting, ...] = ("attention", "film", "output")
LIVELY = 2.5
REMOTE = GridNetConfig(sources=2, features=8, hidden=6, blocks=2, attention=True, compression=2)


def remote(
    boosting: Boosting = "attention",
    enrolled: bool = False,
    d_vector: bool = False,
    refines: bool = False,
) -> RemoteGridNet:
    """A large network that speaks what a way of boosting wants, perhaps with a device inside."""
    more = {"d_vector": d_vector, "refines": device().config if refines else None}
    config = _remote_config(enrolled).model_copy(update=more)
    network = seeded(1, lambda: RemoteGridNet(config, spoken(boosting))).eval()
    for part in (network, network.refined):
        if part is not None:
            make_masks_differ(part)
    make_voices_differ(network)
    return network


def device(
    boosting: Boosting = "none", enrolled: bool = False, lean: bool = False, hidden: int = 4
) -> GridNet:
    """A small network, boosted or not; masks and ages matter, as they do after training."""
    size = 0 if boosting == "none" else _remote_config(enrolled).hint_size(spoken(boosting))
    config = GridNetConfig(
        sources=1 if enrolled else 2,
        features=4,
        hidden=hidden,
        blocks=2,
        enrolled=enrolled,
        boosting=boosting,
        hint_features=size,
        lean=lean,
    )
    network = seeded(2, lambda: GridNet(config)).eval()
    make_masks_differ(network)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("age.weight"):
                weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return network


def _remote_config(enrolled: bool) -> GridNetConfig:
    return REMOTE.model_copy(update={"enrolled": True, "sources": 1}) if enrolled else REMOTE


@torch.no_grad()
def make_masks_differ(network: GridNet) -> None:
    """As far as those of a layer's ordinary beginning do."""
    network.decoder.conv.weight /= FIRST_MASKS


@torch.no_grad()
def make_voices_differ(network: nn.Module) -> None:
    """Recurrent layers of d-vectors that are drawn at random hardly listen."""
    for module in network.modules():
        if isinstance(module, DVectorEncoder):
            for weight in (*module.lstm.parameters(), *module.vector.parameters()):
                weight *= LIVELY


def frames_of(mixture: Tensor) -> list[Tensor]:
    """(B, C, T) to what each step hears, (B, C, 192)."""
    chunks = chunk_count(mixture.shape[-1])
    spare = chunks * CHUNK + LOOKAHEAD - mixture.shape[-1]
    padded = torch.nn.functional.pad(mixture, (0, spare))
    return [padded[..., k * CHUNK : (k + 1) * CHUNK + LOOKAHEAD] for k in range(chunks)]


def stream_device(
    network: GridNet,
    mixture: Tensor,
    heard: Delivered | None = None,
    enrollment: Tensor | None = None,
) -> Tensor:
    """Estimates (B, S, C, T), chunk by chunk."""
    state, chunks = network.start(len(mixture), enrollment), []
    for k, frame in enumerate(frames_of(mixture)):
        told = () if heard is None else (heard.hints[:, k], heard.age[:, k])
        chunk, state = network.step(frame, state, *told)
        chunks.append(chunk)
    return torch.cat(chunks, dim=-1)[..., : mixture.shape[-1]]


def stream_remote(
    network: RemoteGridNet, mixture: Tensor, enrollment: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Estimates (B, S, C, T) and hints (B, K, 97, E), chunk by chunk."""
    state = network.start(len(mixture), enrollment)
    chunks, hints = [], []
    for frame in frames_of(mixture):
        chunk, hint, state = network.step(frame, state)
        chunks.append(chunk)
        hints.append(hint)
    return torch.cat(chunks, dim=-1)[..., : mixture.shape[-1]], torch.stack(hints, dim=1)
