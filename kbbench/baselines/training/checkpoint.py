"""A run's whole state in one file that is there whole or not at all.

There is no generator to keep: clips are keyed by their number, weights by the seed, and the
networks draw nothing. So a run that was killed ends in the same weights as one that was not.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from kbbench.baselines.training.optimizer import Optimizer
from kbbench.baselines.training.settings import Settings
from kbbench.errors import InputError, one_line
from kbbench.files import write_bytes

NAME = "checkpoint.pt"


@dataclass(frozen=True)
class Identity:
    """What a run is; a checkpoint carries on no other one.

    Args:
        settings: of the stage.
        data: the line that names it.
        start_sha256: of the weights that it begins with; None for random ones.
    """

    settings: Settings
    data: str
    start_sha256: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """All of it by name, as it is told."""
        start = "random weights" if self.start_sha256 is None else f"weights {self.start_sha256}"
        return {"data": self.data, "start": start, **self.settings.model_dump()}


@dataclass
class Progress:
    """How far a run is.

    Args:
        step: of the optimizer, done.
        seconds: spent in training, over all sittings.
        best_db: of validation so far, and ``best_step``, where it was.
        stale: validations since then.
        skipped: steps whose gradient was not finite, and that changed nothing.
        rows: of the log.
    """

    step: int = 0
    seconds: float = 0.0
    best_db: float = float("-inf")
    best_step: int = 0
    stale: int = 0
    skipped: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)


def write_checkpoint(
    folder: Path,
    identity: Identity,
    progress: Progress,
    model: torch.nn.Module,
    optimizer: Optimizer,
    average: torch.nn.Module | None,
) -> None:
    """Write the state of a run; ``average`` is that of its weights, where there is one."""
    buffer = io.BytesIO()
    state = {
        "settings": identity.settings.model_dump_json(),
        "data": identity.data,
        "start_sha256": identity.start_sha256,
        "progress": asdict(progress),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": None if average is None else average.state_dict(),
    }
    torch.save(state, buffer)
    write_bytes(folder / NAME, buffer.getvalue())


def read_checkpoint(
    folder: Path,
    identity: Identity,
    model: torch.nn.Module,
    optimizer: Optimizer,
    average: torch.nn.Module | None,
) -> Progress:
    """Put a run's state into model, optimizer and average; without a checkpoint they stay.

    Raises:
        InputError: the file is damaged, or of a run with other settings, data or start.
    """
    path = folder / NAME
    if not path.is_file():
        return Progress()
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        settings = Settings.model_validate_json(state["settings"])
        begun = Identity(settings, state["data"], state.get("start_sha256"))
        progress = Progress(**{f.name: state["progress"][f.name] for f in fields(Progress)})
    except Exception as error:
        raise InputError(
            f"{path}: damaged, or of another kbbench version ({one_line(error)[:200]}); "
            "remove it to begin anew"
        ) from error
    _same(path, begun.facts, identity.facts)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    if average is not None:
        average.load_state_dict(state["average"])
    return progress


def _same(path: Path, begun: dict[str, Any], asked: dict[str, Any]) -> None:
    for name, value in begun.items():
        if asked[name] != value:
            raise InputError(
                f"{path}: begun with {name} {value!r}, now {asked[name]!r}; "
                "give the same to carry on, or another --out"
            )
