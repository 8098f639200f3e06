"""All that a training run's result depends on, beside its data."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kbbench.baselines.config import COMPRESSIONS
from kbbench.baselines.stages import BOOSTINGS, ENSEMBLE, TAUGHT, Stage
from kbbench.errors import InputError
from kbbench.units import OFFICIAL_DELAYS

OWN_SPEED = 100
"""Percent; as it was recorded."""
SPEEDS_PERCENT = (50, 200)
"""Slowest and fastest that a clip may be played."""
MOST_GAIN_DB = 60.0
"""Beyond it, 16 bits would be noise."""


class Settings(BaseModel):
    """One stage of training.

    Args:
        stage: what is trained.
        steps: of the optimizer.
        batch_size: clips a step.
        clip_s: seconds of each, cut at random.
        speeds_percent: each clip is played at one of these, drawn at random.
        gain_db: each clip is up to so much louder or quieter, drawn at random.
        mirror: every other clip, drawn at random, has its ears swapped.
        learning_rate: at the top, after the warm-up.
        warm_up_steps: linear from zero; then half a cosine down to ``final_rate``.
        final_rate: of the last step, relative to ``learning_rate``.
        optimizer: AdamW, or Muon for the matrices of layers and AdamW for the rest.
        weight_decay: of either.
        average_steps: what is validated and written is the mean of the weights after about so many
            last steps; 0 for the weights as they are.
        clip_norm: gradients are scaled down to this norm.
        snr_weight: of SNR beside SI-SDR in the loss, so that the level is learnt too.
        delays_chunks: each clip's hints are late by one of these, drawn at random.
        hint_loss: chance that a hint is lost on its way.
        compression: of the large network's hints; large alone.
        cache_hints: the frozen large network hears each mixture once, whole, before the training;
            clips begin with a chunk.
        tune_large: the large network is trained on with the device, instead of frozen, on its own
            estimates too.
        talker_steps: before the first step, what encodes voices learns to tell talkers apart
            in so many steps of its own, and then stays as it is; 0 trains it with the rest.
        d_vector: voices are known by a pretrained network too, which stays as it is; large alone.
        teacher_weight: of the large network's estimates as a target; distilled alone.
        validate_every: steps.
        validation_mixtures: the first so many, whole.
        patience: the run ends after so many validations without a better one; 0 never ends it.
        log_every: steps.
        seed: of weights, order, cuts, delays and losses; stage small2 has one of its own.
        bf16: layers compute in bfloat16 (autocast).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: Stage
    steps: int = Field(default=100_000, ge=1)
    batch_size: int = Field(default=8, ge=1)
    clip_s: float = Field(default=4.0, ge=0.1)
    speeds_percent: tuple[int, ...] = Field(default=(OWN_SPEED,), min_length=1)
    gain_db: float = Field(default=0.0, ge=0, le=MOST_GAIN_DB)
    mirror: bool = False
    learning_rate: float = Field(default=1e-3, gt=0)
    warm_up_steps: int = Field(default=500, ge=0)
    final_rate: float = Field(default=0.01, ge=0, le=1)
    optimizer: Literal["adamw", "muon"] = "adamw"
    weight_decay: float = Field(default=0.01, ge=0)
    average_steps: int = Field(default=0, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    snr_weight: float = Field(default=0.1, ge=0)
    delays_chunks: tuple[int, ...] = Field(default=OFFICIAL_DELAYS, min_length=1)
    hint_loss: float = Field(default=0.0, ge=0, lt=1)
    compression: int = 4
    cache_hints: bool = False
    tune_large: bool = False
    talker_steps: int = Field(default=0, ge=0)
    d_vector: bool = False
    teacher_weight: float = Field(default=0.5, ge=0, le=1)
    validate_every: int = Field(default=1000, ge=1)
    validation_mixtures: int = Field(default=50, ge=1)
    patience: int = Field(default=0, ge=0)
    log_every: int = Field(default=50, ge=1)
    seed: int = Field(default_factory=lambda given: int(given.get("stage") == ENSEMBLE[1]))
    bf16: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.compression not in COMPRESSIONS:
            raise ValueError(f"compression {self.compression}: expected one of {COMPRESSIONS}")
        if min(self.delays_chunks) < 0:
            raise ValueError(f"a delay is 0 chunks or more, got {min(self.delays_chunks)}")
        slowest, fastest = SPEEDS_PERCENT
        if strange := [p for p in self.speeds_percent if not slowest <= p <= fastest]:
            raise ValueError(f"a speed is {slowest} to {fastest} percent, got {strange[0]}")
        if self.cache_hints and (self.tune_large or self.stage not in TAUGHT):
            raise ValueError("cache_hints: for stages with a large network that is frozen alone")
        if self.cache_hints and (self.mirror or set(self.speeds_percent) != {OWN_SPEED}):
            raise ValueError(
                "cache_hints: hints are kept for mixtures as they are; leave out either "
                "--cache-hints, or --speed and --mirror"
            )
        if self.d_vector and self.stage != "large":
            raise ValueError(f"d_vector: for stage large alone, not {self.stage!r}")
        if self.tune_large and self.stage not in BOOSTINGS:
            raise ValueError(f"stage {self.stage!r} has no large network to tune")
        return self

    @classmethod
    def of(cls, **given: object) -> Self:
        """Checked settings; those left out have their defaults.

        Raises:
            InputError: one is out of its range, or they do not fit together.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "settings"
            raise InputError(f"training: {where}: {first['msg']}") from error

    def rate(self, step: int) -> float:
        """Learning rate of a step, from 0.

        >>> settings = Settings(stage="small", steps=110, warm_up_steps=10, learning_rate=1)
        >>> settings.rate(4), settings.rate(10), round(settings.rate(60), 3)
        (0.5, 1.0, 0.505)
        """
        if step < self.warm_up_steps:
            return self.learning_rate * (step + 1) / self.warm_up_steps
        done = (step - self.warm_up_steps) / max(1, self.steps - self.warm_up_steps)
        cosine = (1 + math.cos(math.pi * done)) / 2
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * cosine)

    @property
    def only_delay(self) -> int | None:
        """The delay that the weights are for, where it is one alone."""
        if self.stage in BOOSTINGS and len(self.delays_chunks) == 1:
            return self.delays_chunks[0]
        return None
