"""A Ctrl-C is heard, even while a C library calls Python back."""

from __future__ import annotations

import io
import signal
import threading

import numpy as np
import pytest

from kbbench import audio
from kbbench.interrupts import interrupted_afterwards

PCM = np.arange(-400, 400, dtype=np.int16).reshape(2, 400)


class Interrupted(io.BytesIO):
    """A file in memory; Ctrl-C comes whenever it is read or written."""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        signal.raise_signal(signal.SIGINT)
        return super().readinto(buffer)

    def write(self, data: bytes) -> int:  # type: ignore[override]
        signal.raise_signal(signal.SIGINT)
        return super().write(data)


@pytest.mark.parametrize("work", ["read", "write"])
def test_a_sound_in_memory_loses_no_interrupt(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = audio.flac_bytes(PCM)
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(io, "BytesIO", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        audio.decode_pcm(data, "x") if work == "read" else audio.flac_bytes(PCM)
    assert signal.getsignal(signal.SIGINT) is before


def test_it_is_heard_after_the_work_is_done() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupted_afterwards():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")
    assert done


def test_an_error_within_is_not_lost_either() -> None:
    with pytest.raises(KeyboardInterrupt) as heard, interrupted_afterwards():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("broken")
    assert isinstance(heard.value.__context__, ValueError)


def test_threads_read_sounds_too() -> None:
    found = []
    data = audio.flac_bytes(PCM)
    thread = threading.Thread(target=lambda: found.append(audio.decode_pcm(data, "x")))
    thread.start()
    thread.join()
    assert np.array_equal(found[0], PCM)
