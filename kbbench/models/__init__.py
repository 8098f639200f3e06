"""What a user brings: the contract of a triple, its loading, adapters, and a streaming STFT."""

from kbbench.models.adapters import (
    exported,
    joint,
    load_weights,
    onnx,
    plain,
    steps,
    torchscript,
)
from kbbench.models.contract import Boosted, Device, Opaque, Remote, Triple
from kbbench.models.export import export_step
from kbbench.models.stft import ChunkSTFT

__all__ = [
    "Boosted",
    "ChunkSTFT",
    "Device",
    "Opaque",
    "Remote",
    "Triple",
    "export_step",
    "exported",
    "joint",
    "load_weights",
    "onnx",
    "plain",
    "steps",
    "torchscript",
]
