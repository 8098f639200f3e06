"""A source's reference and all estimates of it: what metrics share is made once, when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from kbbench.metrics.binaural import BinauralReference
from kbbench.metrics.bss import sdr
from kbbench.metrics.intelligibility import Array, StoiReference, stoi_segments


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference at one ear.

    Args:
        signal: (samples,).
        estimates: all estimates of it, (samples,) each.
    """

    signal: Tensor
    estimates: Sequence[Tensor]

    @cached_property
    def stoi(self) -> StoiReference:
        """Ready for STOI and ESTOI."""
        return StoiReference.of(self.signal)

    @cached_property
    def sdr_db(self) -> dict[int, float]:
        """SDR of each estimate that is sound, by its number."""
        sound = [n for n, one in enumerate(self.estimates) if one.any() and one.isfinite().all()]
        values = sdr(torch.stack([self.estimates[n] for n in sound]), self.signal)
        return dict(zip(sound, values.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Ear:
    """One estimate at one ear.

    Args:
        number: which of the reference's estimates.
        reference: at the same ear.
    """

    number: int
    reference: Reference

    @property
    def estimate(self) -> Tensor:
        """The signal, (samples,)."""
        return self.reference.estimates[self.number]

    @property
    def sdr_db(self) -> float:
        """Its SDR; all estimates' are computed together.

        Raises:
            ValueError: it is silent.
        """
        if not self.estimate.any():
            raise ValueError("estimate is silent")
        return self.reference.sdr_db[self.number]

    @cached_property
    def segments(self) -> Array:
        """Its third-octave bands, for STOI and ESTOI."""
        return stoi_segments(self.estimate, self.reference.stoi)


@dataclass(frozen=True, eq=False)
class Ears:
    """One estimate at all ears.

    Args:
        estimate: (channels, samples).
        reference: at all ears.
        talkers: of a mixture with one wanted talker: that one, then the others, all whole as they
            are heard, (talkers, channels, samples).
    """

    estimate: Tensor
    reference: BinauralReference
    talkers: Tensor | None = None
