"""A triple's price: MACs, parameters, state, time, link."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kbbench import __version__
from kbbench.cost.calls import Link, subjects
from kbbench.cost.fair import compare, dearest, fair_at, other_delays
from kbbench.cost.hardware import hardware
from kbbench.cost.macs import LENGTHS, count, slopes
from kbbench.cost.noise import CHANNELS, RMS, SEED, noise
from kbbench.cost.parameters import parameters
from kbbench.cost.result import DIGITS, Cost, CostFigure, Matched, Method, ModelCost
from kbbench.cost.streaming import THREADS, WARM_UP_CHUNKS, stream
from kbbench.models.loading import LoadedTriple
from kbbench.pool import Progress
from kbbench.runner import hint_kbit_per_s
from kbbench.units import HEADLINE_DELAY, chunk_count, samples

SECONDS = 10.0
"""Of sound, timed chunk by chunk: 1250 chunks, twelve of them beyond the 99th percentile."""


def profile_triple(
    loaded: LoadedTriple,
    *,
    delay_chunks: int = HEADLINE_DELAY,
    also: Sequence[int] = (),
    seconds: float = SECONDS,
    progress: Progress | None = None,
) -> Cost:
    """Measure what a triple costs, on noise; no dataset is needed.

    Args:
        loaded: the triple.
        delay_chunks: of the hints, and what ``triple.boosted`` is asked for.
        also: further delays whose boosted models must cost the device no more than the small model;
            only that is measured of them.
        seconds: of sound to time the streaming forms on, after a warm-up.
        progress: called with (done, in all).

    Raises:
        ModelError: a model raised, or its output breaks the contract.
        ValueError: less than one chunk to time, or a negative delay.
    """
    chunks = chunk_count(samples(seconds))
    if chunks < 1:
        raise ValueError(f"{seconds} seconds to time, expected at least one chunk of 8 ms")
    parts = subjects(loaded, delay_chunks)
    others = other_delays(loaded, delay_chunks, also)
    total, done = len(parts) * (len(LENGTHS) + 1) + len(others), 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    with torch.inference_mode():
        counted = count(parts, delay_chunks, advance)
        heard = noise(loaded.triple.task, LENGTHS[-1])
        models = {}
        for name, subject in parts.items():
            streamed = stream(subject, heard, counted.link, chunks)
            counted_by = slopes(counted.counters[name], subject.uncounted)
            offline = {**counted_by, "parameters": parameters(subject.model)}
            figures = {**offline, **streamed.figures}
            models[name] = ModelCost(figures=figures, chunks_timed=streamed.chunks_timed)
            advance()
    verdicts = {delay_chunks: compare(models["device"].figures, models["small"].figures)}
    for delay in others:
        verdicts[delay] = fair_at(loaded, delay)
        advance()
    return _cost(loaded, models, counted.link, delay_chunks, dearest(verdicts))


def _cost(
    loaded: LoadedTriple,
    models: dict[str, ModelCost],
    link: Link | None,
    delay_chunks: int,
    matched: Matched,
) -> Cost:
    triple, boosted = loaded.triple, loaded.boosted_at(delay_chunks)
    kbit = None if link is None else round(hint_kbit_per_s(link.bits_per_chunk), DIGITS)
    remote = {} if link is None else {"remote": models.get("remote", models["large"])}
    return Cost(
        kbbench=__version__,
        name=triple.name,
        task=triple.task,
        oracle=triple.oracle,
        opaque_link=link is None,
        models={**models, **remote},
        remote_is_large=link is not None and "remote" not in models,
        deployed_parameters=parameters(*boosted.models),
        hint_kbit_per_s=CostFigure(
            value=kbit, unit="kbit/s", reason="opaque link" if kbit is None else None
        ),
        hint_dtype=str(triple.hint_dtype).removeprefix("torch."),
        matched=matched,
        method=Method(
            delay_chunks=delay_chunks,
            chunks_counted=LENGTHS,
            warm_up_chunks=WARM_UP_CHUNKS,
            threads=THREADS,
            noise_rms=RMS,
            channels=CHANNELS,
            seed=SEED,
        ),
        hardware=hardware(),
    )
