"""Of two candidates the wanted one: by the enrollment, or by what late hints say of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kbbench.baselines.config import GridNetConfig
from kbbench.baselines.merging import Heard
from kbbench.baselines.picking import Picked, Picker
from kbbench.baselines.talker import powers
from kbbench.baselines.triples import seeded
from tests.baselines.networks import make_voices_differ, remote

FRAMES, BINS = 60, 97
EVEN = torch.arange(BINS) % 2 == 0


def picker(boosted: bool = False, d_vector: bool = False) -> Picker:
    more = {"boosting": "attention", "hint_features": 5} if boosted else {}
    sizes = {"sources": 1, "features": 4, "hidden": 4}
    config = GridNetConfig(**sizes, enrolled=True, d_vector=d_vector, **more)
    model = seeded(0, lambda: Picker(config)).eval()
    make_voices_differ(model)
    return model


def candidates() -> Tensor:
    """Noise, the first one's in even bins, the second one's in odd bins, (1, T, F, 2, E, 2)."""
    noise = torch.randn(1, FRAMES, BINS, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    return noise * torch.stack([EVEN, ~EVEN], dim=-1)[:, :, None, None]


def pick(model: Picker, talker: Tensor, heard: Heard | None = None) -> Picked:
    picked, _ = model(candidates(), torch.ones(1, FRAMES), talker, heard, model.start(1))
    return picked


def told(second: bool, delay: int) -> Heard:
    """A remote that is sure from the first chunk on, in the last of five features."""
    share = torch.where(EVEN, 1.0, -1.0) * (-1 if second else 1)
    hints = torch.zeros(1, FRAMES, BINS, 5)
    hints[..., -1] = share
    steps = torch.arange(FRAMES)[None]
    return Heard.of(hints, steps >= delay, torch.where(steps >= delay, delay, -1))


@torch.inference_mode()
@pytest.mark.parametrize("wanted", [0, 1])
@pytest.mark.parametrize("d_vector", [False, True])
def test_whose_voice_is_the_enrollment_s_is_picked(wanted: int, d_vector: bool) -> None:
    model, spectra = picker(d_vector=d_vector), candidates()
    level, begun = torch.ones(1, FRAMES), model.start(1)
    power = powers(spectra)
    torch.testing.assert_close(power[0, 3, 4], spectra[0, 3, 4].square().sum(-1).mean(-1))
    vectors, _ = model.encoder.follow(power, level, begun.voices)
    if model.d_vector and begun.known:
        more, _ = model.d_vector.follow(spectra, level, begun.known)
        model.sharpness.fill_(-9)  # the other one says nothing
        vectors = torch.cat([vectors, more], dim=-1)
    picked = pick(model, vectors[wanted : wanted + 1, -1])
    sure = picked.spectra[0, -1]
    nearer, other = spectra[0, -1, :, wanted], spectra[0, -1, :, 1 - wanted]
    assert (sure - nearer).norm() < (sure - other).norm()
    own = EVEN if wanted == 0 else ~EVEN
    assert (picked.share[0, -1, own] > 0).all() and (picked.share[0, -1, ~own] < 0).all()


@torch.inference_mode()
@pytest.mark.parametrize("delay", [0, 1, 6, 40])
@pytest.mark.parametrize("second", [False, True])
def test_late_hints_say_who_is_wanted_where_the_enrollment_does_not(
    second: bool, delay: int
) -> None:
    model, nobody = picker(boosted=True), torch.zeros(1, 64)
    unsure = pick(model, nobody).share
    assert not unsure.any()
    share = pick(model, nobody, told(second, delay)).share[0]
    own = ~EVEN if second else EVEN
    assert not share[:delay].any()  # nothing has arrived
    assert (share[-1, own] > 0.5).all() and (share[-1, ~own] < -0.5).all()


@torch.inference_mode()
def test_without_hints_a_boosted_device_picks_by_itself() -> None:
    model, plain = picker(boosted=True), picker()
    talker = torch.randn(1, 64, generator=torch.Generator().manual_seed(1))
    never = Heard.of(
        torch.ones(1, FRAMES, BINS, 5),
        torch.zeros(1, FRAMES, dtype=torch.bool),
        torch.full((1, FRAMES), -1),
    )
    torch.testing.assert_close(pick(model, talker, never).share, pick(plain, talker).share)


@torch.inference_mode()
def test_what_a_remote_knows_is_its_hints_last_feature() -> None:
    network = remote(enrolled=True)
    generator = torch.Generator().manual_seed(2)
    mixture, enrollment = (0.1 * torch.randn(1, n, 4000, generator=generator) for n in (2, 1))
    _, hints = network(mixture, enrollment=enrollment)
    assert hints.shape[-1] == network.config.features // network.config.compression + 1
    assert hints[..., -1].abs().max() <= 1
    assert hints[..., -1].std() > 1e-3


def test_one_enrollment_is_of_one_talker() -> None:
    with pytest.raises(ValueError, match="2 sources: an enrollment is of one wanted talker"):
        GridNetConfig(sources=2, features=4, hidden=4, enrolled=True)
