"""From a finished run to the one file that is submitted."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from kbbench import evaluation
from kbbench.audio import read_pcm
from kbbench.errors import InputError
from kbbench.evaluation.folder import AUDIT, COST, read_audit, read_cost
from kbbench.files import write_asked
from kbbench.leaderboard.scores import Scores
from kbbench.leaderboard.sound import SIGNALS, Sample, mp3
from kbbench.leaderboard.submission import LONGEST_CARD, SUFFIX, Submission, parse_submission
from kbbench.leaderboard.validate import problems_of

SAMPLES = 1
"""Mixtures that are heard: 0.2 MB a file."""


def make_submission(
    run: Path,
    *,
    name: str,
    contact: str,
    paper: str | None = None,
    code: str | None = None,
    card: str = "",
    kind: Literal["entry", "bound"] = "entry",
    today: datetime.date | None = None,
) -> Submission:
    """What a finished run submits.

    Args:
        run: its folder.
        name: of the row.
        contact: whom to ask.
        paper: address of a paper.
        code: address of the code.
        card: plain text: what it is, and what it was trained on.
        kind: an entry, or a bound that has no rank.
        today: the day of submission; None takes today's.

    Raises:
        InputError: no finished run, a text that does not fit, or a run that does not rank; one
            line says all of why.
    """
    finished = evaluation.read(run)
    summary = finished.summary
    audit, cost = read_audit(run), read_cost(run)
    for what, found, file in (("audited", audit, AUDIT), ("measured in cost", cost, COST)):
        if found is None:
            raise InputError(
                f"{run}: it was not {what} (no {file}), so it does not rank; evaluate it in "
                "another folder, without --skip-audit"
            )
    conditions = [item.condition for item in summary.conditions]
    try:
        submission = Submission.model_validate(
            {
                "kind": kind,
                "name": name,
                "contact": contact,
                "paper": paper,
                "code": code,
                "submitted": today or datetime.datetime.now(datetime.UTC).date(),
                "card": card,
                "summary": summary,
                "audit": audit,
                "cost": cost,
                "scores": Scores.of(finished.scores, summary.data.split, conditions),
                "samples": _samples(run / "audio", summary.data.split),
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"--{where}: {first['msg'].removeprefix('Value error, ')}") from error
    if problems := problems_of(submission):
        raise InputError(f"{run}: does not rank: {'; '.join(problem.text for problem in problems)}")
    return submission


def write_submission(submission: Submission, folder: Path) -> Path:
    """Write it under its name into a folder.

    Raises:
        InputError: there is another one of that name, the folder cannot be written, or what was
            written could not be read.
    """
    path = folder / (submission.slug + SUFFIX)
    if path.exists():
        raise InputError(f"{path}: is there already; remove it to submit the run anew")
    text = submission.text
    parse_submission(text.encode(), path)
    write_asked(path, text)
    return path


def read_card(path: Path) -> str:
    """The text of a card.

    Raises:
        InputError: it cannot be read, is no UTF-8 text, or is too long.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST_CARD + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; a card is plain text") from error
    if len(text) > LONGEST_CARD:
        raise InputError(f"{path}: has over {LONGEST_CARD} characters, expected a shorter card")
    return text


def _samples(folder: Path, split: str) -> tuple[Sample, ...]:
    """The first sources of the first mixtures that the run kept sound of."""
    samples = []
    for mixture in sorted(folder.iterdir())[:SAMPLES] if folder.is_dir() else []:
        files = {name: mixture / f"{name}-0.flac" for name in SIGNALS}
        files["mixture"] = mixture / "mixture.flac"
        signals = {
            name: base64.b64encode(mp3(read_pcm(path))).decode("ascii")
            for name, path in files.items()
            if path.is_file()
        }
        samples.append(Sample(mixture=f"{split}/{mixture.name}", source=0, signals=signals))
    return tuple(samples)
