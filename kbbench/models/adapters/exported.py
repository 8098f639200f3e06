"""A file of ``torch.export`` (.pt2) as a device or a remote."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from kbbench.errors import ModelError, one_line
from kbbench.models.adapters.inputs import MIXTURE, check_names, feed, run_rows
from kbbench.models.sources import read_file
from kbbench.units import CHUNK, chunk_count


class Exported(nn.Module):
    """An exported program, fed by the names of its inputs; it is as it was exported."""

    def __init__(self, program: ExportedProgram, what: str, one_by_one: bool) -> None:
        super().__init__()
        self.what, self.one_by_one = what, one_by_one
        self.network = program.module()
        for module in self.modules():
            module.training = False  # eval() is not for exported programs
        self._positional, self._named, self._empty = _inputs(program)
        names = [*self._positional, *self._named]
        check_names(what, names, [name for name in names if name not in self._empty])

    def train(self, mode: bool = True) -> Exported:
        """Nothing: dropout and the like are in the program as they were when it was exported."""
        return self

    def forward(self, mixture: Tensor, **given: Tensor | None) -> Any:
        """Mixture (B, C, T) to what the network returns: estimates, or (estimates, hints)."""
        inputs = {**given, MIXTURE: mixture}
        needed = [n for n in (*self._positional, *self._named) if n not in self._empty]
        fed: dict[str, Any] = {**dict.fromkeys(self._empty), **feed(self.what, needed, inputs)}
        samples, chunks = mixture.shape[-1], chunk_count(mixture.shape[-1])
        output = run_rows(self._run, _whole(fed, samples, chunks), self.one_by_one)
        if isinstance(output, tuple) and len(output) == 2:
            return output[0][..., :samples], output[1][:, :chunks]
        return output[..., :samples]

    def _run(self, fed: dict[str, Any]) -> Any:
        positional = [fed[name] for name in self._positional]
        return self.network(*positional, **{name: fed[name] for name in self._named})


def exported(path: str | Path, one_by_one: bool = False) -> Exported:
    """Load a file that ``torch.export.save`` wrote.

    Export it in evaluation mode, from an example of some whole chunks, with the numbers of samples
    and chunks dynamic. It is run on whole chunks, two or more, whatever it hears.

    Args:
        path: relative to the user's file, or absolute. Its inputs are ``mixture``, and any of
            enrollment, hints, seen_mask and age; what it does not have it is not given.
        one_by_one: the number of mixtures is not dynamic, but one.

    Raises:
        ModelError: no such file, not an exported program, or inputs of other names.
    """
    data = io.BytesIO(read_file(path))
    try:
        program = torch.export.load(data)
    except Exception as error:  # whatever reading a zip, JSON or a graph raises
        raise ModelError(
            f"{path}: no exported program ({one_line(error)[:120]}); write it with "
            "torch.export.save"
        ) from error
    return Exported(program, str(path), one_by_one)


def _whole(fed: dict[str, Any], samples: int, chunks: int) -> dict[str, Any]:
    """Inputs of whole chunks, two or more: a program may hold for such lengths alone.

    ``torch.export`` takes 0 and 1 for constants, and keeps the branch that a comparison of lengths
    took. After the mixture comes silence, as in the last frame of a stream; no hint has arrived.
    """
    more = max(chunks, 2) - chunks
    filled = dict(fed)
    for name, empty in {"hints": 0, "seen_mask": False, "age": -1}.items():
        value = fed.get(name)
        if value is not None and more:
            filled[name] = torch.cat([value, torch.full_like(value[:, :more], empty)], dim=1)
    room = (chunks + more) * CHUNK - samples
    filled[MIXTURE] = nn.functional.pad(fed[MIXTURE], (0, room))
    return filled


def _inputs(program: ExportedProgram) -> tuple[list[str], list[str], set[str]]:
    """Names of positional and of keyword inputs, and those that were None when it was exported."""
    specs = [s for s in program.graph_signature.input_specs if s.kind is InputKind.USER_INPUT]
    empty = {s.arg.name for s in specs if getattr(s.arg, "value", 0) is None}
    spec = program.call_spec.in_spec
    named = [] if spec is None else [str(name) for name in spec.child(1).context]
    return [s.arg.name for s in specs[: len(specs) - len(named)]], named, empty
