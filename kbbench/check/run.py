"""A file to a report: load it, try every model, and say everything that is wrong at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from kbbench.audit.subject import ESTIMATES, HINTS
from kbbench.channel import deliver, fixed
from kbbench.check.model import Tried, try_model
from kbbench.check.result import Found, Link, Report
from kbbench.check.sound import make_trial
from kbbench.cost.parameters import parameters
from kbbench.errors import ModelError, one_line
from kbbench.models.checks import no_hints, triple_problems
from kbbench.models.contract import Boosted, Opaque
from kbbench.models.loading import LoadedTriple, open_triple
from kbbench.rng import Stream
from kbbench.runner import hint_bits, hint_kbit_per_s
from kbbench.units import HEADLINE_DELAY

DELAYS = (0, HEADLINE_DELAY)
"""In chunks: a hint for every chunk, and none for the first ones."""
OPAQUE = "opaque link, ranked apart: the boosted model delays its hints itself"


def check_file(path: Path, task: str | None = None) -> Report:
    """Try a user's file; whatever is wrong with it is in the report.

    Args:
        path: the file.
        task: of a file for several tasks; None takes its own default.

    Raises:
        ModelError: there is no such file.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; `kbbench new-model NAME` writes one to begin with")
    try:
        loaded = open_triple(path, task)
    except ModelError as error:
        return Report(problems=(_without(path, error),))
    check = _Check(loaded, triple_problems(loaded.triple, task))
    check.run()
    return check.report()


class _Check:
    """All models of one triple; each problem is said once, wherever a model is used."""

    def __init__(self, loaded: LoadedTriple, problems: list[str]) -> None:
        self.loaded, self.problems = loaded, problems
        self.notes: list[str] = []
        self.found: dict[tuple[int, bool], Found] = {}
        self.link: Link | None = None
        self._wrong: set[int] = set()
        self._tried: dict[int, Tried] = {}
        self.trial = make_trial(loaded.triple)

    def run(self) -> None:
        """Small, large, and the boosted models of each delay."""
        triple = self.loaded.triple
        if callable(triple.small):
            tried = self.try_part("small", triple.small, remote=False)
            self._expect(tried)
        if callable(triple.large):
            self.try_part("large", triple.large, remote=True)
        if not isinstance(triple.boosted, Boosted) and not callable(triple.boosted):
            return  # It was said what it is.
        said: set[str] = set()
        for delay in DELAYS:
            try:
                boosted = self.loaded.boosted_at(delay)
            except ModelError as error:
                text = _without(self.loaded.path, error)
                if text.replace(f"({delay})", "") not in said:
                    self.problems.append(text)
                said.add(text.replace(f"({delay})", ""))
                continue
            before = len(self.problems)
            if isinstance(boosted, Opaque):
                self._opaque(boosted, delay)
            else:
                self._boosted(boosted, delay)
            if len(self.problems) > before:
                return  # The next delay would say the same once more.

    def try_part(self, what: str, model: Any, remote: bool, delivered: Any = None) -> Tried:
        """Try a model; one that was found wrong is not tried in another place."""
        if id(model) in self._wrong:
            return Tried(None, [])
        key = (id(model), delivered is not None)
        tried = try_model(what, model, self.trial, remote, delivered)
        self.problems += tried.problems
        if tried.problems:
            self._wrong.add(id(model))
            self.found.pop(key, None)
        elif tried.outputs is not None and key not in self.found:
            count = parameters(model).value
            self.found[key] = Found(
                part=what,
                parameters=None if count is None else int(count),
                streams=tried.streams,
                sources=tried.outputs[ESTIMATES].shape[1],
            )
        if remote:
            self._tried[id(model)] = tried
        return tried

    def _expect(self, tried: Tried) -> None:
        """Separation is of two talkers or more; the small model says how many."""
        if tried.outputs is not None:
            self.trial = replace(
                self.trial, sources=tried.outputs[ESTIMATES].shape[1], or_more=False
            )

    def _opaque(self, boosted: Opaque, delay: int) -> None:
        if OPAQUE not in self.notes:
            self.notes.append(OPAQUE)
        self.try_part(f"boosted@{delay}", boosted.whole, remote=False)

    def _boosted(self, boosted: Boosted, delay: int) -> None:
        remote = boosted.remote
        name = "large" if remote is self.loaded.triple.large else f"remote of boosted@{delay}"
        heard = self._tried.get(id(remote)) or self.try_part(name, remote, remote=True)
        device = f"device of boosted@{delay}"
        if heard.outputs is None:
            self.notes.append(f"{device} was not tried: {name} gives it no hints")
            return
        if HINTS not in heard.outputs:
            self.problems.append(no_hints(f"{name}, the remote of boosted@{delay},"))
            return
        sent = heard.outputs[HINTS].to(self.trial.hint_dtype)
        dtype = str(sent.dtype).removeprefix("torch.")
        self.link = Link(tuple(sent.shape[2:]), dtype, hint_kbit_per_s(hint_bits(sent)))
        seen = fixed(delay).seen(self.trial.chunks, Stream("check"))
        delivered = deliver(sent.to(torch.float32), seen)
        self.try_part(device, boosted.device, remote=False, delivered=delivered)

    def report(self) -> Report:
        """What there is to say."""
        triple = self.loaded.triple
        return Report(
            name=str(triple.name),
            task=str(triple.task),
            problems=tuple(dict.fromkeys(self.problems)),
            notes=tuple(dict.fromkeys(self.notes)),
            found=tuple(self.found.values()),
            link=self.link,
        )


def _without(path: Path, error: ModelError) -> str:
    """A complaint without the file's name in front."""
    return one_line(error).removeprefix(f"{path}: ")
