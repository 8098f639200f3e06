"""The site as files: what is on its pages, that texts stay texts, and that bytes repeat."""

from __future__ import annotations

import datetime
import hashlib
import re
from pathlib import Path

import pytest

from kbbench.leaderboard.columns import COLUMNS
from kbbench.leaderboard.lines import TASKS, lines_of, visible
from kbbench.leaderboard.rank import Board, rank
from kbbench.leaderboard.reproduce import Reproduction
from kbbench.leaderboard.site import build_site
from kbbench.leaderboard.site.build import STATIC
from kbbench.leaderboard.site.pages import POLICY
from kbbench.leaderboard.sound import SIGNALS
from kbbench.report.profile import cost_table
from kbbench.report.rows import breakdown_rows, summary_rows
from kbbench.units import OFFICIAL_DELAYS
from tests.leaderboard.board import board, one
from tests.leaderboard.fake import HARDWARE
from tests.leaderboard.hostile import TEXTS, full, poisoned, with_channel
from tests.leaderboard.pages import Page


def reproduction(sha256: str) -> Reproduction:
    return Reproduction(
        kbbench="0.1.0",
        submission_sha256=sha256,
        date=datetime.date(2026, 11, 20),
        mixtures=("test/00001", "test/00004"),
        scores=800,
        differences={"si_sdr": 0.003},
        tolerances={"si_sdr": 0.05},
        off=0,
        same_model=True,
        on=HARDWARE,
    )


@pytest.fixture(scope="module")
def small() -> Board:
    return board(9)


