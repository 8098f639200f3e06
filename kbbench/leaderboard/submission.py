"""A submission: one JSON file that holds all that a row of the leaderboard rests on.

Text of strangers is checked here, once: what is kept has no control characters, nothing that turns
the direction of writing, no markup-sized lengths. Pages escape it all the same.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator

from kbbench.audit import Audit
from kbbench.cost import Cost
from kbbench.cost.result import UNITS
from kbbench.errors import InputError, one_line
from kbbench.leaderboard.scores import Scores
from kbbench.leaderboard.sound import Sample
from kbbench.leaderboard.strict import parse, read_json
from kbbench.results import Summary
from kbbench.results.figure import Part
from kbbench.results.ranking import UNPROCESSED
from kbbench.scenes.recipe import canonical_json

SUFFIX = ".json"
LONGEST_NAME, LONGEST_LINE, LONGEST_CARD = 60, 200, 20_000
"""Characters."""
LONGEST_TEXT = 2_000
"""Characters of any other text, such as what an audit found."""
UNREAD = re.compile(r"scores\.metrics\.[a-z_0-9]+\.data|samples\.[0-9]+\.signals\.[a-z]+")
"""Texts that are data in base64, checked as such."""
MODELS = (UNPROCESSED, "small", "large")
"""Conditions of every run."""
METRICS = ("si_sdr", "pesq_wb", "stoi", "estoi")
"""Scores of every run."""
NAME_CATEGORIES = ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd")
"""Unicode categories that a name may hold beside ``NAME_SIGNS``: letters, their marks, digits."""
NAME_SIGNS = " -_.,+()/@:"
TEXT_REFUSED = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Control and formatting characters (writing direction among them), and what is not assigned."""


def checked_name(name: str) -> str:
    """A name as it stands in a table.

    Raises:
        ValueError: it is empty, too long, or has a character that is no letter, digit or sign.
    """
    if not 2 <= len(name) <= LONGEST_NAME:
        raise ValueError(f"has {len(name)} characters, expected 2 to {LONGEST_NAME}")
    if name != unicodedata.normalize("NFC", name) or name != name.strip() or "  " in name:
        raise ValueError("has odd spaces or marks; write it plainly (NFC, single spaces)")
    if ".." in name or name[0] in NAME_SIGNS:
        raise ValueError("begins with a sign or holds '..', as paths do")
    for character in name:
        if character not in NAME_SIGNS and unicodedata.category(character) not in NAME_CATEGORIES:
            raise ValueError(
                f"holds {_shown(character)}; expected letters, digits and {NAME_SIGNS.strip()}"
            )
    return name


def checked_line(text: str) -> str:
    """One line of text; a ValueError says why not."""
    if not 3 <= len(text) <= LONGEST_LINE:
        raise ValueError(f"has {len(text)} characters, expected 3 to {LONGEST_LINE}")
    _no_odd_characters(text, "")
    return text


def checked_card(text: str) -> str:
    """Some paragraphs of plain text; a ValueError says why not."""
    if len(text) > LONGEST_CARD:
        raise ValueError(f"has {len(text)} characters, expected at most {LONGEST_CARD}")
    _no_odd_characters(text, "\n\t")
    return text


def checked_url(url: str) -> str:
    """An address that a page may link to; a ValueError says why not."""
    checked_line(url)
    parts = urlsplit(url)
    if parts.scheme != "https" or not re.fullmatch(r"[A-Za-z0-9.-]+\.[A-Za-z]{2,}", parts.netloc):
        raise ValueError("is no plain https address, such as https://example.org/paper")
    if not url.isascii() or set(url) & set(" \"'<>\\^`{|}"):
        raise ValueError("holds characters that an address must escape")
    return url


def _no_odd_characters(text: str, but: str) -> None:
    for character in text:
        if character not in but and unicodedata.category(character) in TEXT_REFUSED:
            raise ValueError(f"holds {_shown(character)}, which no reader sees; leave it out")


def _shown(character: str) -> str:
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'no name').lower()})"


Name = Annotated[str, AfterValidator(checked_name)]
Line = Annotated[str, AfterValidator(checked_line)]
CardText = Annotated[str, AfterValidator(checked_card)]
Url = Annotated[str, AfterValidator(checked_url)]


