"""A user's Python file to a triple, checked, with the hashes that name it."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from kbbench.errors import ModelError, one_line
from kbbench.models.contract import TASKS, Boosted, Triple
from kbbench.units import LOOKAHEAD


@dataclass(frozen=True)
class LoadedTriple:
    """A triple and what it was made from.

    Args:
        path: the user's file.
        triple: what its ``triple()`` returned, every module in evaluation mode.
        file_sha256: of the file.
        imports_sha256: of each module that it imported from its own folder, by name.
    """

    path: Path
    triple: Triple
    file_sha256: str
    imports_sha256: dict[str, str]
    _boosted: dict[int, Boosted] = field(default_factory=dict, compare=False, repr=False)

    def weights_sha256(self, delays: Iterable[int]) -> str:
        """Hash of all parameters and buffers of the models used at these delays."""
        digest = hashlib.sha256()
        models = [self.triple.small, self.triple.large]
        for delay in sorted(set(delays)):
            boosted = self.boosted_at(delay)
            models += [boosted.device, boosted.remote]
        for model in models:
            if isinstance(model, nn.Module):
                for name, value in sorted(model.state_dict(keep_vars=False).items()):
                    digest.update(f"{name}:{_describe(value)}".encode())
        return digest.hexdigest()

    def boosted_at(self, delay_chunks: int) -> Boosted:
        """The boosted model for a delay, in evaluation mode; the same one at every call.

        Raises:
            ModelError: the user's function raised, or returned something else.
        """
        if delay_chunks not in self._boosted:
            self._boosted[delay_chunks] = self._make_boosted(delay_chunks)
        return self._boosted[delay_chunks]

    def _make_boosted(self, delay_chunks: int) -> Boosted:
        try:
            boosted = self.triple.boosted_at(delay_chunks)
        except Exception as error:
            raise ModelError(
                f"{self.path}: boosted({delay_chunks}) raised "
                f"{type(error).__name__}: {one_line(error)}"
            ) from error
        if not isinstance(boosted, Boosted):
            raise ModelError(
                f"{self.path}: boosted({delay_chunks}) returned {type(boosted).__name__}, "
                "expected kbbench.models.Boosted"
            )
        _evaluation_mode(boosted.device, boosted.remote)
        return boosted


def load_triple(path: Path, task: str | None) -> LoadedTriple:
    """Run a user's file and call its ``triple()``, or ``triple(task=...)`` where it takes one.

    Without a task, the triple is what the file makes by itself.

    Raises:
        ModelError: no such file, no ``triple``, it raised, or it is for another task.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected a Python file that defines triple()")
    before = set(sys.modules)
    with _folder_importable(path.resolve().parent):
        module = _run(path)
        triple = _call(path, module, task)
    imports_sha256 = _take_local_imports(path.resolve(), set(sys.modules) - before)
    _check(path, triple, task)
    _evaluation_mode(triple.small, triple.large)
    return LoadedTriple(
        path=path,
        triple=triple,
        file_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        imports_sha256=imports_sha256,
    )


def _run(path: Path) -> ModuleType:
    name = f"kbbench_user_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path}: not a Python file; expected one that defines triple()")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ModelError(f"{path}: {type(error).__name__}: {one_line(error)}") from error
    return module


def _call(path: Path, module: ModuleType, task: str | None) -> Any:
    function = getattr(module, "triple", None)
    if not callable(function):
        raise ModelError(
            f"{path}: no function triple(); define one that returns kbbench.models.Triple"
        )
    try:
        if task is not None and "task" in inspect.signature(function).parameters:
            return function(task=task)
        return function()
    except Exception as error:
        raise ModelError(
            f"{path}: triple() raised {type(error).__name__}: {one_line(error)}"
        ) from error


def _check(path: Path, triple: Any, task: str | None) -> None:
    if not isinstance(triple, Triple):
        raise ModelError(
            f"{path}: triple() returned {type(triple).__name__}, expected kbbench.models.Triple"
        )
    if triple.task not in TASKS:
        raise ModelError(f"{path}: task {triple.task!r}, expected one of {', '.join(TASKS)}")
    if task is not None and triple.task != task:
        raise ModelError(
            f"{path}: a triple for {triple.task}, the data is for {task}; give data of its task"
        )
    if not 0 <= triple.lookahead <= LOOKAHEAD:
        raise ModelError(f"{path}: lookahead {triple.lookahead} samples, expected 0 to {LOOKAHEAD}")
    if not isinstance(triple.hint_dtype, torch.dtype) or triple.hint_dtype.is_complex:
        raise ModelError(
            f"{path}: hint_dtype {triple.hint_dtype}, expected a real torch dtype; "
            "send complex hints as torch.view_as_real"
        )


def _evaluation_mode(*models: Any) -> None:
    for model in models:
        if isinstance(model, nn.Module):
            model.eval()


@contextmanager
def _folder_importable(folder: Path) -> Iterator[None]:
    """The user's file may import its neighbours, as a script may."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _take_local_imports(user_file: Path, names: Iterable[str]) -> dict[str, str]:
    """Hash the user's own modules, and forget them: the next file may have others of these names.

    Installed packages are not the user's own, even where the environment lies in the folder.
    """
    found = {}
    for name in sorted(names):
        file = getattr(sys.modules[name], "__file__", None)
        path = Path(file).resolve() if file else user_file
        own = path.is_relative_to(user_file.parent) and "site-packages" not in path.parts
        if own and path != user_file:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            del sys.modules[name]
    return found


def _describe(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return repr(value)
    data = value.detach().cpu().contiguous()
    raw = data.flatten().view(torch.uint8).numpy().tobytes() if data.numel() else b""
    return f"{data.dtype}{tuple(data.shape)}{hashlib.sha256(raw).hexdigest()}"
