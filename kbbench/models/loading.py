"""A user's Python file to a triple, checked, with the hashes that name it."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from kbbench.errors import ModelError, one_line
from kbbench.models.checks import boosted_problems, triple_problems
from kbbench.models.contract import TASKS, Boosted, Opaque, Triple
from kbbench.models.imports import folder_importable, take_local_imports
from kbbench.models.sources import Sources, recorded


@dataclass(frozen=True)
class LoadedTriple:
    """A triple and what it was made from.

    Args:
        path: the user's file.
        triple: what its ``triple()`` returned, every module in evaluation mode.
        file_sha256: of the file.
        imports_sha256: of each module of the user's own that it imported, by name.
        sources: the other files that it was made from; there may be more once a boosted model of
            another delay is asked for.
    """

    path: Path
    triple: Triple
    file_sha256: str
    imports_sha256: dict[str, str]
    sources: Sources = field(default_factory=lambda: Sources(Path.cwd()), compare=False)
    _boosted: dict[int, Boosted | Opaque] = field(default_factory=dict, compare=False, repr=False)

    def weights_sha256(self, delays: Iterable[int]) -> str:
        """Hash of all parameters and buffers of the models used at these delays."""
        digest = hashlib.sha256()
        models = [self.triple.small, self.triple.large]
        for delay in sorted(set(delays)):
            models += self.boosted_at(delay).models
        for model in models:
            if isinstance(model, nn.Module):
                for name, value in sorted(model.state_dict(keep_vars=False).items()):
                    digest.update(f"{name}:{_describe(value)}".encode())
        return digest.hexdigest()

    def files_sha256(self, delays: Iterable[int]) -> dict[str, str]:
        """Hash of every file that the models used at these delays were made from, by name."""
        for delay in delays:
            self.boosted_at(delay)
        return dict(sorted(self.sources.sha256.items()))

    def opaque_link(self, delays: Iterable[int]) -> bool:
        """A boosted model used at these delays moves its hints itself."""
        return any(isinstance(self.boosted_at(delay), Opaque) for delay in delays)

    def boosted_at(self, delay_chunks: int) -> Boosted | Opaque:
        """The boosted model for a delay, in evaluation mode; the same one at every call.

        Raises:
            ModelError: the user's function raised, or returned something else.
        """
        if delay_chunks not in self._boosted:
            with recorded(self.sources):
                self._boosted[delay_chunks] = self._make_boosted(delay_chunks)
        return self._boosted[delay_chunks]

    def _make_boosted(self, delay_chunks: int) -> Boosted | Opaque:
        what = f"{self.path}: boosted({delay_chunks})"
        try:
            boosted = self.triple.boosted_at(delay_chunks)
        except ModelError as error:
            raise ModelError(f"{what}: {one_line(error)}") from error
        except (Exception, SystemExit) as error:
            raise ModelError(f"{what} raised {type(error).__name__}: {one_line(error)}") from error
        if not isinstance(boosted, (Boosted, Opaque)):
            raise ModelError(
                f"{what} returned {type(boosted).__name__}, expected kbbench.models.Boosted"
            )
        if problems := boosted_problems(boosted):
            raise ModelError(f"{what}: {problems[0]}")
        _evaluation_mode(*boosted.models)
        return boosted


def load_triple(path: Path, task: str | None) -> LoadedTriple:
    """Run a user's file and call its ``triple()``, or ``triple(task=...)`` where it takes one.

    Args:
        path: the file.
        task: what it must be for; None takes the file's own task, or its default.

    Raises:
        ModelError: no such file, no ``triple``, it raised, or it is for another task.
    """
    loaded = open_triple(path, task)
    if problems := triple_problems(loaded.triple, task):
        raise ModelError(f"{path}: {problems[0]}")
    return loaded


def open_triple(path: Path, task: str | None) -> LoadedTriple:
    """As :func:`load_triple`, and what ``triple_problems`` may say of it is not asked."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a Python file that defines triple()")
    before = set(sys.modules)
    folder = path.resolve().parent
    sources, data = Sources(folder), path.read_bytes()
    with folder_importable(folder), recorded(sources):
        module = _run(path, data)
        triple = _call(path, module, task)
    imports_sha256 = take_local_imports(path.resolve(), set(sys.modules) - before)
    if not isinstance(triple, Triple):
        raise ModelError(
            f"{path}: triple() returned {type(triple).__name__}, expected kbbench.models.Triple"
        )
    _evaluation_mode(triple.small, triple.large)
    return LoadedTriple(
        path=path,
        triple=triple,
        file_sha256=hashlib.sha256(data).hexdigest(),
        imports_sha256=imports_sha256,
        sources=sources,
    )


def _run(path: Path, data: bytes) -> ModuleType:
    """Run the very bytes that are hashed: Python's own cache goes by whole seconds."""
    name = f"kbbench_user_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path}: not a Python file; expected one that defines triple()")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(compile(data, str(path), "exec", dont_inherit=True), module.__dict__)
    except ModelError as error:
        raise ModelError(f"{path}: {one_line(error)}") from error
    except (Exception, SystemExit) as error:
        raise ModelError(f"{path}: {type(error).__name__}: {one_line(error)}") from error
    return module


def _call(path: Path, module: ModuleType, task: str | None) -> Any:
    function = getattr(module, "triple", None)
    if not callable(function):
        raise ModelError(
            f"{path}: no function triple(); define one that returns kbbench.models.Triple"
        )
    asked = inspect.signature(function).parameters.get("task")
    if task is None and asked is not None and asked.default is asked.empty:
        raise ModelError(f"{path}: triple(task) needs a task, one of {', '.join(TASKS)}")
    try:
        if asked is not None and task is not None:
            return function(task=task)
        return function()
    except ModelError as error:
        raise ModelError(f"{path}: {one_line(error)}") from error
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"{path}: triple() raised {type(error).__name__}: {one_line(error)}"
        ) from error


def _evaluation_mode(*models: Any) -> None:
    for model in models:
        if isinstance(model, nn.Module):
            model.eval()


def _describe(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return repr(value)
    data = value.detach().cpu().contiguous()
    raw = data.flatten().view(torch.uint8).numpy().tobytes() if data.numel() else b""
    return f"{data.dtype}{tuple(data.shape)}{hashlib.sha256(raw).hexdigest()}"
