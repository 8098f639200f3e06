"""A model's streaming step to a file that runs on a device."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from kbbench.errors import ModelError, one_line
from kbbench.models.adapters.steps import LOADERS, StepFacts, tensors_of
from kbbench.models.contract import Streaming
from kbbench.units import CHUNK, LOOKAHEAD

EARS = 2


class _Step(nn.Module):
    """A step whose inputs and outputs are tensors, one after the other."""

    def __init__(self, model: Any, state: Any, hinted: bool) -> None:
        super().__init__()
        self.model, self.hinted = model, hinted
        self._leaves, self._spec = tree_flatten(state)

    def forward(self, frame: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        """(frame, [hint, age,] *state) to (chunk, [hint,] *next state)."""
        hint = given[:2] if self.hinted else ()
        tensors = iter(given[len(hint) :])
        leaves = [next(tensors) if isinstance(leaf, Tensor) else leaf for leaf in self._leaves]
        *outputs, state = self.model.step(frame, tree_unflatten(leaves, self._spec), *hint)
        # The next state must not share memory with an output: both are handed on.
        return (*outputs, *tensors_of(state))


def export_step(
    model: Any,
    path: Path,
    hint_shape: tuple[int, ...] | None = None,
    enrollment: Tensor | None = None,
    lookahead: int = LOOKAHEAD,
) -> Path:
    """Write a model's ``step`` for one mixture at two ears; :func:`kbbench.models.steps` reads it.

    Args:
        model: with ``start`` and ``step``, in evaluation mode.
        path: of a new file: ``.ts`` (TorchScript, traced), ``.pt2`` (``torch.export``) or
            ``.onnx`` (needs ``pip install onnx onnxscript``; no complex numbers within the step).
        hint_shape: of a hint, without the mixtures' axis, for a device.
        enrollment: (1, 1, T_e), for target speech: any, since what it makes is in the state.
        lookahead: samples of a frame past its chunk.

    Returns:
        the path.

    Raises:
        ModelError: the file is there, of no such kind, the model has no streaming form, or the
            exporter cannot take it.
    """
    if path.exists():
        raise ModelError(f"{path}: is there already; give another name, or remove it")
    if path.suffix not in WRITERS:
        raise ModelError(f"{path}: expected a name that ends in {', '.join(LOADERS)}")
    if not isinstance(model, Streaming):
        raise ModelError(f"{type(model).__name__} has no streaming form; define start and step")
    frame = torch.zeros(1, EARS, CHUNK + lookahead)
    with torch.no_grad():
        state = model.start(1, enrollment)
        hint = () if hint_shape is None else (torch.zeros(1, *hint_shape), torch.zeros(1).long())
        step = _Step(model, state, bool(hint)).eval()
        given = (frame, *hint, *tensors_of(state))
        count = len(step(*given)) - len(tensors_of(state))
        facts = StepFacts(CHUNK + lookahead, hint_shape, hint_out=count == 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of tracers, on shapes that are fixed here
                WRITERS[path.suffix](step, given, path, facts.to_text(tensors_of(state)))
        except Exception as error:  # each exporter has classes of its own
            path.unlink(missing_ok=True)
            raise ModelError(
                f"{path}: cannot be exported ({type(error).__name__}: {one_line(error)[:160]})"
            ) from error
    return path


def _torchscript(step: nn.Module, given: Any, path: Path, kept: dict[str, str]) -> None:
    traced = torch.jit.trace(step, given, check_trace=False)  # type: ignore[no-untyped-call]
    torch.jit.save(traced, path, _extra_files=kept)


def _exported(step: nn.Module, given: Any, path: Path, kept: dict[str, str]) -> None:
    torch.export.save(torch.export.export(step, given, strict=False), path, extra_files=kept)


def _onnx(step: nn.Module, given: Any, path: Path, kept: dict[str, str]) -> None:
    import onnx

    torch.onnx.export(step, given, path, dynamo=False)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, kept)
    onnx.save(model, path)


WRITERS: dict[str, Callable[[nn.Module, Any, Path, dict[str, str]], None]] = {
    ".ts": _torchscript,
    ".pt2": _exported,
    ".onnx": _onnx,
}
"""By the end of a file's name."""
