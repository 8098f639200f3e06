"""What a triple costs, as numbers with unit and direction."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

FORMAT = 1
"""Of the JSON; raised when an old reader would misread a new file."""
DIGITS = 6
"""Decimals of every figure."""

UNITS = {
    "macs_per_chunk": "MAC",
    "fft_flops_per_chunk": "FLOP",
    "elementwise_per_chunk": "operation",
    "parameters": "parameter",
    "step_macs_per_chunk": "MAC",
    "state_bytes": "byte",
    "chunk_ms_p50": "ms",
    "chunk_ms_p95": "ms",
    "chunk_ms_p99": "ms",
    "real_time_factor": "",
    "missed_deadlines": "",
}
"""Every figure of a model and its unit. ``missed_deadlines`` is a share of the chunks, 0 to 1;
``real_time_factor`` is the mean time of a chunk over 8 ms."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CostFigure(_Part):
    """A number with its unit, or the reason why there is none.

    ``note`` says what to know about a value, such as that it is a lower bound.
    """

    value: float | None
    unit: str
    better: Literal["lower"] = "lower"
    reason: str | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _value_or_reason(self) -> CostFigure:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a figure has a value or a reason")
        return self


class ModelCost(_Part):
    """One model: its figures by name (the keys of ``UNITS``), and the chunks that were timed."""

    figures: dict[str, CostFigure]
    chunks_timed: int = 0

    def value(self, name: str) -> float | None:
        """A figure's number, where it has one."""
        return self.figures[name].value


class Matched(_Part):
    """Whether the boosted model's device part costs what the small model costs.

    ``factor`` is its MACs over the small model's; ``matched`` is None where that is unknown.
    """

    matched: bool | None
    factor: float | None
    tolerance: float
    text: str


class Method(_Part):
    """How it was measured."""

    delay_chunks: int
    chunks_counted: tuple[int, int, int]
    warm_up_chunks: int
    threads: int
    noise_rms: float
    channels: int
    seed: int


class Hardware(_Part):
    """What the times were measured on."""

    cpu: str
    system: str
    python: str
    torch: str


class Cost(_Part):
    """What a triple costs: ``kbbench profile``.

    Args:
        models: ``small``, ``device`` (the boosted model's part on the device, merging layers
            included), ``large``, and ``remote`` (of the boosted model). Where the link is opaque,
            ``device`` is the whole boosted model, and there is no remote.
        remote_is_large: the remote is the large model itself, and was measured once.
        deployed_parameters: of device and remote together, what they share counted once.
        hint_kbit_per_s: what hints cost the link, sent as ``hint_dtype``.
    """

    format: int = FORMAT
    kbbench: str
    name: str
    task: str
    oracle: bool
    opaque_link: bool = False
    models: dict[str, ModelCost]
    remote_is_large: bool
    deployed_parameters: CostFigure
    hint_kbit_per_s: CostFigure
    hint_dtype: str
    matched: Matched
    method: Method
    hardware: Hardware


def figure(
    name: str, value: float | None, reason: str | None = None, note: str | None = None
) -> CostFigure:
    """A figure of ``UNITS``, rounded."""
    rounded = None if value is None else round(float(value), DIGITS)
    return CostFigure(value=rounded, unit=UNITS[name], reason=reason, note=note)
