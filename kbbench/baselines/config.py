"""Sizes of the reference models, and which model a task takes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kbbench.models.contract import Task

Boosting = Literal["none", "attention", "film", "output"]
"""How hints enter: not at all; attention over modulated context (knowledge boosting); FiLM of each
block's output; the remote's late estimate as further input."""
Speaks = Literal["features", "estimate"]
"""What a remote sends: the features that its decoder reads, or its estimate's spectrum."""

EARS = 2
"""Channels in and out."""
SOURCES: dict[Task, int] = {"separation": 2, "target_speech": 1, "enhancement": 1}
"""Estimates of each task."""
CANDIDATES = 2
"""Talkers that target speech is picked from."""
WINDOW = 50
"""Frames that attention looks back on, the present one included: 0.4 s.

Source: Srinivas et al., "Knowledge boosting during low-latency inference", Interspeech 2024."""
COMPRESSIONS = (1, 2, 4)
"""Factors by which hints are narrower than the remote's features; same source."""

UNBOOSTED: dict[str, object] = {
    "boosting": "none",
    "hint_features": 0,
    "lean": False,
    "merges": None,
}
"""What differs in the shape of a device without hints."""

TASK_SHAPE = ("sources", "enrolled", "voice", "d_vector", "refines")
"""What differs in the shape of networks that lend each other what both have."""


class GridNetConfig(BaseModel):
    """All that a network's shape depends on.

    Args:
        sources: estimates.
        features: of each time-frequency bin, between the layers.
        hidden: units of each recurrent layer and direction.
        blocks: full-band, sub-band and, where asked for, attention, so many times.
        attention: each block ends in causal self-attention.
        heads: of attention, to itself or to context; divides ``features``.
        key: features a bin of each head's queries and keys.
        compression: the decoder reads, and hints are, ``features / compression`` a bin.
        enrolled: an enrollment says which talker is wanted; all are separated, and that one picked.
        voice: features of a frame from which a talker is known; with an enrollment alone.
        d_vector: voices are known by a pretrained network (:mod:`kbbench.baselines.dvector`) too;
            with an enrollment alone.
        boosting: how hints enter.
        hint_features: of each bin of a hint; 0 without boosting.
        lean: norms in attention to hints have no parameters.
        merges: attention to hints follows the first so many blocks; None: all but the last.
        refines: a device without hints, of as many estimates as this network makes before one is
            picked; it is a part of this network, which hears its estimates and refines them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: int = Field(ge=1)
    features: int = Field(ge=1)
    hidden: int = Field(ge=1)
    blocks: int = Field(default=3, ge=1)
    attention: bool = False
    heads: int = Field(default=4, ge=1)
    key: int = Field(default=2, ge=1)
    compression: int = Field(default=1, ge=1)
    enrolled: bool = False
    voice: int = Field(default=64, ge=1)
    d_vector: bool = False
    boosting: Boosting = "none"
    hint_features: int = Field(default=0, ge=0)
    lean: bool = False
    merges: int | None = Field(default=None, ge=1)
    refines: GridNetConfig | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.features % self.heads and (self.attention or self.boosting == "attention"):
            raise ValueError(f"{self.heads} heads do not divide {self.features} features")
        if self.features % self.compression:
            raise ValueError(
                f"compression {self.compression} does not divide {self.features} features"
            )
        if self.enrolled and self.sources != 1:
            raise ValueError(f"{self.sources} sources: an enrollment is of one wanted talker")
        if self.d_vector and not self.enrolled:
            raise ValueError("d_vector without an enrollment: there is no voice to know")
        if (self.lean or self.merges) and self.boosting != "attention":
            raise ValueError(f"lean or merges with boosting {self.boosting!r}: expected attention")
        if self.merges and self.merges >= self.blocks:
            raise ValueError(f"merges {self.merges} of {self.blocks} blocks: expected fewer")
        if (self.boosting == "none") != (self.hint_features == 0):
            raise ValueError(
                f"boosting {self.boosting!r} with {self.hint_features} hint features: "
                "expected none with 0, or another with 1 or more"
            )
        if self.refines and (self.refines.boosting != "none" or self.refines.enrolled):
            raise ValueError("refines a device with hints or an enrollment: expected one without")
        if self.refines and self.refines.sources != self.masks:
            raise ValueError(f"refines {self.refines.sources} estimates, expected {self.masks}")
        return self

    @property
    def alone(self) -> GridNetConfig:
        """The network that separates without hints and does not pick: what others refine."""
        changed = {"sources": self.masks, "enrolled": False, "d_vector": False, **UNBOOSTED}
        return GridNetConfig.model_validate(self.model_dump() | changed)

    @property
    def masks(self) -> int:
        """Estimates that the decoder makes, before one is picked."""
        return CANDIDATES if self.enrolled else self.sources

    def hint_size(self, speaks: Speaks) -> int:
        """Numbers a bin in the hints that this network writes; the last may be who is wanted."""
        if speaks == "estimate":
            return 2 * self.sources * EARS
        return self.features // self.compression + self.enrolled


def small(task: Task) -> GridNetConfig:
    """The device alone: about 24,000 parameters, 2.2 M MACs a chunk."""
    return _config(task, features=16, hidden=16)


def baseline(task: Task) -> GridNetConfig:
    """As many parameters as the boosted device, without hints: about 37,000."""
    return _config(task, features=20, hidden=20)


def large(
    task: Task,
    compression: int = 4,
    d_vector: bool = False,
    refines: GridNetConfig | None = None,
) -> GridNetConfig:
    """The remote: about 480,000 parameters, 1.5 M more with d-vectors, and what it refines."""
    sizes = {"features": 64, "hidden": 64, "attention": True, "key": 6}
    return _config(task, **sizes, compression=compression, d_vector=d_vector, refines=refines)


def boosted(task: Task, boosting: Boosting, remote: GridNetConfig) -> GridNetConfig:
    """The small one with what takes a remote's hints, or a larger one where that is lean.

    With attention it has no more parameters and no more MACs than the baseline, so that beside it
    nothing but hints can help.
    """
    sizes = {"features": 16, "hidden": 16}
    if boosting == "attention":
        sizes = {"features": 20, "hidden": 18, "lean": True, "merges": 1}
    size = remote.hint_size(spoken(boosting))
    return _config(task, **sizes, boosting=boosting, hint_features=size)


def spoken(boosting: Boosting) -> Speaks:
    """What the remote must send for a way of boosting."""
    return "estimate" if boosting == "output" else "features"


def _config(task: Task, **sizes: object) -> GridNetConfig:
    given = {"sources": SOURCES[task], "enrolled": task == "target_speech", **sizes}
    return GridNetConfig.model_validate(given)
