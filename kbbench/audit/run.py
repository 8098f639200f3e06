"""The whole audit of a triple: every family of probes on every part, whatever the models do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from kbbench.audit.hints import heard_in_time, later_hints
from kbbench.audit.lookahead import Bench, look_ahead
from kbbench.audit.parts import CONTRACT, Part, contract_finding, make_parts
from kbbench.audit.repeat import repeats, written_inputs
from kbbench.audit.result import Audit, Finding, Item, Longest, LookAhead, Streams
from kbbench.audit.robust import long_inputs, survives
from kbbench.audit.sideroads import side_roads
from kbbench.audit.streaming import streams
from kbbench.audit.subject import Broken, Outputs, Sound, Subject, make_sound, make_subject
from kbbench.errors import InputError, one_line
from kbbench.models.loading import LoadedTriple
from kbbench.pool import Progress
from kbbench.rng import Stream
from kbbench.units import CHUNK, HEADLINE_DELAY, chunk_count, samples

FAMILIES = 6
"""Steps of progress."""
OPAQUE_NOTE = (
    "opaque link, ranked apart: the boosted model is one forward(mixture, delay), so probes of "
    "hints and side roads do not apply: nothing proves that its hints are late"
)
SIDE_ROWS, SIDE_S = 4, 0.6
"""Size of the sound on which side roads are looked for."""


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Args:
        seconds: of most inputs.
        longer_s: of an input of which those are the beginning; as long as mixtures of a dataset,
            since a model can tell by the length that it is scored.
        rows: inputs at once, each at its own level and on its own link.
        rounds: places tried with each future in each row; the first four differ in kind.
        longest_s: of the longest input.
        budget_s: that one model may take for a long input.
    """

    seconds: float = 1.0
    longer_s: float = 5.0
    rows: int = 10
    rounds: int = 4
    longest_s: float = 600.0
    budget_s: float = 6.0


def audit_triple(
    loaded: LoadedTriple,
    delays: Sequence[int] = (HEADLINE_DELAY,),
    effort: Effort | None = None,
    recordings: Tensor | None = None,
    progress: Progress = lambda done, total: None,
) -> Audit:
    """Audit a triple; a broken model gives findings, never an error.

    Run it before anything else runs the triple in this process: the device is compared with
    itself before any remote ran.

    Args:
        loaded: the triple, and the file that it came from.
        delays: chunks; where ``boosted`` is a function, each of its models is audited.
        effort: how much is tried.
        recordings: (N, 2, samples), mixtures of the data that will be scored; they take the place
            of half of the synthetic ones, since a model may know speech from noise.
        progress: told (families done, families in all).
    """
    triple, effort = loaded.triple, effort or Effort()
    items: list[Item] = []
    if triple.oracle:
        items.append(_oracle())
    else:
        try:
            subject = make_subject(loaded, delays)
            items += [OPAQUE_NOTE] if subject.wholes else []
            items += _audit(subject, tuple(delays), effort, recordings, progress)
        except InputError as error:
            items.append(contract_finding("boosted", one_line(error)))
    findings = [item for item in items if isinstance(item, Finding)]
    return Audit(
        triple=triple.name,
        task=triple.task,
        file_sha256=loaded.file_sha256,
        delays=tuple(delays),
        findings=tuple(sorted(findings, key=lambda finding: finding.severity)),
        lookahead=tuple(item for item in items if isinstance(item, LookAhead)),
        streaming=tuple(item for item in items if isinstance(item, Streams)),
        longest=tuple(item for item in items if isinstance(item, Longest)),
        oracle=triple.oracle,
        notes=tuple(item for item in items if isinstance(item, str)),
    )


