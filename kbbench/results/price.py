"""What a run's triple costs, as far as it is the same in every run; times are in ``cost.json``."""

from __future__ import annotations

from kbbench.cost import Cost, CostFigure, Matched
from kbbench.results.figure import Part

SAME_IN_EVERY_RUN = (
    "macs_per_chunk",
    "step_macs_per_chunk",
    "fft_flops_per_chunk",
    "elementwise_per_chunk",
    "parameters",
    "state_bytes",
)
"""Figures of a model that no clock has a part in."""


class Price(Part):
    """The part of a cost that a summary holds.

    Args:
        delay_chunks: of the hints for which the boosted model was measured.
        models: figures by name of ``small``, ``device``, ``large`` and ``remote``.
        deployed_parameters: of device and remote together.
        hint_kbit_per_s: what hints cost the link.
        matched: whether the device part costs what the small model costs.
    """

    delay_chunks: int
    models: dict[str, dict[str, CostFigure]]
    deployed_parameters: CostFigure
    hint_kbit_per_s: CostFigure
    matched: Matched

    @classmethod
    def of(cls, cost: Cost) -> Price:
        """What of a cost is the same in every run."""
        return cls(
            delay_chunks=cost.method.delay_chunks,
            models={
                name: {key: model.figures[key] for key in SAME_IN_EVERY_RUN}
                for name, model in cost.models.items()
            },
            deployed_parameters=cost.deployed_parameters,
            hint_kbit_per_s=cost.hint_kbit_per_s,
            matched=cost.matched,
        )

    def macs(self, model: str) -> float | None:
        """MACs a chunk: of layers offline, or of ``step`` where that has no steady cost."""
        figures = self.models[model]
        offline = figures["macs_per_chunk"].value
        return figures["step_macs_per_chunk"].value if offline is None else offline

    @property
    def mark(self) -> str:
        """What stands beside the run wherever it appears; empty where the cost is matched."""
        return "" if self.matched.matched else f"cost {self.matched.text}"