class Submission(Part):
    """What somebody submits.

    Args:
        format: of the file; files of every format stay readable.
        kind: an entry; or a bound, which has no rank: an oracle, or the mixture as it is.
        name: of the row.
        contact: whom to ask: an address, a page, a handle.
        paper: that describes it.
        code: where it is.
        submitted: on that day.
        card: plain text: what it is, what it was trained on, what to know.
        summary: the run's figures.
        audit: all that the audit measured.
        cost: all that it costs, times included.
        scores: every score of every mixture.
        samples: a few seconds to listen to.
    """

    format: Literal[1] = 1
    kind: Literal["entry", "bound"] = "entry"
    name: Name
    contact: Line
    paper: Url | None = None
    code: Url | None = None
    submitted: datetime.date
    card: CardText = ""
    summary: Summary
    audit: Audit
    cost: Cost
    scores: Scores
    samples: tuple[Sample, ...] = Field(default=(), max_length=4)

    @model_validator(mode="after")
    def _has_what_every_run_has(self) -> Submission:
        """So that nothing that reads it need ask: all figures of a cost, all scores of a suite."""
        for name, model in self.cost.models.items():
            if missing := sorted(set(UNITS) - set(model.figures)):
                raise ValueError(f"cost of {name[:40]} has no {missing[0]}")
        if not {"small", "device", "large"} <= set(self.cost.models):
            raise ValueError("cost is not of small, device and large")
        found = {item.condition: item.figures for item in self.summary.conditions}
        headline = self.summary.headline_condition
        if missing := [name for name in (*MODELS, headline) if name not in found]:
            raise ValueError(f"summary has no condition {missing[0][:40]!r}")
        for name, figures in found.items():
            needed = METRICS if name == UNPROCESSED else (*METRICS, "si_sdr_i")
            if missing := [metric for metric in needed if metric not in figures]:
                raise ValueError(f"summary has no {missing[0]} under {name[:40]!r}")
        return self

    @property
    def slug(self) -> str:
        """Its file's name without suffix, and its page's: name, recipe and the run's hash."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode().lower()
        words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "entry"
        return f"{words[:40]}-{self.summary.data.recipe[:40]}-{self.summary.run_sha256[:8]}"

    @property
    def text(self) -> str:
        """The file's text; the same submission gives the same."""
        return canonical_json(self.model_dump(mode="json")) + "\n"

    @property
    def sha256(self) -> str:
        """Of :attr:`text`, which a reproduction names."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_submission(path: Path) -> Submission:
    """A submission from its file.

    Raises:
        InputError: the file is no submission; one line says where and why.
    """
    return _submission(read_json(path), path)


def parse_submission(data: bytes, path: Path) -> Submission:
    """A submission from the bytes of a file that is called so; raises as that file would."""
    try:
        found = parse(data)
    except ValueError as error:
        raise InputError(f"{path}: {one_line(error)[:200]}") from error
    return _submission(found, path)


def _submission(found: dict[str, Any], path: Path) -> Submission:
    _check_texts(found, path)
    try:
        return Submission.model_validate_json(canonical_json(found))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part)[:40] for part in first["loc"]) or "submission"
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        message = first["msg"].removeprefix("Value error, ")[:200]
        raise InputError(f"{path}: {where}: {message}{more}") from error


def _check_texts(found: Any, path: Path, where: tuple[str, ...] = ()) -> None:
    """Every text and key in a file, whatever it says it is: short, and all of it visible."""
    if isinstance(found, dict):
        for key, value in found.items():
            _check_text(key, path, where, "a key of ")
            _check_texts(value, path, (*where, key))
    elif isinstance(found, list):
        for number, value in enumerate(found):
            _check_texts(value, path, (*where, str(number)))
    elif isinstance(found, str):
        _check_text(found, path, where)


def _check_text(text: str, path: Path, where: tuple[str, ...], what: str = "") -> None:
    if len(text) <= LONGEST_TEXT and text.isascii() and text.isprintable():
        return  # nearly all are
    place = what + (".".join(part[:40] for part in where) or "the file")
    if UNREAD.fullmatch(place):
        return
    try:
        if len(text) > LONGEST_TEXT and place != "card":
            raise ValueError(f"has {len(text)} characters, expected at most {LONGEST_TEXT}")
        _no_odd_characters(text, "\n\t")
    except ValueError as error:
        raise InputError(f"{path}: {place}: {error}") from error
