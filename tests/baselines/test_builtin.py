"""What ships: built-in triples load, say what they were trained on, and stream what they give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from kbbench.baselines.shipped import shipped
from kbbench.baselines.weights import SUFFIX, read_card
from kbbench.channel import deliver, fixed
from kbbench.cli import main
from kbbench.models import Boosted
from kbbench.models.loading import load_triple
from kbbench.rng import Stream
from kbbench.runner import read_batch
from kbbench.scenes.dataset import Dataset
from kbbench.units import OFFICIAL_DELAYS
from tests.baselines.networks import stream_device

MOST_BYTES = 10 * 2**20
NAMES = sorted(shipped())


def noise(name: str, channels: int, length: int) -> torch.Tensor:
    white = Stream("test", "built in", name).white(1, channels, length)
    return 0.05 * torch.from_numpy(white).float()


def test_there_are_some() -> None:
    assert "separation-kb" in NAMES


def test_weights_are_small_and_say_how_they_were_trained() -> None:
    files = {file for item in shipped().values() for file in item.path.parent.glob(f"*{SUFFIX}")}
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    for file in files:
        card = read_card(file)
        assert card.training.steps > 0
        assert card.training.seconds > 0
        assert "mixtures" in card.data


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_the_boosted_device_streams_what_it_gives_offline(name: str) -> None:
    triple = load_triple(shipped()[name].path, None).triple
    mixture, enrollment = noise("mixture", 2, 8000), None
    if triple.task == "target_speech":
        enrollment = noise("enrollment", 1, 8000)
    for delay in OFFICIAL_DELAYS:
        boosted = triple.boosted_at(delay)
        assert isinstance(boosted, Boosted)
        _, hints = boosted.remote(mixture, enrollment=enrollment)
        heard = deliver(hints, fixed(delay).seen(hints.shape[1], Stream("test"))[None])
        offline = boosted.device(mixture, enrollment=enrollment, **heard.as_arguments())
        streamed = stream_device(boosted.device, mixture, heard, enrollment)
        torch.testing.assert_close(streamed, offline, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_no_ear_is_upside_down(name: str, tiny_dataset: Callable[[str], Dataset]) -> None:
    """SI-SDR would not tell."""
    triple = load_triple(shipped()[name].path, None).triple
    batch = read_batch(list(tiny_dataset(triple.task).mixtures("test")))
    boosted = triple.boosted_at(6)
    assert isinstance(boosted, Boosted)
    large, hints = triple.large(batch.mixture, enrollment=batch.enrollment)
    heard = deliver(hints, fixed(6).seen(hints.shape[1], Stream("test")))
    given = heard.as_arguments()
    for estimates in (
        triple.small(batch.mixture, enrollment=batch.enrollment),
        large,
        boosted.device(batch.mixture, enrollment=batch.enrollment, **given),
    ):
        assert ((estimates * batch.mixture[:, None]).sum(dim=-1) > 0).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_whole_run_on_cuda(tmp_path: Path, tiny_dataset: Callable[[str], Dataset]) -> None:
    """Models there; price and metrics on the CPU."""
    data, out = tiny_dataset("separation").folder, tmp_path / "run"
    line = f"evaluate separation-kb --data {data} --out {out} --skip-audit --delays 6 --device cuda"
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 0, result.output
    assert (out / "cost.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_check_finds_nothing_wrong(name: str) -> None:
    task = load_triple(shipped()[name].path, None).triple.task
    result = CliRunner().invoke(main, ["check", name, "--task", task])
    assert result.exit_code == 0, result.output
