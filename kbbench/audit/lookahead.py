"""Look-ahead, measured: another future must not change what is written before it is heard.

Chunk c of an output may depend on samples before 128 (c + 1) + look-ahead. The sound is changed
from sample n on; what changes in a chunk that ended more than the look-ahead before n is a leak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kbbench.audit.compare import OTHER_SHAPE, SAME_SHAPE, by_chunk, first_chunk, first_sample
from kbbench.audit.result import Finding, LookAhead
from kbbench.audit.signals import FUTURES, NAN, with_future
from kbbench.audit.subject import ESTIMATES, Broken, Outputs
from kbbench.rng import Stream
from kbbench.units import CHUNK

LOOK_FOR = (
    "look for normalization or a maximum over the whole utterance, a bidirectional layer, a "
    "centred STFT, reflect or symmetric padding, batch norm in train mode, a shift by one chunk"
)
ODD = 37
"""Samples that make a length no multiple of a chunk."""
MEASURED_WITH = "noise of 0.1"
"""The future that look-ahead is measured with, where nothing leaks."""


@dataclass(frozen=True)
class Leak:
    """A future that reached the past.

    Args:
        kind: which future.
        output: estimates or hints.
        row: of the batch.
        start: first changed sample of the input.
        chunk: first changed chunk of the output.
        reach: samples of look-ahead that this proves.
        difference: largest share of the peak, up to the last chunk that may not change.
        sample: first changed sample of the output; None for hints.
    """

    kind: str
    output: str
    row: int
    start: int
    chunk: int
    reach: int
    difference: float
    sample: int | None


@dataclass(frozen=True)
class Bench:
    """What a part's look-ahead is measured on.

    Args:
        part: its name.
        run: from mixture to outputs.
        mixture: (B, C, T).
        longer: (B, C, more than T), which begins with it.
        declared: samples of look-ahead that are allowed.
        outputs: those that are looked at.
        rounds: how many places are tried with each future and row.
        inexact: outputs whose past was seen to change at all, be it by rounding; the last sample
            that the others depend on is told by equality, however little it matters.
    """

    part: str
    run: Callable[[Tensor], Outputs]
    mixture: Tensor
    longer: Tensor
    declared: int
    outputs: tuple[str, ...]
    rounds: int
    inexact: set[str] = field(default_factory=set)


def look_ahead(bench: Bench, stream: Stream) -> Iterator[LookAhead | Finding]:
    """Measure, and say what exceeds the declared look-ahead."""
    plain = bench.run(bench.mixture)
    outputs = [name for name in bench.outputs if name in plain]
    leaks = [*_futures(bench, plain, stream), *_ends(bench, plain)]
    for output in outputs:
        mine = [leak for leak in leaks if leak.output == output]
        finite = [leak for leak in mine if leak.kind != NAN]
        samples, to_the_end = _measure(bench, plain, output, finite, stream)
        yield LookAhead(
            part=bench.part,
            output=output,
            samples=samples,
            declared=bench.declared,
            to_the_end=to_the_end,
        )
        if finite:
            yield _failure(bench, finite, samples, to_the_end)
        elif mine:
            yield _warning(bench, mine)


def _futures(bench: Bench, plain: Outputs, stream: Stream) -> Iterator[Leak]:
    for kind in FUTURES:
        for turn in range(bench.rounds):
            starts = _starts(bench, turn, stream)
            try:
                other = bench.run(with_future(kind, bench.mixture, starts, stream))
            except Broken:
                if kind == NAN:  # A model may refuse NaN: that tells it nothing of the future.
                    break
                raise
            for output in bench.outputs:
                if output in plain:
                    yield from _leaks(bench, plain, other, output, kind, starts)


def _starts(bench: Bench, turn: int, stream: Stream) -> Tensor:
    """Where each row's future begins: the earliest that chunk c must not know, or anywhere later.

    The first turns take each row's loudest and quietest chunk, where gates are open and closed.
    """
    rows, _, samples = bench.mixture.shape
    last = (samples - bench.declared) // CHUNK - 2
    power = bench.mixture[..., : (last + 1) * CHUNK].square().mean(1).unfold(-1, CHUNK, CHUNK)
    loudness = power.mean(-1)[:, 1:]
    draws = torch.from_numpy(stream.units(2 * rows)).reshape(2, rows)
    chunk = 1 + (draws[0] * last).long()
    if turn % 4 == 0:
        chunk = 1 + loudness.argmax(1)
    elif turn % 4 == 1:
        chunk = 1 + loudness.argmin(1)
    border = CHUNK * (chunk + 1) + bench.declared
    anywhere = turn % 4 == 3
    return border + (draws[1] * CHUNK).long() if anywhere else border


def _leaks(
    bench: Bench, plain: Outputs, other: Outputs, output: str, kind: str, starts: Tensor
) -> Iterator[Leak]:
    allowed = (starts - bench.declared).div(CHUNK, rounding_mode="floor")
    difference = by_chunk(plain[output], other[output], output, before=int(allowed.max()))
    first = first_chunk(difference, SAME_SHAPE)
    if kind != NAN and (first_chunk(difference, 0.0) < allowed).any():
        bench.inexact.add(output)
    for row in (first < allowed).nonzero()[:, 0].tolist():
        chunk, start = int(first[row]), int(starts[row])
        sample = None
        if output == ESTIMATES:
            sample = first_sample(plain[output][row], other[output][row], chunk, SAME_SHAPE)
        yield Leak(
            kind=kind,
            output=output,
            row=row,
            start=start,
            chunk=chunk,
            reach=start - CHUNK * (chunk + 1) + 1,
            difference=float(difference[row, : int(allowed[row])].max()),
            sample=sample,
        )


def _ends(bench: Bench, plain: Outputs) -> Iterator[Leak]:
    """Sound that ends early must not change what came before: length is knowledge of the future."""
    samples = bench.mixture.shape[-1]
    for end in (samples // CHUNK // 2 * CHUNK, samples - CHUNK - ODD, samples):
        allowed = (end - bench.declared) // CHUNK
        try:
            short = bench.run(bench.mixture[..., :end])
            longer = plain if end < samples else bench.run(bench.longer)
        except Broken:  # That it cannot take this length, robustness tells.
            continue
        for output in bench.outputs:
            if output not in plain or output not in longer:
                continue
            size = end if output == ESTIMATES else short[output].shape[1]
            whole = longer[output]
            whole = whole[..., :size] if output == ESTIMATES else whole[:, :size]
            difference = by_chunk(whole, short[output], output)[:, :allowed]
            first = first_chunk(difference, OTHER_SHAPE)
            for row in (first < difference.shape[1]).nonzero()[:, 0].tolist():
                chunk = int(first[row])
                sample = None
                if output == ESTIMATES:
                    sample = first_sample(whole[row], short[output][row], chunk, OTHER_SHAPE)
                yield Leak(
                    kind="an earlier end",
                    output=output,
                    row=row,
                    start=end,
                    chunk=chunk,
                    reach=end - CHUNK * (chunk + 1) + 1,
                    difference=float(difference[row].max()),
                    sample=sample,
                )


def _measure(
    bench: Bench, plain: Outputs, output: str, leaks: list[Leak], stream: Stream
) -> tuple[int, bool]:
    """The look-ahead in samples, and whether it reaches the end of the input."""
    rows, _, samples = bench.mixture.shape
    early = (samples - bench.declared) // CHUNK // 2  # Room for a long look-ahead to show.
    chunks = 1 + (torch.from_numpy(stream.units(rows)) * early).long()
    found = _bisect(bench, plain, output, chunks, MEASURED_WITH, stream)
    if not leaks and found[0] > bench.declared and output not in bench.inexact:
        bench.inexact.add(output)  # It was rounding after all.
        found = _bisect(bench, plain, output, chunks, MEASURED_WITH, stream)
    probing = [leak for leak in leaks if leak.kind in FUTURES]
    if probing:
        worst = max(probing, key=lambda leak: leak.reach)
        chunks[worst.row] = worst.chunk
        found = max(found, _bisect(bench, plain, output, chunks, worst.kind, stream))
    reach = max([found[0], *(leak.reach for leak in leaks)])
    return reach, found[1]


def _bisect(
    bench: Bench, plain: Outputs, output: str, chunks: Tensor, kind: str, stream: Stream
) -> tuple[int, bool]:
    """The last sample on which each row's chunk depends, by halving; the furthest of all rows."""
    samples = bench.mixture.shape[-1]
    ends = CHUNK * (chunks + 1)
    low, high = ends - 1, torch.full_like(ends, samples)
    middle = ends + bench.declared
    tolerance = SAME_SHAPE if output in bench.inexact else 0.0
    while bool((high - low > 1).any()):
        other = bench.run(with_future(kind, bench.mixture, middle, stream))
        last = int(chunks.max()) + 1
        difference = by_chunk(plain[output], other[output], output, before=last)
        depends = first_chunk(difference, tolerance) <= chunks
        low, high = torch.where(depends, middle, low), torch.where(depends, high, middle)
        middle = torch.maximum((low + high) // 2, low)
    reach = low - ends + 1
    to_the_end = (low >= samples - CHUNK) & (reach > samples // 3)
    return int(reach.max()), bool(to_the_end.any())


def _failure(bench: Bench, leaks: list[Leak], samples: int, to_the_end: bool) -> Finding:
    first = min(leaks, key=lambda leak: (leak.chunk, -leak.difference))
    reach = "to the end of the input" if to_the_end else f"{samples} samples past the chunk"
    kinds = ", ".join(dict.fromkeys(leak.kind for leak in leaks))
    where = f"chunk {first.chunk}" if first.sample is None else f"sample {first.sample}"
    return Finding(
        probe="look-ahead",
        part=bench.part,
        what=(
            f"{first.output} look ahead {reach}, declared {bench.declared}: changed from sample "
            f"{first.start} on, the input changes them from {where} on, by "
            f"{first.difference:.1e} of their peak (seen with {kinds})"
        ),
        look_for=LOOK_FOR,
        measured=float(samples),
        unit="samples",
        at_sample=first.sample,
        at_chunk=first.chunk,
    )


def _warning(bench: Bench, leaks: list[Leak]) -> Finding:
    first = min(leaks, key=lambda leak: leak.chunk)
    return Finding(
        probe="look-ahead",
        part=bench.part,
        severity="warning",
        what=(
            f"NaN from sample {first.start} on reaches {first.output} in chunk {first.chunk}; no "
            "finite future does"
        ),
        look_for=(
            "masked attention (a weight of 0 times NaN), an FFT over the whole input, and "
            "normalization in place do that in honest models; look for a gate on the future"
        ),
        measured=float(first.reach),
        unit="samples",
        at_sample=first.sample,
        at_chunk=first.chunk,
    )
