"""What a foreign model is given: those inputs of the contract that it has, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from kbbench.errors import ModelError

MIXTURE, ENROLLMENT = "mixture", "enrollment"
INPUTS = (MIXTURE, ENROLLMENT, "hints", "seen_mask", "age")
"""Every input of the contract."""


def check_names(what: str, names: Iterable[str], needed: Iterable[str]) -> None:
    """An exported model's inputs are inputs of the contract.

    Args:
        what: the file.
        names: of all its inputs.
        needed: of those that it cannot do without.

    Raises:
        ModelError: it needs one that is none, or does not hear the mixture.
    """
    strange = [name for name in needed if name not in INPUTS]
    if strange or MIXTURE not in names:
        said = ", ".join(strange or names)
        raise ModelError(
            f"{what}: input {said}, expected {MIXTURE} and any of {', '.join(INPUTS[1:])}; "
            "name the inputs so when you export it"
        )


def feed(what: str, names: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that a model has, out of what is given.

    Args:
        what: the model, in the complaint.
        names: of the inputs that it needs.
        given: by name; None where there is none.

    Raises:
        ModelError: it needs one that is not given here.
    """
    missing = [name for name in names if given.get(name) is None]
    if missing:
        raise ModelError(
            f"{what}: needs {', '.join(missing)}, which small, large and remote are not given, "
            "and enrollment in target speech alone; export a model without them for this part"
        )
    return {name: given[name] for name in names}


def run_rows(run: Callable[[dict[str, Any]], Any], inputs: dict[str, Any], alone: bool) -> Any:
    """Run a network on all mixtures at once, or on each alone where it was exported for one.

    Args:
        run: from inputs to estimates, or (estimates, hints).
        inputs: by name, (B, ...) or None.
        alone: one mixture at a time.
    """
    if not alone:
        return run(inputs)
    rows = [
        run({name: None if v is None else v[row : row + 1] for name, v in inputs.items()})
        for row in range(len(inputs[MIXTURE]))
    ]
    if isinstance(rows[0], tuple):
        return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))
    return torch.cat(rows)


def takes(function: Any, name: str) -> bool:
    """A Python function takes an argument of this name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
