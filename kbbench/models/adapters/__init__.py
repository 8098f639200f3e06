"""Models that were not written for kbbench, turned into what the contract asks for."""

from kbbench.models.adapters.exported import exported
from kbbench.models.adapters.joint import joint
from kbbench.models.adapters.onnx import onnx
from kbbench.models.adapters.plain import plain
from kbbench.models.adapters.steps import steps
from kbbench.models.adapters.torchscript import torchscript
from kbbench.models.adapters.weights import load_weights

__all__ = ["exported", "joint", "load_weights", "onnx", "plain", "steps", "torchscript"]
