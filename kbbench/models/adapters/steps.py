"""A file of one streaming step (TorchScript, ``torch.export`` or ONNX) as a device or a remote.

What runs on a device is a step: a frame and the state go in, a chunk and the next state come out.
:func:`kbbench.models.export_step` writes such files. The step makes the whole model: offline it is
called chunk by chunk.
"""

from __future__ import annotations

import base64
import io
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from kbbench.errors import ModelError, one_line
from kbbench.models.adapters.onnx import TYPES, open_session
from kbbench.models.frames import frames
from kbbench.models.sources import read_file
from kbbench.units import CHUNK

FACTS, STATE = "kbbench_step", "kbbench_state"
"""Names under which a file keeps what it is, and the state before the first chunk."""
Run = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""(frame, [hint, age,] *state) to (chunk, [hint,] *next state), for one mixture."""
State = list[list[Tensor]]
"""Of each mixture, every tensor of its state."""


@dataclass(frozen=True)
class StepFacts:
    """What a step takes and gives.

    Args:
        frame_samples: 128 and the look-ahead.
        hint_in: shape of the hint that it takes, without the mixtures' axis; None of a small or
            large model.
        hint_out: it gives a hint.
    """

    frame_samples: int
    hint_in: tuple[int, ...] | None
    hint_out: bool

    def to_text(self, state: Sequence[Tensor]) -> dict[str, str]:
        """What a file keeps: these facts, and the state before the first chunk."""
        tensors = {str(number): leaf.contiguous() for number, leaf in enumerate(state)}
        return {
            FACTS: json.dumps(asdict(self)),
            STATE: base64.b64encode(save(tensors)).decode("ascii"),
        }


class Stepped(nn.Module):
    """A model that is one step; mixtures go through it one by one.

    Args:
        run: the step, of one mixture.
        facts: what it takes and gives.
        state: of one mixture before the first chunk.
        starts: (batch, enrollment) -> state, where that depends on an enrollment.
        uncounted: why torch does not see what it computes, where that is so.
    """

    def __init__(
        self,
        run: Run,
        facts: StepFacts,
        state: Sequence[Tensor],
        starts: Callable[..., Any] | None = None,
        uncounted: str | None = None,
    ) -> None:
        super().__init__()
        self._run, self._facts, self._first, self._starts = run, facts, list(state), starts
        self.uncounted = uncounted

    def start(self, batch: int, enrollment: Tensor | None = None) -> State:
        """The state of each mixture before the first chunk; enrollment (B, 1, T_e) or None."""
        if self._starts is None or enrollment is None:
            return [[leaf.clone() for leaf in self._first] for _ in range(batch)]
        return [tensors_of(self._starts(1, enrollment[row : row + 1])) for row in range(batch)]

    def step(
        self,
        frame: Tensor,
        state: State,
        hint: Tensor | None = None,
        age: Tensor | None = None,
    ) -> tuple[Any, ...]:
        """Frame (B, C, 128 + lookahead) to (chunk (B, S, C, 128), [hint (B, ...),] state)."""
        count = 2 if self._facts.hint_out else 1
        outputs, after = [], []
        for row, mine in enumerate(state):
            given = [frame[row : row + 1]]
            if self._facts.hint_in is not None:
                given += self._hinted(row, hint, age)
            made = self._run([*given, *mine])
            outputs.append(made[:count])
            after.append(list(made[count:]))
        joined = [torch.cat(parts) for parts in zip(*outputs, strict=True)]
        return (*joined, after)

    def forward(
        self,
        mixture: Tensor,
        *,
        enrollment: Tensor | None = None,
        hints: Tensor | None = None,
        seen_mask: Tensor | None = None,
        age: Tensor | None = None,
    ) -> Any:
        """Mixture (B, C, T) to estimates (B, S, C, T), and a remote's hints (B, K, ...)."""
        samples = mixture.shape[-1]
        state = self.start(len(mixture), enrollment)
        made = []
        for k, frame in enumerate(frames(mixture, self._facts.frame_samples - CHUNK)):
            now = {} if hints is None or age is None else {"hint": hints[:, k], "age": age[:, k]}
            *outputs, state = self.step(frame, state, **now)
            made.append(outputs)
        estimates = torch.cat([outputs[0] for outputs in made], dim=-1)[..., :samples]
        if not self._facts.hint_out:
            return estimates
        return estimates, torch.stack([outputs[1] for outputs in made], dim=1)

    def _hinted(self, row: int, hint: Tensor | None, age: Tensor | None) -> list[Tensor]:
        if hint is None or age is None:
            return [torch.zeros(1, *(self._facts.hint_in or ())), torch.tensor([-1])]
        return [hint[row : row + 1], age[row : row + 1]]


