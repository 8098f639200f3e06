"""A triple on two seconds of noise: all that is wrong with it at once, before a long run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kbbench.channel import fixed, off
from kbbench.errors import ModelError
from kbbench.models.checks import label_findings, triple_findings
from kbbench.models.contract import SOURCES
from kbbench.models.loading import LoadedTriple, read_triple
from kbbench.rng import Stream
from kbbench.runner import Batch, Condition, Runner
from kbbench.units import OFFICIAL_DELAYS, samples

SECONDS = 2.0
MIXTURES = 3
"""Two that are estimated, and one that lends its hints, as in every batch of a run."""
CHANNELS = 2
"""Two ears, as in every recipe."""
ENROLLMENT_S = 5.0
RMS = 0.05
"""Of each source, full scale 1: -26 dB, the level of speech in ITU-T P.56 practice."""


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Args:
        path: the user's file.
        findings: all that is wrong, one line each; none where the contract is kept.
        loaded: the triple, where the file gave one.
        delays: in chunks, that it was run at.
        hint_bits_per_chunk: on the link.
    """

    path: Path
    findings: tuple[str, ...]
    loaded: LoadedTriple | None = None
    delays: tuple[int, ...] = ()
    hint_bits_per_chunk: int = 0


def check_model(
    path: Path, task: str | None = None, delays: Sequence[int] = OFFICIAL_DELAYS
) -> Checked:
    """Run small, large and boosted as an evaluation would, with the very same checks.

    Args:
        path: a user's file.
        task: for a file that serves several.
        delays: of the hints, in chunks.
    """
    try:
        loaded = read_triple(path, task)
    except ModelError as error:
        return Checked(path, error.findings)
    blocking = triple_findings(loaded.triple, task)
    findings = [f"{path}: {finding}" for finding in (*blocking, *label_findings(loaded.triple))]
    runner = Runner(loaded)
    if not blocking:
        findings += _run(runner, synthetic(loaded.triple.task), delays)
    told = tuple(_once(findings))
    return Checked(path, told, loaded, tuple(delays), runner.hint_bits_per_chunk)


def synthetic(task: str) -> Batch:
    """Seeded noise for a task, the same at every call: sources (B, S, C, T) and their sum."""

    def draw(what: str, *shape: int) -> Tensor:
        return RMS * torch.from_numpy(Stream("check", what).white(*shape)).to(torch.float32)

    references = draw("sources", MIXTURES, SOURCES[task], CHANNELS, samples(SECONDS))
    noise = draw("noise", MIXTURES, CHANNELS, samples(SECONDS))
    enrolled = task == "target_speech"
    return Batch(
        ids=tuple(f"noise/{number}" for number in range(MIXTURES)),
        mixture=references.sum(1) + noise,
        references=references,
        enrollment=draw("enrollment", MIXTURES, 1, samples(ENROLLMENT_S)) if enrolled else None,
    )


def _run(runner: Runner, batch: Batch, delays: Sequence[int]) -> Iterator[str]:
    """Findings of each model under each condition; one that is wrong stops no other."""
    loaded = runner.loaded
    large = list(_findings(runner, batch, Condition("large", "large")))
    yield from _findings(runner, batch, Condition("small", "small"))
    yield from large
    boosted = [Condition(f"boosted@{delay}", "boosted", fixed(delay)) for delay in delays]
    if loaded.triple.link == "owned":
        boosted.append(Condition("boosted@off", "boosted", off(max(delays))))
    for condition, delay in zip(boosted, (*delays, max(delays)), strict=False):
        try:
            remote = loaded.boosted_at(delay).remote
        except ModelError as error:
            yield from error.findings
            continue
        if large and loaded.triple.link == "owned" and remote is loaded.triple.large:
            yield (
                f"{loaded.path}: device of boosted@{delay} was not run, since the large model that "
                "writes its hints is wrong; check again"
            )
            continue
        yield from _findings(runner, batch, condition)


def _findings(runner: Runner, batch: Batch, condition: Condition) -> Iterator[str]:
    try:
        for _ in runner.run(batch, [condition]):
            pass
    except ModelError as error:
        yield from error.findings


def _once(findings: Sequence[str]) -> Iterator[str]:
    """Findings that differ in numbers alone, such as the delay, are told once and counted."""
    alike: dict[str, list[str]] = {}
    for finding in dict.fromkeys(findings):
        alike.setdefault(re.sub(r"@off|[0-9]+", "", finding), []).append(finding)
    for first, *more in alike.values():
        yield first + (f" (and {len(more)} more like it)" if more else "")
