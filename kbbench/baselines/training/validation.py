"""How good a network is on mixtures that it is not trained on."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import default_collate

from kbbench.baselines.stages import BOOSTINGS
from kbbench.baselines.training.clips import Item, Scenes
from kbbench.baselines.training.loss import nearer, si_sdr_improvement
from kbbench.baselines.training.team import Team
from kbbench.baselines.training.trainee import Trainee
from kbbench.channel import fixed
from kbbench.rng import Stream
from kbbench.units import chunk_count

BATCH = 8
"""Mixtures that a network hears at once."""


def validate(
    trainee: Trainee, scenes: Scenes, device: torch.device, team: Team
) -> dict[str, float]:
    """Mean SI-SDR improvement in dB over the first validation mixtures, whole.

    Each process of a team takes its share of them.

    Returns:
        by column of the log: ``si_sdri_db``; with hints, ``si_sdri_db@d`` for each delay, and
        ``si_sdri_db`` their mean; with enrollments, ``talkers_known``, the share of the mixtures
        in which the estimate is nearer to the wanted talker than to all else.
    """
    settings = trainee.settings
    delays = settings.delays_chunks if settings.stage in BOOSTINGS else (0,)
    enrolled = trainee.network.config.enrolled
    sums, known = dict.fromkeys(delays, 0.0), 0.0
    count = min(settings.validation_mixtures, len(scenes))
    trainee.eval()
    with torch.inference_mode():
        mine = range(team.rank, count, team.size)
        for first in range(0, len(mine), BATCH):
            items = [scenes[number] for number in mine[first : first + BATCH]]
            batch = to_device(default_collate(items), device)
            told = trainee.listen(batch)
            steps = chunk_count(batch["mixture"].shape[-1])
            for delay in delays:
                seen = torch.from_numpy(fixed(delay).seen(steps, Stream("validation")))
                estimates = trainee.estimate(batch, seen.expand(len(items), -1), told)
                gains = si_sdr_improvement(estimates, batch["references"], batch["mixture"])
                sums[delay] += float(gains.sum())
                if enrolled:
                    right = nearer(estimates, batch["references"], batch["mixture"])
                    known += float(right.sum())
    trainee.train()
    *totals, known = team.total([*sums.values(), known], device)
    means = {delay: total / count for delay, total in zip(delays, totals, strict=True)}
    found = {"si_sdri_db": sum(means.values()) / len(means)}
    if settings.stage in BOOSTINGS:
        found |= {f"si_sdri_db@{delay}": mean for delay, mean in means.items()}
    if enrolled:
        found["talkers_known"] = known / count / len(delays)
    return found


def to_device(batch: Item, device: torch.device) -> Item:
    """Its tensors there."""
    return {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }
