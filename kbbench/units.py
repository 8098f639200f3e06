"""Time: the one contract that everything rests on.

A chunk is 128 samples (8 ms at 16 kHz); chunk k is samples [128 k, 128 (k + 1)).
Integer samples and chunks inside; seconds and milliseconds only at the edges.

Source: Srinivas et al., "Knowledge boosting during low-latency inference", Interspeech 2024
(arXiv 2407.11055): 16 kHz, 8 ms chunks, delays of 0 to 6 chunks.
"""

SAMPLE_RATE = 16_000
"""Samples a second, for every signal in the benchmark."""

CHUNK = 128
"""Samples a chunk: 8 ms."""

LOOKAHEAD = 64
"""Samples a model may look past the end of the chunk that it writes: a 192-sample window."""

OFFICIAL_DELAYS = tuple(range(7))
"""The official sweep, in chunks: 0 to 48 ms."""

HEADLINE_DELAY = 6
"""The delay of the headline figure, in chunks: 48 ms."""

SPEED_OF_SOUND = 343.0
"""Metres a second, dry air at 20 degrees Celsius."""


def samples(seconds: float) -> int:
    """Seconds to the nearest whole number of samples.

    >>> samples(5.0)
    80000
    """
    return round(seconds * SAMPLE_RATE)


def chunk_count(samples: int) -> int:
    """Chunks that a signal of so many samples fills, the last one perhaps in part.

    >>> chunk_count(256), chunk_count(257)
    (2, 3)
    """
    return -(-samples // CHUNK)


def milliseconds(chunks: float) -> float:
    """Chunks to milliseconds.

    >>> milliseconds(6)
    48.0
    """
    return chunks * CHUNK * 1000 / SAMPLE_RATE
