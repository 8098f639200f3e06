"""Files made to do harm: each is refused in one line, quickly, and nothing of it is run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kbbench.errors import InputError
from kbbench.leaderboard import problems_of, read_submission
from kbbench.leaderboard.strict import MOST_BYTES, parse
from kbbench.leaderboard.submission import Submission

Changed = Callable[..., Path]
LIMIT_S = 5.0
"""Far more than any of them takes; a file that unpacks or recurses takes minutes, or the memory."""


def refused(path: Path, message: str) -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match=message) as error:
        read_submission(path)
    assert time.monotonic() - began < LIMIT_S
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    assert str(path) in str(error.value)


def test_an_unchanged_file_is_read(changed: Changed, few: Submission) -> None:
    assert read_submission(changed()).text == few.text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * 1_000_000, "nested deeper than 12"),
        (b'{"a":' * 1_000_000, "nested deeper than 12"),
        (b"{" + b'"a":[[[[[[[[[[[[[]]]]]]]]]]]]]' + b"}", "nested deeper than 12"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b'{"a": 1e308}', "the number 1e308"),
        (b'{"a": 1e999}', "the number 1e999"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number of 5000 digits"),
        (b'{"a": 1, "a": 2}', "a key twice"),
        (b"[]", "not a JSON object"),
        (b"", "not JSON"),
        (b"\x00\x01", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b"#!/bin/sh\nrm -rf ~\n", "not JSON"),
        (b"{}", "Field required"),
        (b'{"format": 2}', "Input should be 1"),
        (b'{"a": "' + b"\\" * 200_001, "not JSON"),
        (b'{"a": "' + b'"\\' * 100_000, "not JSON"),
    ],
)
def test_what_is_no_submission_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    refused(path, message)


def test_a_file_of_100_mb_is_not_even_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    refused(path, f"100000000 bytes, expected at most {MOST_BYTES}")


def test_links_folders_and_pipes_are_no_files(tmp_path: Path, changed: Changed) -> None:
    link, pipe = tmp_path / "link.json", tmp_path / "pipe.json"
    link.symlink_to(changed())
    os.mkfifo(pipe)
    for path in (link, pipe, tmp_path):
        refused(path, "no plain file")
    refused(tmp_path / "missing.json", "no such file")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("<script>alert(1)</script>", "U.003C .less-than sign."),
        ("../../etc/passwd", "paths"),
        ("/etc/passwd", "begins with a sign"),
        ("a\\b", "U.005C"),
        ("best 🚀", "U.1F680 .rocket."),
        ("net\u202egnp", "U.202E .right-to-left override."),
        ("zero\u200bwidth", "U.200B"),
        ("new\nline", "U.000A"),
        ("null\u0000", "U.0000"),
        ("{{ 7*7 }}", "begins with a sign|U.007B"),
        ("x" * 61, "61 characters"),
        ("x", "1 characters"),
        ("  padded", "odd spaces"),
        ("e\u0301clair", "odd spaces or marks"),
        ("=1+1", "U.003D"),
        ('a" onclick="b', "U.0022"),
        (7, "valid string"),
        (None, "valid string"),
    ],
)
def test_hostile_names_are_refused(name: Any, message: str, changed: Changed) -> None:
    refused(changed("name", name), message)


@pytest.mark.parametrize("name", ["TF-GridNet (small), v2.1", "Знание 3", "知识增强", "Größe +6"])
def test_names_of_people_are_fine(name: str, changed: Changed) -> None:
    assert read_submission(changed("name", name)).name == name


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("paper", "javascript:alert(1)", "no plain https"),
        ("paper", "http://example.org", "no plain https"),
        ("paper", "https://user:word@example.org/", "no plain https"),
        ("paper", "https://exämple.org/", "no plain https"),
        ("code", 'https://example.org/"><script>', "must escape"),
        ("code", "data:text/html,<script>", "no plain https"),
        ("contact", "a\u202eb@example.org", "U.202E"),
        ("contact", "x" * 201, "201 characters"),
        ("card", "x" * 20_001, "characters"),
        ("card", "bell \u0007", "U.0007"),
        ("submitted", "yesterday", "date"),
        ("kind", "winner", "entry"),
        ("extra", 1, "Extra inputs"),
        ("summary.triple.name", "a\u2066b", "U.2066"),
        ("summary.triple.name", "x" * 2001, "2001 characters"),
        ("summary.versions", {"kb\u202ebench": "1"}, "U.202E"),
        ("summary.format", "two", "integer"),
        ("audit.notes", ["\u001b[31mred"], "U.001B"),
        ("audit.findings", 5, "valid"),
        ("cost.models.small.figures.parameters.value", "many", "number"),
        ("scores.mixtures", 10_000_000, "less than or equal"),
        ("scores.metrics.si_sdr.data", "AAAA", "deflated"),
        ("scores.metrics.si_sdr.step", 0, "greater than 0"),
        ("samples.0.signals.small", "AAAA", "no plain MP3"),
        ("samples.0.signals.small", "PHNjcmlwdD4=", "no plain MP3"),
        ("samples.0.signals.small", "AAAA" * 60_000, "bytes of sound"),
        ("samples.0.signals", {"<b>": "AAAA"}, "Input should be"),
        ("samples.0.mixture", "../../x", "match pattern"),
    ],
)
def test_hostile_values_are_refused(where: str, value: Any, message: str, changed: Changed) -> None:
    refused(changed(where, value), message)


def test_a_verdict_follows_from_the_findings(changed: Changed) -> None:
    finding = {"probe": "look-ahead", "part": "small", "what": "it did", "look_for": "it"}
    fields = json.loads(changed().read_text())
    assert fields["audit"]["verdict"] == "honest"
    found = read_submission(changed("audit.findings", [finding]))
    assert found.audit.verdict == "refused"


ODD: tuple[Any, ...] = (
    *(None, True, -5, 10**15, 1.5, -1e14, 0, 1e-9, "", "x", "<script>", "\u202e", "🚀"),
    *("../x", "=cmd()", "x" * 3000, "test", "boosted@6", "honest", [], {}, [1], {"a": 1}, [[[[]]]]),
)
"""Values that stand where others belong."""


def places(found: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a file there is something."""
    inner: list[tuple[Any, ...]] = []
    for key, value in found.items() if isinstance(found, dict) else enumerate(found):
        inner.append((*place, key))
        if isinstance(value, (dict, list)):
            inner += places(value, (*place, key))
    return inner


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(number=st.integers(0, 10**6), value=st.none() | st.sampled_from(ODD), again=st.booleans())
def test_any_change_is_refused_or_checked(
    number: int, value: Any, again: bool, few: Submission, tmp_path: Path
) -> None:
    """Whatever stands wherever, it is one line or a list of problems, and no other exception."""
    fields = json.loads(few.text)
    for shift in (0, 7919)[: 1 + again]:
        where = places(fields)[(number + shift) % len(places(fields))]
        place = fields
        for key in where[:-1]:
            place = place[key]
        if value is None:
            del place[where[-1]]
        else:
            place[where[-1]] = value
    path = tmp_path / "x.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    try:
        found = read_submission(path)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert all(problem.text for problem in problems_of(found))


@given(st.binary(max_size=300))
def test_any_bytes_are_an_object_or_a_value_error(data: bytes) -> None:
    try:
        assert isinstance(parse(data), dict)
    except ValueError as error:
        assert str(error)
