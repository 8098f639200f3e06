"""Tables: every figure of the issue, numbers as numbers, and texts that are nothing but texts."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from kbbench.leaderboard.badges import BADGES
from kbbench.leaderboard.columns import COLUMNS
from kbbench.leaderboard.lines import TASKS, Line, lines_of, visible
from kbbench.leaderboard.rank import Board, rank
from kbbench.leaderboard.tables import CSV_HEAD, MARK, csv_tables, escaped, markdown, safe_cell
from tests.leaderboard.board import board, bound, moved, one
from tests.leaderboard.fake import fake
from tests.leaderboard.hostile import TEXTS, full, poisoned


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return lines_of(board(12))


class Cells(HTMLParser):
    """Texts of a page's cells, and all its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.texts: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag in ("td", "th"):
            self.inside = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[-1] += data


def rendered(text: str) -> Cells:
    cells = Cells()
    cells.feed(MarkdownIt("commonmark").enable("table").render(text))
    return cells


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_every_row_with_numbers_as_numbers(lines: list[Line]) -> None:
    tables = csv_tables(lines)
    assert set(tables) == {f"{task}.csv" for task in TASKS}
    found = {row["page"]: row for text in tables.values() for row in rows_of(text)}
    assert len(found) == len(lines) == 13
    for line in lines:
        row = found[line.page]
        assert float(row["score_db"]) == pytest.approx(line.row.score.value, abs=1e-6)
        assert float(row["score_low_db"]) <= float(row["score_db"]) <= float(row["score_high_db"])
        figures = line.submission.summary.condition("boosted@6").figures
        assert float(row["si_sdr_i_48_ms_db"]) == figures["si_sdr_i"].ranked
        assert float(row["pesq_wb"]) == figures["pesq_wb"].ranked
        price = line.submission.summary.price
        assert price is not None
        assert float(row["device_macs_per_chunk"]) == price.macs("device")
        assert row["submission_sha256"] == line.submission.sha256
        if line.track.link == "opaque":
            assert row["hint_kbit_per_s"] == row["remote_macs_per_chunk"] == ""
    assert {row["rank"] for row in found.values()} >= {"1", "bound"}


def test_a_missing_figure_is_empty_in_csv_and_a_dash_elsewhere(lines: list[Line]) -> None:
    (row, *_) = rows_of(csv_tables(lines)["separation.csv"])
    assert row["wrong_talker_rate"] == ""
    assert "| – |" in markdown(lines)


def test_markdown_has_a_table_for_each_track(lines: list[Line]) -> None:
    text = markdown(lines)
    assert text.startswith(MARK)
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert titles == [*dict.fromkeys(escaped(line.track_title) for line in lines), "Badges"]
    cells = rendered(text)
    assert len(cells.texts) == (len(lines) + len(titles) - 1) * (len(COLUMNS) + 4)
    assert "bound" in cells.texts
    for line in lines:
        score = f"{line.row.score.value:.2f} [{line.row.score.low:.2f}, {line.row.score.high:.2f}]"
        row = cells.texts.index(score) - 1
        assert cells.texts[row].startswith(line.submission.name)
        assert cells.texts[row - 1] == line.row.rank


def test_ties_are_shown_as_ties() -> None:
    base = fake(mixtures=12)
    alike = [moved(base, f"Alike {n}", seed=n) for n in range(3)]
    ahead = moved(base, "Ahead", shift_db=5.0, seed=9)
    ranks = [line.row.rank for line in lines_of(rank([*alike, ahead, bound()]))]
    assert ranks == ["1", "2–4", "2–4", "2–4", "bound"]
    assert "| 2–4 | Alike 0" in markdown(lines_of(rank([*alike, ahead])))


def test_badges_say_what_they_rest_on() -> None:
    streams, not_streaming = one(1), one(4)
    found = rank([streams, not_streaming, bound()], frozenset([streams.sha256]))
    badges = {line.submission.name: line.badges for line in lines_of(found)}
    assert badges[streams.name] == ("audited", "streams", "reproduced", "matched")
    assert badges[not_streaming.name] == ("audited", "matched")
    assert badges["Ideal masks"] == ("matched", "oracle", "bound")
    assert one(7).summary.triple.opaque_link
    (opaque,) = lines_of(rank([one(7)]))
    assert "opaque" in opaque.badges and opaque.track.link == "opaque"


def test_an_empty_board_has_heads_and_says_so() -> None:
    assert set(csv_tables([]).values()) == {",".join(CSV_HEAD) + "\n"}
    assert "No submissions yet." in markdown([])


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_texts_are_no_markup_and_no_formula(text: str) -> None:
    lines = lines_of(rank([poisoned(full(one(3)), text)]))
    cells = rendered(markdown(lines))
    allowed = {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "a", "code"}
    assert cells.tags <= allowed | {"ul", "li", "strong"}
    assert all(link.endswith((".csv", "README.md")) for link in cells.links)
    shown = " ".join(visible(text, but="").split())
    assert shown in cells.texts
    for row in rows_of(csv_tables(lines)["separation.csv"]):
        for cell in row.values():
            assert not cell.startswith(("=", "@", "+")), cell
            assert not any(character in cell for character in "\r\n\t\x00\u202e")


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_one_cell_of_plain_text(text: str) -> None:
    cells = rendered(f"| a | b |\n| - | - |\n| {escaped(text)} | end |\n")
    assert cells.tags <= {"table", "thead", "tbody", "tr", "th", "td"}
    assert cells.texts[2:] == [" ".join(visible(text, but="").split()), "end"]


@given(st.text(max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_text_is_one_csv_cell_that_nothing_computes(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.removeprefix("'") == " ".join(visible(text, but="").split()).removeprefix("'")


def test_two_files_of_one_run_are_refused() -> None:
    twice: Board = rank([one(1), one(1).model_copy(update={"contact": "somebody else"})])
    with pytest.raises(ValueError, match="the same run twice"):
        lines_of(twice)


def test_every_badge_and_column_is_explained() -> None:
    assert all(text and meaning for text, meaning in BADGES.values())
    assert len({column.key for column in COLUMNS}) == len(COLUMNS)
    assert len(CSV_HEAD) == len(set(CSV_HEAD))
