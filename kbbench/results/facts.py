"""What a run was made from, by name and hash."""

from __future__ import annotations

from pydantic import Field

from kbbench.models.contract import Task
from kbbench.results.figure import Part


class TripleFacts(Part):
    """The triple and its files.

    Args:
        name: as its author calls it.
        task: its task.
        oracle: its models are given the reference.
        lookahead_samples_declared: what it says it needs; what was measured is in ``honesty``.
        hint_dtype: what hints are sent as.
        opaque_link: the boosted model delays its hints itself, out of kbbench's sight.
        hint_kbit_per_s: what they cost the link; None where that is opaque.
        file: name of the user's file.
        file_sha256: of that file.
        imports_sha256: of modules that it imported from its own folder, by name.
        files_sha256: of weights and models that it read from files, by name.
        weights_sha256: of all parameters and buffers of the models that ran.
    """

    name: str
    task: Task
    oracle: bool
    lookahead_samples_declared: int
    hint_dtype: str
    opaque_link: bool = False
    hint_kbit_per_s: float | None
    file: str
    file_sha256: str
    imports_sha256: dict[str, str]
    files_sha256: dict[str, str] = Field(default_factory=dict)
    weights_sha256: str


class DataFacts(Part):
    """The mixtures.

    Args:
        recipe: its name.
        recipe_version: raised whenever a bit of its mixtures moves.
        recipe_sha256: of its content.
        corpus_sha256: of the index of the corpora that it drew from.
        plan_sha256: of all that was sampled.
        data_sha256: of all that was rendered.
        split: that was evaluated.
        mixtures: of that split.
    """

    recipe: str
    recipe_version: int
    recipe_sha256: str
    corpus_sha256: str
    plan_sha256: str
    data_sha256: str | None
    split: str
    mixtures: int
