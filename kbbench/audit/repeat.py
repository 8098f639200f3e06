"""The same input gives the same output: twice, in any batch, after any other input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from kbbench.audit.compare import OTHER_SHAPE, SAME_SHAPE, by_chunk, first_chunk, first_sample
from kbbench.audit.parts import Part
from kbbench.audit.result import Finding
from kbbench.audit.subject import ESTIMATES, Checked, Outputs, Sound

PROBE = "repeatability"
SEEDS = (1, 2)
"""Of torch's global generator before the two runs of one input."""
LOUD, QUIET = 10.0, 0.001
"""What a neighbour is multiplied with."""
STATE = "look for state that forward keeps in the module, in a global or in a cache"
RANDOM = "look for dropout, noise or a random projection that runs in evaluation mode"
NEIGHBOUR = (
    "look for means, maxima, normalization, attention or sorting over the batch axis, and batch "
    "norm in train mode"
)


@dataclass(frozen=True)
class Case:
    """One comparison: outputs that must be the same."""

    what: str
    look_for: str
    first: Outputs
    second: Outputs
    tolerance: float


def repeats(part: Part, sound: Sound) -> Iterator[Finding]:
    """Every comparison of one model, on sound of four rows or more."""
    (model,) = part.models
    yield from _mode(model)
    for case in _cases(part, sound):
        yield from _differ(part, case)
    yield from _mode(model)


def _cases(part: Part, sound: Sound) -> Iterator[Case]:
    rows = list(range(len(sound.mixture)))
    call = part.call
    first, second = _seeded(part, sound, SEEDS[0]), _seeded(part, sound, SEEDS[1])
    yield Case("run twice on one input", RANDOM, first, second, SAME_SHAPE)
    call(sound.rows(rows[::-1]), rows[::-1])
    call(_scaled(sound, rows, LOUD), rows)
    again = call(sound, rows)
    yield Case("run again after other inputs", STATE, first, again, SAME_SHAPE)
    for name, gain in (("loud", LOUD), ("quiet", QUIET)):
        what = f"beside {name} neighbours in the batch"
        beside = call(_scaled(sound, rows[1:], gain), rows)
        yield Case(what, NEIGHBOUR, _row(first, 0), _row(beside, 0), SAME_SHAPE)
    others = [0, *rows[:0:-1]]
    beside = call(sound.rows(others), others)
    what = "beside other neighbours in the batch"
    yield Case(what, NEIGHBOUR, _row(first, 0), _row(beside, 0), SAME_SHAPE)
    for row in (0, rows[-1]):
        alone = call(sound.rows([row]), [row])
        yield Case("alone, not in a batch", NEIGHBOUR, _row(first, row), alone, OTHER_SHAPE)


def _seeded(part: Part, sound: Sound, seed: int) -> Outputs:
    """A run whose random numbers, if it draws any, are others for each seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return part.call(sound, range(len(sound.mixture)))


def _scaled(sound: Sound, rows: list[int], gain: float) -> Sound:
    mixture = sound.mixture.clone()
    mixture[rows] *= gain
    return Sound(mixture, sound.enrollment)


def _row(outputs: Outputs, row: int) -> Outputs:
    return {name: value[row : row + 1] for name, value in outputs.items()}


def _differ(part: Part, case: Case) -> Iterator[Finding]:
    for output in part.outputs:
        value = case.first[output]
        difference = by_chunk(value, case.second[output], output)
        chunks = first_chunk(difference, case.tolerance)
        if int(chunks.min()) == difference.shape[1]:
            continue
        row = int(chunks.argmin())
        chunk, sample = int(chunks[row]), None
        if output == ESTIMATES:
            sample = first_sample(value[row], case.second[output][row], chunk, case.tolerance)
        largest = min(float(difference.max()), 2.0)
        where = f"chunk {chunk}" if sample is None else f"sample {sample}"
        yield Finding(
            probe=PROBE,
            part=part.name,
            what=f"{case.what}: other {output} from {where} on, by up to {largest:.1e} of peak",
            look_for=case.look_for,
            measured=largest,
            unit="of peak",
            at_sample=sample,
            at_chunk=chunk,
        )


def _mode(model: Checked) -> Iterator[Finding]:
    if not isinstance(model.model, nn.Module):
        return
    names = [name or "the model" for name, module in model.model.named_modules() if module.training]
    if names:
        yield Finding(
            probe=PROBE,
            part=model.part,
            what=f"in train mode after it was set to evaluation mode: {', '.join(names[:3])}",
            look_for="look for a call of train(), or an eval() that does nothing",
            measured=float(len(names)),
            unit="modules",
        )


def written_inputs(model: Checked) -> Iterator[Finding]:
    """Inputs that it changed in place, in any probe so far."""
    if model.written:
        yield Finding(
            probe=PROBE,
            part=model.part,
            what=f"changes its input in place: {', '.join(sorted(model.written))}",
            look_for="look for in-place operations (add_, copy_, x[...] = ...) on an argument; "
            "what is written there, other models read",
            measured=float(len(model.written)),
            unit="inputs",
        )
