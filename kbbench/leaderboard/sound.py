"""A few seconds of sound in a submission, as MP3, which every browser plays."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Literal

import numpy as np
import soundfile
from pydantic import Field, field_validator

from kbbench.audio import FULL_SCALE, Pcm
from kbbench.interrupts import interrupted_afterwards
from kbbench.results.figure import Part
from kbbench.units import SAMPLE_RATE

Signal = Literal["mixture", "small", "boosted", "large", "reference"]
SIGNALS: tuple[Signal, ...] = ("mixture", "small", "boosted", "large", "reference")
"""In the order in which they are heard."""
MOST_BYTES = 120_000
"""Of one sound: 15 s at 64 kbit/s."""
COMPRESSION = 0.7
"""libsndfile's scale from 0 to 1: about 56 kbit/s here."""
BITRATES_KBIT = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Of layer III by the header's version bits: MPEG-1, and MPEG-2 (ISO/IEC 11172-3, 13818-3)."""
RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000)}


class Sample(Part):
    """What is heard of a mixture.

    Args:
        mixture: its id.
        source: which of its sources.
        signals: MP3 in base64, by what it is.
    """

    mixture: str = Field(pattern=r"^[a-z]{1,20}/[0-9]{5}$")
    source: int = Field(ge=0, le=9)
    signals: dict[Signal, str]

    @field_validator("signals")
    @classmethod
    def _are_sounds(cls, signals: dict[Signal, str]) -> dict[Signal, str]:
        for name, text in signals.items():
            try:
                data = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise ValueError(f"{name} is no base64") from error
            check_mp3(data)
        return signals


def mp3(pcm: Pcm) -> bytes:
    """Sound (channels, samples) as MP3."""
    buffer = io.BytesIO()
    with (
        interrupted_afterwards(),
        soundfile.SoundFile(
            buffer,
            "w",
            SAMPLE_RATE,
            pcm.shape[0],
            format="MP3",
            compression_level=COMPRESSION,
            bitrate_mode="CONSTANT",
        ) as file,
    ):
        file.write(pcm.T.astype(np.float32) / FULL_SCALE)
    return buffer.getvalue()


def check_mp3(data: bytes) -> None:
    """Nothing but MP3 frames, one after the other; no decoder runs.

    Raises:
        ValueError: too long, or something else is in it.
    """
    if not 0 < len(data) <= MOST_BYTES:
        raise ValueError(f"has {len(data)} bytes of sound, expected 1 to {MOST_BYTES}")
    place = 0
    while place < len(data):
        size = _frame_bytes(data[place : place + 4])
        if size is None or place + size > len(data):
            raise ValueError(f"is no plain MP3: byte {place} begins no whole frame")
        place += size


def _frame_bytes(header: bytes) -> int | None:
    """Length of the frame that this header begins; None where it is none of layer III."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = (header[1] >> 3) & 3, (header[1] >> 1) & 3
    rate_index, place = (header[2] >> 2) & 3, header[2] >> 4
    if version not in BITRATES_KBIT or layer != 1 or rate_index == 3 or not 0 < place < 15:
        return None
    bits = 1000 * BITRATES_KBIT[version][place]
    per_frame = 144 if version == 3 else 72
    return per_frame * bits // RATES_HZ[version][rate_index] + ((header[2] >> 1) & 1)
