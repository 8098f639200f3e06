"""One model on two seconds of sound: everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from kbbench.audit.compare import SAME_SHAPE, by_chunk, first_chunk
from kbbench.audit.subject import ESTIMATES, HINTS, Outputs
from kbbench.channel import Delivered
from kbbench.check.sound import Trial
from kbbench.check.stream import stream_problems, streams
from kbbench.errors import one_line
from kbbench.models.checks import estimate_problems, remote_problems
from kbbench.units import CHUNK

DEVICE_FORWARD = "forward(mixture, *, enrollment=None, hints=None, seen_mask=None, age=None)"
REMOTE_FORWARD = "forward(mixture, *, enrollment=None)"


@dataclass(frozen=True)
class Tried:
    """What came of one model: its outputs where they are outputs, and all that is wrong."""

    outputs: Outputs | None
    problems: list[str]
    streams: bool = False


def try_model(
    what: str, model: Any, trial: Trial, remote: bool, delivered: Delivered | None = None
) -> Tried:
    """Run a model, run it again, change its future, and stream it.

    Args:
        what: its name in complaints.
        model: the user's.
        trial: what it hears.
        remote: it may write hints.
        delivered: a device's hints.
    """
    arguments = {**trial.always, **(delivered.as_arguments() if delivered else {})}
    call = _Call(what, model, remote, arguments)
    output = call(trial.sound.mixture)
    if not call.problems:
        call.problems += _judged(what, output, trial, remote)
    call.problems += call.wrote()
    if call.problems:
        return Tried(None, call.problems)
    outputs = _outputs(output)
    call.problems += _train_mode(what, model)
    again = call(trial.sound.mixture)
    call.problems = call.problems or _judged(what, again, trial, remote)
    call.problems = call.problems or _again(what, outputs, again)
    if not call.problems:
        call.problems += _look_ahead(call, outputs, trial)
    if not call.problems:
        call.problems += stream_problems(what, model, trial, remote, outputs, delivered)
    return Tried(outputs, call.problems, streams(model) and not call.problems)


class _Call:
    """Calls of a model, each with copies of its inputs; what it raises and writes is kept."""

    def __init__(self, what: str, model: Any, remote: bool, arguments: dict[str, Any]) -> None:
        self.what, self.model, self.remote, self.arguments = what, model, remote, arguments
        self.problems: list[str] = []
        self._written: set[str] = set()

    def __call__(self, mixture: Tensor) -> Any:
        given = {"mixture": mixture, **self.arguments}
        copies = {k: v.clone() if isinstance(v, Tensor) else v for k, v in given.items()}
        handed = dict(copies)
        try:
            with torch.inference_mode():
                return self.model(handed.pop("mixture"), **handed)
        except (Exception, SystemExit) as error:
            form = REMOTE_FORWARD if self.remote else DEVICE_FORWARD
            advice = f"; expected {form}" if isinstance(error, TypeError) else ""
            self.problems.append(
                f"{self.what} raised {type(error).__name__}: {one_line(error)}{advice}"
            )
            return None
        finally:
            for name, value in given.items():
                if isinstance(value, Tensor) and not torch.equal(copies[name], value):
                    self._written.add(name)

    def wrote(self) -> list[str]:
        """Inputs that it changed in place."""
        if not self._written:
            return []
        names = ", ".join(sorted(self._written))
        return [f"{self.what} changes its input in place: {names}; work on a copy (clone())"]


def _judged(what: str, output: Any, trial: Trial, remote: bool) -> list[str]:
    given = trial.given
    estimates = output[0] if isinstance(output, tuple) and output else output
    if trial.or_more and isinstance(estimates, Tensor) and estimates.ndim == 4:
        given = replace(given, sources=max(given.sources, estimates.shape[1]))
    if remote:
        return remote_problems(what, output, given, trial.hint_dtype)
    return estimate_problems(what, output, given)


def _outputs(output: Any) -> Outputs:
    if isinstance(output, tuple):
        return {ESTIMATES: output[0].clone(), HINTS: output[1].clone()}
    return {ESTIMATES: output.clone()}


def _train_mode(what: str, model: Any) -> list[str]:
    modules = model.named_modules() if isinstance(model, nn.Module) else []
    names = [name or type(module).__name__ for name, module in modules if module.training]
    if not names:
        return []
    return [f"{what} is in train mode after eval(): {', '.join(names[:3])}; do not call train()"]


def _again(what: str, outputs: Outputs, again: Any) -> list[str]:
    """The same input gives the same output."""
    for name, value in _outputs(again).items():
        same = value.shape == outputs[name].shape
        if not same or float(by_chunk(outputs[name], value, name).max()) > SAME_SHAPE:
            return [
                f"{what} gives other {name} for the same input the second time; no dropout, no "
                "noise, no state that is kept between calls"
            ]
    return []


def _look_ahead(call: _Call, outputs: Outputs, trial: Trial) -> list[str]:
    """Another future changes nothing that was written before it was heard."""
    mixture, last = trial.future()
    other = call(mixture)
    if call.problems:
        return []
    if problems := _judged(call.what, other, trial, call.remote):
        return problems
    for name, value in _outputs(other).items():
        first = first_chunk(by_chunk(outputs[name], value, name), SAME_SHAPE)
        for row in (first <= last).nonzero()[:, 0].tolist():
            start = CHUNK * (int(last[row]) + 1) + trial.lookahead
            return [
                f"{call.what} looks ahead: sound from sample {start} on changes its {name} in "
                f"chunk {int(first[row])}, samples {CHUNK * int(first[row])} to "
                f"{CHUNK * (int(first[row]) + 1)}; declared {trial.lookahead} samples past a "
                "chunk; `kbbench audit` measures how far"
            ]
    return []