def steps(path: str | Path, starts: Callable[..., Any] | None = None) -> Stepped:
    """Load a step that :func:`kbbench.models.export_step` wrote.

    Args:
        path: relative to the user's file, or absolute: ``.ts`` (TorchScript), ``.pt2``
            (``torch.export``) or ``.onnx`` (needs ``pip install 'kbbench[onnx]'``).
        starts: the model's own ``start(batch, enrollment)``, in target speech, where the state
            before the first chunk holds the talker.

    Raises:
        ModelError: no such file, no such kind of file, or not a step that kbbench wrote.
    """
    kind = Path(path).suffix
    if kind not in LOADERS:
        raise ModelError(f"{path}: expected a file of a step, {', '.join(LOADERS)}")
    try:
        run, kept = LOADERS[kind](path, read_file(path))
    except ModelError:
        raise
    except Exception as error:  # whatever reading a zip, JSON, protobuf or a graph raises
        raise ModelError(
            f"{path}: no {kind} file ({one_line(error)[:120]}); write it with export_step"
        ) from error
    if not kept.get(FACTS) or not kept.get(STATE):
        raise ModelError(f"{path}: not a step that kbbench wrote; write it with export_step")
    facts = json.loads(kept[FACTS])
    shape = facts["hint_in"]
    tensors = load(base64.b64decode(kept[STATE]))
    return Stepped(
        run,
        StepFacts(
            facts["frame_samples"], None if shape is None else tuple(shape), facts["hint_out"]
        ),
        [tensors[str(number)] for number in range(len(tensors))],
        starts,
        "computed by ONNX Runtime, where torch counts nothing" if kind == ".onnx" else None,
    )


def tensors_of(state: Any) -> list[Tensor]:
    """Every tensor of a state, in a fixed order."""
    return [leaf for leaf in tree_leaves(state) if isinstance(leaf, Tensor)]


def _torchscript(path: str | Path, data: bytes) -> tuple[Run, dict[str, str]]:
    kept = dict.fromkeys((FACTS, STATE), "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript will go; files of it are there
        network = torch.jit.load(  # type: ignore[no-untyped-call]
            io.BytesIO(data), map_location="cpu", _extra_files=kept
        )
    texts = {k: v.decode() if isinstance(v, bytes) else v for k, v in kept.items()}
    return lambda given: network(*given), texts


def _exported(path: str | Path, data: bytes) -> tuple[Run, dict[str, str]]:
    kept = dict.fromkeys((FACTS, STATE), "")
    network = torch.export.load(io.BytesIO(data), extra_files=kept).module()
    return lambda given: network(*given), kept


def _onnx(path: str | Path, data: bytes) -> tuple[Run, dict[str, str]]:
    session = open_session(path)
    entries = session.get_inputs()

    def run(given: Sequence[Tensor]) -> list[Tensor]:
        arrays: dict[str, Any] = {
            entry.name: value.detach().cpu().numpy().astype(TYPES[entry.type], copy=False)
            for entry, value in zip(entries, given, strict=True)
        }
        return [torch.from_numpy(array) for array in session.run(None, arrays)]

    return run, session.get_modelmeta().custom_metadata_map


LOADERS: dict[str, Callable[[str | Path, bytes], tuple[Run, dict[str, str]]]] = {
    ".ts": _torchscript,
    ".pt2": _exported,
    ".onnx": _onnx,
}
"""By the end of a file's name."""
