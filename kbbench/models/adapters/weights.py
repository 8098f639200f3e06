"""Weights from a file into a module, without running what a pickle may hold."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from kbbench.errors import ModelError, one_line
from kbbench.models.sources import read_file

Network = TypeVar("Network", bound=nn.Module)

SAFETENSORS = ".safetensors"
SHOWN = 3
"""Names that a complaint lists."""


def load_weights(module: Network, path: str | Path) -> Network:
    """Fill a module from safetensors, or from a ``state_dict`` that ``torch.save`` wrote.

    Args:
        module: every tensor of its ``state_dict`` must be in the file, and no other.
        path: relative to the user's file, or absolute; ``.safetensors``, else a ``state_dict``,
            which is loaded with ``weights_only=True``.

    Returns:
        the module.

    Raises:
        ModelError: no such file, not weights, more than weights, or of another module.
    """
    tensors = _read(path, read_file(path))
    own = module.state_dict()
    problems = {
        "missing": [name for name in own if name not in tensors],
        "unexpected": [name for name in tensors if name not in own],
        "of another shape": [
            f"{name} {tuple(tensors[name].shape)}, expected {tuple(own[name].shape)}"
            for name in own
            if name in tensors and tensors[name].shape != own[name].shape
        ],
    }
    said = [f"{what}: {_some(names)}" for what, names in problems.items() if names]
    if said:
        raise ModelError(
            f"{path}: weights of another module than {type(module).__name__}; {'; '.join(said)}"
        )
    module.load_state_dict(tensors)
    return module


def _read(path: str | Path, data: bytes) -> dict[str, Tensor]:
    try:
        if Path(path).suffix == SAFETENSORS:
            return load_safetensors(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strange pickles; they are refused
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ModelError(f"{path}: no safetensors file ({one_line(error)[:120]})") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: holds more than weights, and is not loaded, since a pickle can run anything; "
            "save module.state_dict(), or safetensors"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: no state_dict ({one_line(error)[:120]})") from error
    return _flat(path, found)


def _flat(path: str | Path, found: Any) -> dict[str, Tensor]:
    if isinstance(found, Mapping) and all(isinstance(value, Tensor) for value in found.values()):
        return dict(found)
    holds = _some(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
    raise ModelError(
        f"{path}: expected a state_dict, names to tensors; it holds {holds}; save the state_dict "
        "alone"
    )


def _some(names: Any) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