@pytest.fixture(scope="module")
def site(small: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    first = lines_of(small)[0].sha256
    build_site(small, {first: reproduction(first)}, folder)
    return folder


def pages(folder: Path) -> list[Page]:
    return [Page(path) for path in sorted(folder.rglob("*.html"))]


def test_it_says_which_files_it_wrote(small: Board, tmp_path: Path) -> None:
    names = build_site(small, {}, tmp_path / "site")
    there = {path for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert {(tmp_path / "site" / name) for name in names} == there
    assert sum(name.startswith("submissions/") for name in names) == 10
    assert sum(name.endswith(".mp3") for name in names) == 10 * len(SIGNALS)
    with pytest.raises(FileExistsError, match="not empty"):
        build_site(small, {}, tmp_path / "site")


def test_the_same_board_gives_the_same_bytes(small: Board, site: Path, tmp_path: Path) -> None:
    first = lines_of(small)[0].sha256
    again = rank([row.submission for _, row in reversed(small.rows)])
    for name in build_site(again, {first: reproduction(first)}, tmp_path / "site"):
        assert (tmp_path / "site" / name).read_bytes() == (site / name).read_bytes(), name


def test_every_page_loads_its_own_files_alone(site: Path) -> None:
    for page in pages(site):
        (policy,) = (
            meta["content"]
            for meta in page.named("meta")
            if meta.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy == POLICY and "unsafe" not in policy and "default-src 'none'" in policy
        for address in page.addresses:
            if address.startswith("https://example.org/"):
                continue  # a submission's paper or code: linked, not loaded
            assert not re.match(r"[a-z]+:|//", address), address
            target = page.path.parent / address.partition("#")[0]
            assert address.startswith("#") or target.is_file(), address
        for _, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_the_first_page_has_all_rows_and_figures(small: Board, site: Path) -> None:
    data = Page(site / "index.html").data
    assert [column["key"] for column in data["columns"]] == [column.key for column in COLUMNS]
    lines = {line.page: line for line in lines_of(small)}
    assert {row["page"] for row in data["rows"]} == set(lines)
    for row in data["rows"]:
        line = lines[row["page"]]
        assert (row["name"], row["rank"]) == (line.submission.name, line.row.rank)
        assert row["score"][0] == pytest.approx(line.row.score.value, rel=1e-5)
        for found, value in zip(row["values"], line.values, strict=True):
            assert found == (None if value is None else pytest.approx(value, rel=1e-5))
        assert data["tracks"][row["track"]]["title"] == line.track_title
    text = Page(site / "index.html").text
    assert "10 submissions in" in text
    assert all(f"{task}.csv" in text for task in TASKS)


def test_a_submission_s_page_has_all_of_it(small: Board, site: Path) -> None:
    for number, line in enumerate(lines_of(small)):
        page = Page(site / "submissions" / f"{line.page}.html")
        submission, summary = line.submission, line.submission.summary
        said = [submission.name, submission.contact, "2026-11-27", line.track_title, line.row.rank]
        said += [cell for row in summary_rows(summary) for cell in row]
        said += [cell for row in breakdown_rows(summary) for cell in row]
        said += [cell for row in cost_table(submission.cost).rows for cell in row]
        said += [summary.run_sha256, submission.sha256, summary.data.plan_sha256, "64 samples"]
        said += submission.card.split("\n\n")
        for text in said:
            assert " ".join(text.split()) in page.text, text
        assert len(page.named("audio")) == len(SIGNALS)
        for sound in page.named("audio"):
            assert (page.path.parent / sound["src"]).read_bytes()[:1] == b"\xff"
            assert sound["aria-label"]
        assert page.data["delays"] == list(OFFICIAL_DELAYS)
        links = {link["href"] for link in page.named("a") if "example.org" in link["href"]}
        assert links == {link for link in (submission.paper, submission.code) if link}
        assert all("noopener" in link["rel"] for link in page.named("a") if link.get("rel"))
        again = "2 mixtures were run again" if number == 0 else "Nobody ran it again yet"
        assert again in page.text


def test_recordings_are_credited(site: Path) -> None:
    page = Page(site / "licences.html")
    assert "Allison Smith" in page.text and "mini-separation" in page.text


def test_an_empty_board_is_a_page_that_says_so(tmp_path: Path) -> None:
    build_site(rank([]), {}, tmp_path / "site")
    page = Page(tmp_path / "site" / "index.html")
    assert "No submissions yet" in page.text
    assert not page.named("script")


@pytest.mark.parametrize("text", TEXTS)
def test_texts_stay_texts_wherever_they_stand(text: str, tmp_path: Path) -> None:
    plain, hostile = one(0), with_channel(poisoned(full(one(3)), text), text)
    build_site(rank([plain, hostile]), {}, tmp_path / "site")
    written = {path.name for path in (tmp_path / "site").rglob("*")}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in written)
    shown = " ".join(visible(text).split())
    for page in pages(tmp_path / "site"):
        for script in page.named("script"):
            assert script.get("type") == "application/json" or script["src"].startswith(
                ("static/", "../static/")
            )
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"img", "iframe", "object", "embed", "svg", "math", "base", "textarea"}
        for _, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on")]
        assert not any("hacked" in address or "x.png" in address for address in page.addresses)
        raw = page.path.read_text(encoding="utf-8")
        assert not set(raw) & set("\u202e\u2066\x00\x1b\ufeff")
    name = lines_of(rank([hostile]))[0].page
    page = Page(tmp_path / "site" / "submissions" / f"{name}.html")
    assert page.text.count(shown) > 30
    names = [row["name"] for row in Page(tmp_path / "site" / "index.html").data["rows"]]
    assert visible(text) in names


@pytest.mark.parametrize("slugless", ["../../x", "/etc/passwd", "A" * 80, "", "con\x00", "é"])
def test_a_page_s_name_is_no_path(slugless: str, tmp_path: Path) -> None:
    submission = one(3)
    summary = submission.summary
    data = summary.data.model_copy(update={"recipe": slugless})
    summary = summary.model_copy(update={"data": data, "run_sha256": slugless})
    submission = submission.model_copy(update={"summary": summary})
    names = build_site(rank([submission]), {}, tmp_path / "site")
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", name) for name in names)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_what_is_bundled_is_what_the_list_says() -> None:
    listed = (STATIC / "vendor" / "VERSIONS.md").read_text(encoding="utf-8")
    rows = re.findall(r"`(\S+\.js)` \| `([0-9a-f]{64})`", listed)
    scripts = {path.relative_to(STATIC / "vendor") for path in (STATIC / "vendor").rglob("*.js")}
    assert {Path(name) for name, _ in rows} == scripts
    for name, sha256 in rows:
        path = STATIC / "vendor" / name
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
        assert [other for other in path.parent.iterdir() if other.name.startswith("LICENSE")]
    assert sum(path.stat().st_size for path in STATIC.rglob("*")) < 1_000_000


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb (WCAG 2.2)."""
    digits = colour.lstrip("#")
    wide = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = [int(wide[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(scheme: str) -> None:
    css = (STATIC / "site.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    found = dict(re.findall(r"--([a-z]+): (#[0-9a-f]+)", light if scheme == "light" else dark))
    for ground in ("ground", "raised", "mark"):
        for ink in ("ink", "soft", "accent", "good", "bad"):
            assert contrast(found[ink], found[ground]) >= 4.5, (ink, ground)
    # Edges of controls, and lines of plots on their ground, need 3 (WCAG 2.2, 1.4.11).
    assert contrast(found["edge"], found["ground"]) >= 3
    plots = (STATIC / "plots.js").read_text(encoding="utf-8")
    (palette,) = re.findall(rf"const {scheme.upper()} = \[(.*?)\]", plots)
    for colour in re.findall(r"#[0-9a-f]{6}", palette):
        assert contrast(colour, found["ground"]) >= 3, colour
