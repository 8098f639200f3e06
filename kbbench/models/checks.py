"""What is wrong with a triple and with what its models return: every problem, one line each.

Pure functions on values; the runner raises the first problem, ``kbbench check`` lists them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kbbench.models.contract import TASKS, Boosted, Opaque, Triple
from kbbench.units import CHUNK, LOOKAHEAD, chunk_count


@dataclass(frozen=True)
class Given:
    """What a model was given, as far as it decides what must come out.

    Args:
        mixtures: names of the B mixtures.
        sources: S, that are expected.
        channels: C.
        samples: T.
    """

    mixtures: Sequence[str]
    sources: int
    channels: int
    samples: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the estimates: (B, S, C, T)."""
        return len(self.mixtures), self.sources, self.channels, self.samples

    @property
    def chunks(self) -> int:
        """K."""
        return chunk_count(self.samples)


def triple_problems(triple: Triple, task: str | None = None) -> list[str]:
    """What is wrong with a triple before any of its models runs.

    Args:
        triple: as the user's file returned it.
        task: what it must be for; None for any.
    """
    problems = []
    if not isinstance(triple.name, str) or len(str(triple.name).splitlines()) != 1:
        problems.append(f"name {triple.name!r}, expected one line of text")
    if triple.task not in TASKS:
        problems.append(f"task {triple.task!r}, expected one of {', '.join(TASKS)}")
    elif task is not None and triple.task != task:
        problems.append(
            f"a triple for {triple.task}, the data is for {task}; give data of its task"
        )
    if not isinstance(triple.lookahead, int) or not 0 <= triple.lookahead <= LOOKAHEAD:
        problems.append(f"lookahead {triple.lookahead} samples, expected 0 to {LOOKAHEAD}")
    if not isinstance(triple.hint_dtype, torch.dtype) or triple.hint_dtype.is_complex:
        problems.append(
            f"hint_dtype {triple.hint_dtype}, expected a real torch dtype; "
            "send complex hints as torch.view_as_real"
        )
    for part in ("small", "large"):
        if not callable(getattr(triple, part)):
            problems.append(f"{part} is {kind(getattr(triple, part))}, expected a model to call")
    if not isinstance(triple.boosted, Boosted) and not callable(triple.boosted):
        problems.append(
            f"boosted is {kind(triple.boosted)}, expected kbbench.models.Boosted, or a function "
            "from the delay in chunks to one"
        )
    return problems


def boosted_problems(boosted: Boosted | Opaque) -> list[str]:
    """What is wrong with a boosted model before it runs."""
    return [
        f"{part} is {kind(value)}, expected a model to call"
        for part, value in vars(boosted).items()
        if not callable(value)
    ]


def estimate_problems(what: str, output: Any, given: Given) -> list[str]:
    """What is wrong with estimates (B, S, C, T).

    Args:
        what: the model's name in the complaint.
        output: what it returned.
        given: what it was given.
    """
    shape = tuple(output.shape) if isinstance(output, Tensor) else None
    problems = []
    if shape != given.shape:
        problems.append(
            f"{what} returned {kind(output)} for mixture {given.mixtures[0]}, expected "
            f"(batch, sources, channels, samples) = {given.shape}{_advice(shape, given.shape)}"
        )
    if not isinstance(output, Tensor):
        return problems
    if not output.is_floating_point():
        problems.append(f"{what} returned {dtype(output)}, expected float32; full scale is 1")
    return problems + finite_problems(f"output of {what}", output, given.mixtures)


def remote_problems(what: str, output: Any, given: Given, hint_dtype: torch.dtype) -> list[str]:
    """What is wrong with what a remote returned: estimates, or (estimates, hints (B, K, ...)).

    Args:
        what: the model's name in the complaint.
        output: what it returned.
        given: what it was given.
        hint_dtype: what hints are sent as.
    """
    if not isinstance(output, tuple):
        return estimate_problems(what, output, given)
    if len(output) != 2 or not isinstance(output[1], Tensor):
        return [f"{what} returned {kind(output)}, expected estimates or (estimates, hints)"]
    estimates, hints = output
    return [
        *hint_problems(what, hints, given, hint_dtype),
        *estimate_problems(what, estimates, given),
    ]


def hint_problems(what: str, hints: Tensor, given: Given, hint_dtype: torch.dtype) -> list[str]:
    """What is wrong with hints (B, K, ...), and with what is left of them on the link."""
    size, chunks = len(given.mixtures), given.chunks
    if hints.shape[:2] != (size, chunks):
        return [
            f"{what} returned hints {tuple(hints.shape)} for mixture {given.mixtures[0]}, expected "
            f"({size}, {chunks}, ...): one hint a chunk of {CHUNK}, mixtures first"
        ]
    if hints.is_complex():
        return [f"{what} returned hints of {dtype(hints)}, expected real ones; send view_as_real"]
    written = finite_problems(f"hints of {what}", hints, given.mixtures)
    bad = written or finite_problems(f"hints of {what}", hints.to(hint_dtype), given.mixtures)
    if bad and not written:
        name = str(hint_dtype).removeprefix("torch.")
        return [f"{bad[0]}, once sent as {name}; scale them, or declare another hint_dtype"]
    return bad


def no_hints(what: str) -> str:
    """A remote that is asked for hints has none."""
    return f"{what} returned estimates alone, expected (estimates, hints (B, K, ...))"


def finite_problems(what: str, values: Tensor, mixtures: Sequence[str]) -> list[str]:
    """The first value of (B, ...) that is NaN or infinite."""
    bad = ~torch.isfinite(values)
    if not bad.any():
        return []
    first = [int(index) for index in bad.nonzero()[0]]
    name = mixtures[first[0]] if first and first[0] < len(mixtures) else mixtures[0]
    value = values[tuple(first)].item()
    return [f"{what} for mixture {name} is {value} at {tuple(first[1:])}, expected finite numbers"]


def kind(value: Any) -> str:
    """A tensor's shape, a tuple's parts, or a type.

    >>> kind((1, "a")), kind(torch.zeros(2, 3)), kind(None)
    ('a tuple of int, str', '(2, 3)', 'NoneType')
    """
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, tuple):
        return f"a tuple of {', '.join(type(item).__name__ for item in value)}"
    return type(value).__name__


def dtype(values: Tensor) -> str:
    """A tensor's type by its short name.

    >>> dtype(torch.zeros(1, dtype=torch.int64))
    'int64'
    """
    return str(values.dtype).removeprefix("torch.")


def _advice(got: tuple[int, ...] | None, expected: tuple[int, ...]) -> str:
    """What to do about estimates of a wrong shape."""
    if got is None:
        return "; return one tensor"
    if len(got) == 3 and got == (expected[0], *expected[2:]):
        return "; the source axis is missing: return estimates[:, None]"
    if len(got) == 4 and got[:3] == expected[:3]:
        return "; return one output sample for each input sample"
    if len(got) == 4 and (got[0], *got[2:]) == (expected[0], *expected[2:]):
        return "; one estimate for each source"
    return ""