def _audit(
    subject: Subject,
    delays: tuple[int, ...],
    effort: Effort,
    recordings: Tensor | None,
    progress: Progress,
) -> list[Item]:
    length = chunk_count(samples(effort.seconds)) * CHUNK
    longest = max(length, samples(effort.longer_s))
    longer = make_sound(subject.triple, Stream("audit", "sound"), effort.rows, longest)
    if recordings is not None:
        _play(recordings, longer.mixture)
    sound = longer.until(length)
    progress(0, FAMILIES)
    # First of all: no remote has run yet.
    items = _kept("side road", "boosted", side_roads(subject, delays, SIDE_ROWS, samples(SIDE_S)))
    made = [*make_parts(subject, longer)]
    items += [item for item in made if isinstance(item, Finding)]
    parts = [item for item in made if isinstance(item, Part)]
    models = [part for part in parts if part.single]
    progress(1, FAMILIES)
    for part in models:
        items += _kept("repeatability", part.name, repeats(part, sound))
    findings = [item for item in items if isinstance(item, Finding)]
    unsteady = {item.part for item in findings if item.probe == "repeatability"}
    progress(2, FAMILIES)
    for part in parts:
        items += _look_ahead(part, sound, longer, subject.triple.lookahead, effort.rounds, unsteady)
    progress(3, FAMILIES)
    for part in parts:
        if not unsteady & {model.part for model in part.models}:
            items += _hints(part, sound, subject.triple.lookahead, effort.rounds)
    progress(4, FAMILIES)
    for part in models:
        found = streams(
            part.models[0], sound, part.delivered(sound.chunks), subject.triple.lookahead
        )
        items += _kept("streaming", part.name, found)
    progress(5, FAMILIES)
    for part in models:
        items += _kept("robustness", part.name, survives(part.models[0], sound, part.hints))
        long = long_inputs(subject, delays, part, effort.longest_s, effort.budget_s)
        items += _kept("robustness", part.name, long)
    for model in subject.models:
        items += written_inputs(model)
    progress(FAMILIES, FAMILIES)
    return items


def _play(recordings: Tensor, mixture: Tensor) -> None:
    """Put recordings, each over and over, into every other row."""
    samples = mixture.shape[-1]
    for row, recording in zip(range(0, len(mixture), 2), recordings, strict=False):
        times = -(-samples // recording.shape[-1])
        mixture[row] = recording.repeat(1, times)[:, :samples]


def _look_ahead(
    part: Part, sound: Sound, longer: Sound, declared: int, rounds: int, unsteady: set[str]
) -> list[Item]:
    if unsteady & {model.part for model in part.models}:
        return [
            LookAhead(part=part.name, output=output, samples=None, declared=declared)
            for output in part.outputs
        ]
    rows = range(len(sound.mixture))

    def run(mixture: Tensor) -> Outputs:
        return part.call(Sound(mixture, sound.enrollment), rows)

    bench = Bench(part.name, run, sound.mixture, longer.mixture, declared, part.outputs, rounds)
    return _kept("look-ahead", part.name, look_ahead(bench, Stream("audit", "future", part.name)))


def _hints(part: Part, sound: Sound, declared: int, rounds: int) -> list[Item]:
    """Of a device, and of a device with its remote."""
    if part.boost is None or part.seen is None:
        return []
    stream, seen = Stream("audit", "hints", part.name), part.seen[:, : sound.chunks]
    if not part.single:
        found = heard_in_time(part.boost, sound, seen, rounds, declared, stream)
        return _kept("hints", part.name, found)
    if part.hints is None or not part.hints.numel():
        return []
    return _kept("hints", part.name, later_hints(part.boost, sound, seen, rounds, stream))


def _kept(probe: str, part: str, found: Iterable[Item]) -> list[Item]:
    """All that a probe finds, until it is through or a model breaks."""
    items: list[Item] = []
    try:
        for item in found:
            items.append(item)
    except Broken as error:
        text = f"while it was probed it {error}"
        items.append(Finding(probe=probe, part=error.part, what=text, look_for=CONTRACT))
    except Exception as error:  # An audit reports, whatever a model returns.
        text = f"its outputs cannot be compared: {type(error).__name__}: {one_line(error)}"
        items.append(Finding(probe=probe, part=part, what=text, look_for=CONTRACT))
    return items


def _oracle() -> Finding:
    return Finding(
        probe="oracle",
        part="boosted",
        severity="warning",
        what="its models are given the reference, so there is nothing to audit; it never ranks",
        look_for="a triple that could run live has no reference: leave oracle=True out",
    )
