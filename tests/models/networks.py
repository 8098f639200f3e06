"""Tiny networks that are exported in tests: a small one, a hinted device, and a remote."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kbbench.units import CHUNK

HINTS = 3
AUTO = torch.export.Dim.AUTO
AXES = {
    "mixture": {0: AUTO, 2: AUTO},
    "hints": {0: AUTO, 1: AUTO},
    "seen_mask": {0: AUTO, 1: AUTO},
    "age": {0: AUTO, 1: AUTO},
}
"""Axes that may have any size."""


class Half(nn.Module):
    """Half of what it hears."""

    def forward(self, mixture: Tensor) -> Tensor:
        return 0.5 * mixture[:, None]


class Hinted(nn.Module):
    """A gain for each chunk, from the newest hint, whether there is one, and its age."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(HINTS, 1)
        self.chunk = CHUNK  # TorchScript knows no globals

    def forward(self, mixture: Tensor, hints: Tensor, seen_mask: Tensor, age: Tensor) -> Tensor:
        gain = torch.sigmoid(self.linear(hints))[..., 0] / (1 + 0.1 * age)
        gain = torch.where(seen_mask, gain, 0.5 * torch.ones_like(gain))
        return (mixture * gain.repeat_interleave(self.chunk, 1)[:, None, : mixture.shape[-1]])[
            :, None
        ]


class Told(nn.Module):
    """A remote: it takes half, and says how loud each chunk was."""

    def __init__(self) -> None:
        super().__init__()
        self.chunk = CHUNK

    def forward(self, mixture: Tensor) -> tuple[Tensor, Tensor]:
        batch, channels, samples = mixture.shape
        chunks = mixture.reshape(batch, channels, samples // self.chunk, self.chunk)
        level = chunks.abs().mean(dim=(1, 3))[..., None]
        return 0.5 * mixture[:, None], torch.cat([level, level * level, 1 - level], dim=-1)


def example(network: nn.Module) -> dict[str, Tensor]:
    """Inputs of a network by name, ten chunks long."""
    given = {
        "mixture": torch.rand(2, 2, 10 * CHUNK),
        "hints": torch.rand(2, 10, HINTS),
        "seen_mask": torch.arange(20).reshape(2, 10) % 3 > 0,
        "age": torch.arange(20).reshape(2, 10) % 7,
    }
    names = given if isinstance(network, Hinted) else ["mixture"]
    return {name: given[name] for name in names}


def save_script(network: nn.Module, path: Path) -> None:
    """Write TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript will go
        scripted: Any = torch.jit.script(network)
        torch.jit.save(scripted, path)  # type: ignore[no-untyped-call]


def save_exported(network: nn.Module, path: Path) -> None:
    """Write an exported program."""
    given = example(network)
    mixture = given.pop("mixture")
    axes = {name: AXES[name] for name in ("mixture", *given)}
    program = torch.export.export(network, (mixture,), given, dynamic_shapes=axes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    path.write_bytes(buffer.getvalue())


def save_onnx(network: nn.Module, path: Path) -> None:
    """Write ONNX."""
    given = example(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval(),
            (),
            kwargs=given,
            dynamo=True,
            dynamic_shapes={name: AXES[name] for name in given},
            verbose=False,
        )
        assert program is not None
        program.save(str(path))


SAVE: dict[str, tuple[str, Callable[[nn.Module, Path], None]]] = {
    "torchscript": ("ts", save_script),
    "exported": ("pt2", save_exported),
    "onnx": ("onnx", save_onnx),
}
"""Suffix, and what writes it, for each adapter of files."""
