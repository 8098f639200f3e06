"""An ONNX file as a device or a remote, run by ONNX Runtime."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kbbench.errors import ModelError, one_line
from kbbench.models.adapters.inputs import MIXTURE, check_names, feed, run_rows
from kbbench.models.sources import locate, read_file

TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
"""ONNX Runtime's names of the types that an input may have."""
EXTERNAL = re.compile(rb"\n\x08location\x12([\x01-\x7f])")
"""Where a model names a file of external data: the pair ("location", name) in protobuf's coding,
length before text (onnx.proto, TensorProto.external_data)."""


class Onnx:
    """A session, fed by the names of its inputs; it computes on the CPU."""

    uncounted = "computed by ONNX Runtime, where torch counts nothing"
    """Why :mod:`kbbench.cost` has no MACs of it."""

    def __init__(self, session: Any, what: str, one_by_one: bool) -> None:
        self.session, self.what, self.one_by_one = session, what, one_by_one
        self._types = {entry.name: entry.type for entry in session.get_inputs()}
        check_names(what, self._types, self._types)
        if strange := [kind for kind in self._types.values() if kind not in TYPES]:
            raise ModelError(
                f"{what}: an input is {strange[0]}, expected one of {', '.join(TYPES)}"
            )

    def __call__(self, mixture: Tensor, **given: Tensor | None) -> Any:
        """Mixture (B, C, T) to its outputs: estimates, or (estimates, hints)."""
        inputs = feed(self.what, self._types, {**given, MIXTURE: mixture})
        return run_rows(self._run, inputs, self.one_by_one)

    def _run(self, inputs: dict[str, Any]) -> Any:
        arrays = {
            name: value.detach().cpu().numpy().astype(TYPES[self._types[name]])
            for name, value in inputs.items()
        }
        outputs = self.session.run(None, arrays)
        tensors = tuple(torch.from_numpy(array).to(inputs[MIXTURE].device) for array in outputs)
        return tensors[0] if len(tensors) == 1 else tensors


def onnx(path: str | Path, one_by_one: bool = False) -> Onnx:
    """Load an ONNX file; needs ``pip install 'kbbench[onnx]'``.

    Export it with the numbers of samples and chunks dynamic. The first output is the
    estimates; a remote's second one is the hints.

    Args:
        path: relative to the user's file, or absolute. Its inputs are ``mixture``, and any of
            enrollment, hints, seen_mask and age; what it does not have it is not given.
        one_by_one: the number of mixtures is not dynamic, but one.

    Raises:
        ModelError: no such file, no ONNX Runtime, not a model for it, or inputs of other names.
    """
    return Onnx(open_session(path), str(path), one_by_one)


def open_session(path: str | Path) -> Any:
    """A session of ONNX Runtime on the CPU, the files that it is made of noted.

    Raises:
        ModelError: no such file, no ONNX Runtime, or not a model for it.
    """
    for name in external_files(read_file(path)):
        read_file(Path(path).parent / name)  # its hash belongs to the run as well
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            f"{path}: ONNX Runtime is not installed; pip install 'kbbench[onnx]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors; they are raised
    try:
        session = onnxruntime.InferenceSession(
            str(locate(path)), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has a class of its own for each way to fail
        raise ModelError(
            f"{path}: ONNX Runtime cannot load it ({one_line(error)[:160]})"
        ) from error
    return session


def external_files(model: bytes) -> list[str]:
    """Names of the files beside a model that hold its weights.

    >>> external_files(b"..." + bytes([10, 8]) + b"location" + bytes([18, 5]) + b"a.bin...")
    ['a.bin']
    """
    found = {
        model[match.end() : match.end() + match[1][0]].decode("utf-8", "replace")
        for match in EXTERNAL.finditer(model)
    }
    return sorted(found)
