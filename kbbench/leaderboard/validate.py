"""Everything that must hold of a submission before it gets a row."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kbbench.errors import InputError
from kbbench.leaderboard.arithmetic import differences
from kbbench.leaderboard.plausible import oddities
from kbbench.leaderboard.submission import SUFFIX, Submission, read_submission
from kbbench.leaderboard.tracks import NEEDED_CONDITIONS, OFFICIAL_DATA, SPLIT
from kbbench.results.price import Price
from kbbench.scenes.recipe import available, load_recipe

KINDS = {"entry": "an entry", "bound": "a bound"}
MOST_TOLD = 20
"""Problems of one check that are told one by one."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: which check found it, and what."""

    check: str
    text: str


@dataclass(frozen=True)
class Checked:
    """A file of submissions, what it holds, and what is wrong with it."""

    path: Path
    submission: Submission | None
    problems: tuple[Problem, ...]


def validate_folder(folder: Path, only: Sequence[Path] = ()) -> list[Checked]:
    """Check the submissions of a folder, each against all others.

    Args:
        folder: of submissions.
        only: those to check; they may lie elsewhere. None checks all.

    Raises:
        InputError: there is no such folder or file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with submissions")
    for path in only:
        if not path.exists():
            raise InputError(f"{path}: no such file; expected a submission")
    known = {path.resolve(): _read(path) for path in sorted(folder.iterdir())}
    mine = {path.resolve(): _read(path) for path in only} if only else known
    everyone = {**known, **mine}
    found = []
    for path, checked in mine.items():
        others = [
            other.submission
            for place, other in everyone.items()
            if place != path and other.submission is not None
        ]
        found.append(_checked(checked, others))
    return found


def _read(path: Path) -> Checked:
    try:
        return Checked(path, read_submission(path), ())
    except InputError as error:
        text = str(error).removeprefix(f"{path}: ")
        return Checked(path, None, (Problem("file", text),))


def _checked(checked: Checked, others: Sequence[Submission]) -> Checked:
    if checked.submission is None:
        return checked
    problems = [*problems_of(checked.submission, others)]
    expected = checked.submission.slug + SUFFIX
    if checked.path.name != expected:
        problems.append(Problem("name", f"the file must be called {expected}"))
    return Checked(checked.path, checked.submission, tuple(problems))


def problems_of(submission: Submission, others: Sequence[Submission] = ()) -> list[Problem]:
    """What is wrong with a submission, all at once; none of it is a matter of taste.

    Args:
        submission: as it was read.
        others: that are on the leaderboard already.
    """
    bounds = [
        other
        for other in others
        if other.summary.triple.oracle
        and other.summary.data.data_sha256 == submission.summary.data.data_sha256
    ]
    checks = {
        "rank": why_unranked(submission),
        "data": _data(submission),
        "parts": _parts(submission),
        "arithmetic": differences(submission.summary, submission.scores),
        "plausibility": oddities(submission, bounds),
        "duplicate": _duplicates(submission, others),
    }
    problems = []
    for check, texts in checks.items():
        told = list(texts)
        problems += [Problem(check, text) for text in told[:MOST_TOLD]]
        if len(told) > MOST_TOLD:
            problems.append(Problem(check, f"and {len(told) - MOST_TOLD} more"))
    return problems


def why_unranked(submission: Submission) -> Iterator[str]:
    """Why a run gets no row, whoever submits it."""
    summary = submission.summary
    allowed = ("honest", "oracle") if submission.kind == "bound" else ("honest",)
    if summary.honesty.verdict not in allowed:
        yield (
            f"the audit's verdict is {summary.honesty.verdict!r}, expected "
            f"{' or '.join(map(repr, allowed))} for {KINDS[submission.kind]}"
        )
    if summary.triple.oracle != (summary.honesty.verdict == "oracle"):
        yield "the triple says one thing of being an oracle, the audit another"
    names = {item.condition for item in summary.conditions}
    if missing := [name for name in NEEDED_CONDITIONS if name not in names]:
        yield f"not run under {', '.join(missing)}; evaluate with --delays 0-6"
    if summary.data.split != SPLIT:
        yield f"scored on the {summary.data.split} split, expected {SPLIT}"
    if summary.price is None:
        yield "its cost was not measured; evaluate it with this version"


def _data(submission: Submission) -> Iterator[str]:
    data = submission.summary.data
    if data.recipe not in available():
        yield f"recipe {data.recipe[:40]!r} is none of kbbench's"
        return
    recipe = load_recipe(data.recipe)
    if data.recipe_version > recipe.version:
        yield f"{data.recipe} version {data.recipe_version}: the newest is {recipe.version}"
    if data.data_sha256 is None:
        yield "the data has no hash"
    known = OFFICIAL_DATA.get((data.recipe, data.recipe_version))
    if known is not None and data.data_sha256 != known:
        yield f"data {str(data.data_sha256)[:16]} is not {data.recipe}'s, {known[:16]}"
    if data.recipe_version == recipe.version:
        if data.recipe_sha256 != recipe.sha256:
            yield f"recipe_sha256 is not that of {data.recipe} version {recipe.version}"
        if data.mixtures != recipe.splits.test:
            yield f"{data.mixtures} mixtures, {data.recipe} has {recipe.splits.test}"
    if submission.summary.triple.task != recipe.task:
        yield f"a triple for {submission.summary.triple.task} on data for {recipe.task}"


def _parts(submission: Submission) -> Iterator[str]:
    """The parts are of one run: what two of them say is the same."""
    summary, scores = submission.summary, submission.scores
    if submission.audit.file_sha256 != summary.triple.file_sha256:
        yield "the audit is of another file than the run"
    if submission.audit.verdict != summary.honesty.verdict:
        yield f"the audit says {submission.audit.verdict}, the summary {summary.honesty.verdict}"
    if submission.audit.task != summary.triple.task:
        yield "the audit is of another task"
    if summary.price is not None and Price.of(submission.cost) != summary.price:
        yield "the cost is not the one in the summary"
    if submission.cost.opaque_link != summary.triple.opaque_link:
        yield "the cost is of another kind of link"
    if (scores.mixtures, scores.split) != (summary.data.mixtures, summary.data.split):
        yield (
            f"scores of {scores.mixtures} {scores.split} mixtures, the summary is of "
            f"{summary.data.mixtures} {summary.data.split}"
        )
    lookahead = summary.honesty.lookahead_samples.values()
    if summary.honesty.verdict == "honest" and any(
        samples is None or samples > summary.triple.lookahead_samples_declared
        for samples in lookahead
    ):
        yield "it looks ahead farther than it declares"


def _duplicates(submission: Submission, others: Sequence[Submission]) -> Iterator[str]:
    mine = submission.summary
    scores = submission.scores.metrics["si_sdr"].data
    for other in others:
        if other.summary.run_sha256 == mine.run_sha256:
            yield f"the run is on the leaderboard already, as {other.name!r}"
        elif other.scores.metrics["si_sdr"].data == scores:
            yield f"its scores are, to the last one, those of {other.name!r}"
        same_data = other.summary.data.data_sha256 == mine.data.data_sha256
        if same_data and _skeleton(other.name) == _skeleton(submission.name):
            yield f"its name reads like that of {other.name!r}; choose another"


def _skeleton(name: str) -> str:
    """What a reader takes a name for: without case, marks, spaces and signs."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in plain if character.isalnum())
