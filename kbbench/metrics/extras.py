"""Metrics that are asked for: DNSMOS, likeness of voices, words through a user's recognizer."""

from __future__ import annotations

import hashlib
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kbbench.errors import InputError, one_line
from kbbench.metrics.metric import Metric
from kbbench.metrics.prepared import Ear, Reference
from kbbench.metrics.signals import check_full_scale
from kbbench.units import SAMPLE_RATE

Recognize = Callable[[NDArray[np.float32], int], str]
SPEAKER_DBFS = -30.0
"""Level at which voices are compared: that which Resemblyzer was trained at."""


def dnsmos(estimate: Tensor) -> float:
    """DNSMOS P.835, overall quality as a network hears it, 1 to 5; higher is better; no reference.

    Args:
        estimate: (samples,), full scale 1; what is shorter than 9 s is repeated until it is not.

    Raises:
        ValueError: silence, or samples beyond full scale.

    Source: Reddy et al., "DNSMOS P.835", ICASSP 2022, through the package speechmos.
    """
    from speechmos import dnsmos as package

    if not estimate.any():
        raise ValueError("estimate is silent")
    check_full_scale(estimate)
    return float(package.run(estimate.double().numpy(), SAMPLE_RATE)["ovrl_mos"])


def speaker_similarity(estimate: Tensor, reference: Tensor) -> float:
    """How alike two voices are: the cosine of their d-vectors, 0 to 1; higher is better.

    Args:
        estimate: (samples,); its level does not matter.
        reference: the same.

    Raises:
        ValueError: one of them is silent.

    Source: Wan et al., "Generalized end-to-end loss for speaker verification", ICASSP 2018, through
    the package Resemblyzer, which carries the weights.
    """
    return float(_voice(estimate, "estimate") @ _voice(reference, "reference"))


def _voice(signal: Tensor, what: str) -> NDArray[np.float32]:
    """The d-vector of a signal, (256,), of length 1."""
    if not signal.any():
        raise ValueError(f"{what} is silent")
    level = signal.double().square().mean().sqrt()
    levelled = (signal.double() / level * 10 ** (SPEAKER_DBFS / 20)).float()
    vector: NDArray[np.float32] = _voice_encoder().embed_utterance(levelled.numpy())
    return vector


@lru_cache(maxsize=1)
def _voice_encoder() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Its imports are of an older SciPy and setuptools.
        from resemblyzer import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False)


def word_error_rate(heard: str, said: str) -> float:
    """Words put in, left out or changed, over the words that were said; lower is better.

    Letters' case does not matter.

    Raises:
        ValueError: no word was said.

    >>> word_error_rate("the cat sat down", "The cat sat")
    0.3333333333333333
    """
    words, others = said.lower().split(), heard.lower().split()
    if not words:
        raise ValueError("the recognizer hears no word in the reference")
    row = list(range(len(others) + 1))
    for number, word in enumerate(words, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(others, 1):
            best = min(before + (word != other), row[place] + 1, row[place - 1] + 1)
            before, row[place] = row[place], best
    return row[-1] / len(words)


@lru_cache(maxsize=4)
def load_recognizer(path: Path) -> Recognize:
    """The function ``recognize(samples, sample_rate) -> str`` of a user's file.

    Raises:
        InputError: no such file, it raised, or it defines no such function.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected one that defines recognize()")
    spec = importlib.util.spec_from_file_location("kbbench_user_recognizer", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: not a Python file; expected one that defines recognize()")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{path}: {type(error).__name__}: {one_line(error)}") from error
    recognize = getattr(module, "recognize", None)
    if not callable(recognize):
        raise InputError(f"{path}: no function recognize(samples, sample_rate)")
    return recognize  # type: ignore[no-any-return]


_said: WeakKeyDictionary[Reference, str] = WeakKeyDictionary()
"""What the recognizer hears in references that are in use: each is transcribed once."""


_heard: WeakKeyDictionary[Reference, NDArray[np.float32]] = WeakKeyDictionary()
"""Voices of references that are in use: each is heard once."""


def _similarity(ear: Ear) -> float:
    if ear.reference not in _heard:
        _heard[ear.reference] = _voice(ear.reference.signal, "reference")
    return float(_voice(ear.estimate, "estimate") @ _heard[ear.reference])


def _wer(ear: Ear, path: Path) -> float:
    recognize = load_recognizer(path)
    if ear.reference not in _said:
        _said[ear.reference] = _words(recognize, ear.reference.signal)
    return word_error_rate(_words(recognize, ear.estimate), _said[ear.reference])


def _words(recognize: Recognize, signal: Tensor) -> str:
    text = recognize(signal.float().numpy().copy(), SAMPLE_RATE)
    if not isinstance(text, str):
        raise ValueError(f"recognize() returned {type(text).__name__}, expected str")
    return text


def _unasked(ear: Ear) -> float:
    raise ValueError("no recognizer was given")


DNSMOS = Metric("dnsmos", "DNSMOS", "MOS", ear=lambda ear: dnsmos(ear.estimate))
WER = Metric("wer", "WER", "", ear=_unasked, better="lower")
SPEAKER = Metric("speaker_similarity", "speaker similarity", "", ear=_similarity)
OPTIONAL = {"dnsmos": DNSMOS, "speaker_similarity": SPEAKER}
"""What ``--metric`` takes."""
PACKAGES = {
    "dnsmos": ("metrics", ("speechmos", "onnxruntime", "librosa")),
    "speaker_similarity": ("speaker", ("resemblyzer", "webrtcvad", "librosa")),
}
"""The extra that each of them needs, and the packages that its scores depend on."""


@dataclass(frozen=True)
class Extras:
    """What is scored beside the suite.

    Args:
        names: keys of ``OPTIONAL``.
        recognizer: a file that defines ``recognize``; asks for the word error rate.
    """

    names: tuple[str, ...] = ()
    recognizer: Path | None = None

    def check(self) -> None:
        """All that is asked for is there.

        Raises:
            InputError: it is not.
        """
        for name in self.names:
            extra, packages = PACKAGES[name]
            for package in packages:
                try:
                    version(package)
                except PackageNotFoundError as error:
                    raise InputError(
                        f"--metric {name}: needs the package {package}; "
                        f"pip install kbbench[{extra}]"
                    ) from error
        if self.recognizer is not None:
            load_recognizer(self.recognizer)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides their scores; empty where none is asked for."""
        found: dict[str, Any] = {}
        if self.names:
            found["metrics"] = sorted(self.names)
            needed = sorted({package for name in self.names for package in PACKAGES[name][1]})
            found["versions"] = {package: version(package) for package in needed}
        if self.recognizer is not None:
            found["recognizer_sha256"] = hashlib.sha256(self.recognizer.read_bytes()).hexdigest()
        return found

    @property
    def metrics(self) -> dict[str, Metric]:
        """By name, ready to score."""
        found = {name: OPTIONAL[name] for name in sorted(self.names)}
        if (path := self.recognizer) is not None:
            found["wer"] = replace(WER, ear=lambda ear: _wer(ear, path))
        return found
