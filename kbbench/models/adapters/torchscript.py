"""A TorchScript file as a device or a remote."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kbbench.errors import ModelError, one_line
from kbbench.models.adapters.inputs import INPUTS, MIXTURE, check_names, feed, run_rows
from kbbench.models.sources import read_file


class Script(nn.Module):
    """A scripted or traced network, fed by the names of its arguments."""

    def __init__(self, network: Any, what: str, one_by_one: bool) -> None:
        super().__init__()
        self.network, self.what, self.one_by_one = network, what, one_by_one
        arguments = network.forward.schema.arguments[1:]
        self._names = [argument.name for argument in arguments]
        self._needed = [a.name for a in arguments if not a.has_default_value()]
        check_names(what, self._names, self._needed)

    def forward(self, mixture: Tensor, **given: Tensor | None) -> Any:
        """Mixture (B, C, T) to what the network returns: estimates, or (estimates, hints)."""
        inputs = {**given, MIXTURE: mixture}
        optional = [
            name
            for name in self._names
            if name in INPUTS and name not in self._needed and inputs.get(name) is not None
        ]
        fed = feed(self.what, [*self._needed, *optional], inputs)
        return run_rows(lambda rows: self.network(**rows), fed, self.one_by_one)


def torchscript(path: str | Path, one_by_one: bool = False) -> Script:
    """Load a file that ``torch.jit.save`` wrote.

    Args:
        path: relative to the user's file, or absolute. ``forward`` has an argument ``mixture``, and
            any of enrollment, hints, seen_mask and age; what it does not have it is not given.
        one_by_one: the network takes one mixture at a time.

    Raises:
        ModelError: no such file, not TorchScript, or inputs of other names.
    """
    data = io.BytesIO(read_file(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript will go; files of it are there
            network = torch.jit.load(data, map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{path}: no TorchScript file ({one_line(error)[:120]}); write it with torch.jit.save"
        ) from error
    return Script(network, str(path), one_by_one)
