"""The mean of a trainee's weights over its last steps, which is better than any of them."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

from kbbench.baselines.training.trainee import Trainee


def averaged(trainee: Trainee, steps: int) -> AveragedModel:
    """A copy, updated after each step: the mean of all so far, later of about the last ``steps``.

    Steps further back count less and less. Where gradients are noisy, the mean is about what a
    falling learning rate ends in, at any time. Source: Polyak and Juditsky, "Acceleration of
    stochastic approximation by averaging", SIAM J. Control Optim. 30, 1992; exponential as in
    Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017.
    """

    def move(kept: PARAM_LIST, now: PARAM_LIST, count: Tensor | int) -> None:
        torch._foreach_lerp_(kept, now, 1 / min(int(count) + 1, steps))  # as torch's own averages

    return AveragedModel(trainee, multi_avg_fn=move)


def mean_of(average: AveragedModel) -> Trainee:
    """The averaged trainee."""
    return cast(Trainee, average.module)
