"""`kbbench leaderboard build`: all or nothing, and never over what somebody else wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kbbench.cli import main
from kbbench.errors import InputError
from kbbench.leaderboard import publish
from kbbench.leaderboard.complete import lacks
from kbbench.leaderboard.publish import build
from kbbench.leaderboard.reproduce import write_reproduction
from kbbench.leaderboard.submission import Submission
from tests.leaderboard.board import bound, one
from tests.leaderboard.pages import Page
from tests.leaderboard.test_site import reproduction

Files = dict[str, bytes]


def run(folder: Path, *more: object) -> Result:
    arguments = ["--submissions", folder / "submissions", "--out", folder]
    arguments += ["--reproductions", folder / "reproductions", *more]
    return CliRunner().invoke(main, ["leaderboard", "build", *map(str, arguments)])


def write(folder: Path, *submissions: Submission) -> None:
    (folder / "submissions").mkdir(parents=True, exist_ok=True)
    for submission in submissions:
        path = folder / "submissions" / f"{submission.slug}.json"
        path.write_text(submission.text, encoding="utf-8")


def files(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def leaderboard(tmp_path: Path) -> Path:
    folder = tmp_path / "leaderboard"
    write(folder, one(0), one(3), bound())
    (folder / "README.md").write_text("the guide")
    (folder / "submissions" / ".gitkeep").write_text("")
    return folder


def test_tables_and_site_come_of_files(leaderboard: Path) -> None:
    result = run(leaderboard)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"3 submissions in 3 tracks: {leaderboard}/site/index.html\n"
    names = {path.name for path in leaderboard.iterdir()}
    tables = {"LEADERBOARD.md", "separation.csv", "target_speech.csv", "enhancement.csv"}
    assert names == {"README.md", "submissions", "site", *tables}
    for name in tables - {"LEADERBOARD.md"}:
        assert (leaderboard / name).read_bytes() == (leaderboard / "site" / name).read_bytes()
    assert one(0).name in (leaderboard / "LEADERBOARD.md").read_text(encoding="utf-8")


def test_the_same_files_give_the_same_bytes(leaderboard: Path) -> None:
    run(leaderboard)
    before = files(leaderboard)
    assert run(leaderboard).exit_code == 0
    assert files(leaderboard) == before


def test_a_reproduction_is_a_badge(leaderboard: Path) -> None:
    again = one(3)
    write_reproduction(reproduction(again.sha256), again, leaderboard / "reproductions")
    assert run(leaderboard).exit_code == 0
    rows = Page(leaderboard / "site" / "index.html").data["rows"]
    assert [row["name"] for row in rows if "reproduced" in row["badges"]] == [again.name]


def test_a_submission_that_is_gone_leaves_nothing_behind(leaderboard: Path) -> None:
    run(leaderboard)
    (leaderboard / "submissions" / f"{one(3).slug}.json").unlink()
    assert run(leaderboard).exit_code == 0
    assert not [name for name in files(leaderboard) if one(3).slug in name]
    assert not list(leaderboard.glob(".*"))


def test_no_submissions_are_an_empty_board(tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "0 submissions in 0 tracks" in result.stdout
    assert "No submissions yet" in Page(tmp_path / "site" / "index.html").text
    assert "No submissions yet" in (tmp_path / "LEADERBOARD.md").read_text()


def complaint(result: Result) -> str:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    return line


def test_all_files_that_cannot_be_read_are_named_in_one_line(leaderboard: Path) -> None:
    assert run(leaderboard).exit_code == 0
    before = files(leaderboard)
    (leaderboard / "submissions" / "nan.json").write_text('{"a": NaN}')
    (leaderboard / "submissions" / "cut.json").write_text(one(1).text[:1000])
    (leaderboard / "submissions" / "link.json").symlink_to("nan.json")
    line = complaint(run(leaderboard))
    for text in ("nan.json: holds NaN", "cut.json: is not JSON", "link.json: is no plain file"):
        assert text in line
    for name in ("nan", "cut", "link"):
        (leaderboard / "submissions" / f"{name}.json").unlink()
    assert files(leaderboard) == before


def test_many_bad_files_are_counted(leaderboard: Path) -> None:
    for number in range(9):
        (leaderboard / "submissions" / f"{number}.json").write_text("[]")
    assert "and 4 more files. `kbbench leaderboard validate`" in complaint(run(leaderboard))
    assert not (leaderboard / "site").exists()


def test_what_does_not_rank_gets_no_row(leaderboard: Path) -> None:
    summary = one(6).summary
    refused = summary.honesty.model_copy(update={"verdict": "refused"})
    summary = summary.model_copy(update={"honesty": refused})
    write(leaderboard, one(6).model_copy(update={"summary": summary}))
    assert "the audit's verdict is 'refused', expected 'honest' for an entry" in complaint(
        run(leaderboard)
    )


def test_a_file_twice_is_one_line(leaderboard: Path) -> None:
    (leaderboard / "submissions" / "copy.json").write_text(one(3).text)
    assert "the same run twice" in complaint(run(leaderboard))


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert "no such folder; expected one with submissions" in complaint(run(tmp_path))


def test_a_reproduction_that_is_none_is_one_line(leaderboard: Path) -> None:
    (leaderboard / "reproductions").mkdir()
    (leaderboard / "reproductions" / "x.json").write_text("{}")
    assert "x.json: no reproduction" in complaint(run(leaderboard))


def somebodys_csv(folder: Path) -> Path:
    (folder / "separation.csv").write_text("my,own,table\n")
    return folder / "separation.csv"


def somebodys_page(folder: Path) -> Path:
    (folder / "LEADERBOARD.md").write_text("# My own\n")
    return folder / "LEADERBOARD.md"


def somebodys_site(folder: Path) -> Path:
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_text("my own")
    return folder / "site" / "index.html"


def a_link_for_a_site(folder: Path) -> Path:
    (folder / "elsewhere").mkdir()
    (folder / "site").symlink_to(folder / "elsewhere")
    return folder / "site"


def a_file_for_a_site(folder: Path) -> Path:
    (folder / "site").write_text("my own")
    return folder / "site"


def a_file_in_our_site(folder: Path) -> Path:
    assert run(folder).exit_code == 0
    (folder / "site" / "CNAME").write_text("leaderboard.example.org")
    return folder / "site" / "CNAME"


def a_linked_folder_in_our_site(folder: Path) -> Path:
    assert run(folder).exit_code == 0
    (folder / "thesis").mkdir()
    (folder / "thesis" / "thesis.txt").write_text("mine")
    (folder / "site" / "thesis").symlink_to(folder / "thesis")
    return folder / "site" / "thesis"


STRANGERS = [
    somebodys_csv,
    somebodys_page,
    somebodys_site,
    a_link_for_a_site,
    a_file_for_a_site,
    a_file_in_our_site,
    a_linked_folder_in_our_site,
]


@pytest.mark.parametrize("make", STRANGERS)
def test_what_no_build_wrote_is_left_alone(make: Callable[[Path], Path], leaderboard: Path) -> None:
    stranger = make(leaderboard)
    write(leaderboard, one(6))
    before = files(leaderboard)
    line = complaint(run(leaderboard))
    assert f"{stranger}: no build wrote it" in line and "move it" in line
    assert files(leaderboard) == before
    stranger.rename(leaderboard / "moved")
    assert run(leaderboard).exit_code == 0


def test_an_empty_folder_is_no_stranger(leaderboard: Path) -> None:
    (leaderboard / "site").mkdir()
    assert run(leaderboard).exit_code == 0


@pytest.mark.parametrize("broken", ["build_site", "_swap", "markdown"])
def test_a_build_that_fails_changes_nothing(
    broken: str, leaderboard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(leaderboard)
    before = files(leaderboard)
    write(leaderboard, one(6))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish, broken, full)
    line = complaint(run(leaderboard))
    assert line == f"error: {leaderboard}: cannot be written (No space left on device)"
    (leaderboard / "submissions" / f"{one(6).slug}.json").unlink()
    assert files(leaderboard) == before
    assert not list(leaderboard.glob(".*"))


def test_the_old_site_is_back_where_the_new_one_cannot_take_its_place(
    leaderboard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(leaderboard)
    before = files(leaderboard / "site")
    rename = Path.rename

    def once(self: Path, target: Path) -> Path:
        if target == leaderboard / "site" and self.name == "site":
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", once)
    write(leaderboard, one(6))
    assert "cannot be written (Permission denied)" in complaint(run(leaderboard))
    assert files(leaderboard / "site") == before


def test_what_a_kill_left_is_cleared_away(leaderboard: Path) -> None:
    left = leaderboard / f"{publish.STAGING}.0badcafe.partial" / "site"
    left.mkdir(parents=True)
    (left / "index.html").write_text("half")
    assert run(leaderboard).exit_code == 0
    assert not list(leaderboard.glob(".*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(leaderboard: Path) -> None:
    leaderboard.chmod(0o500)
    assert "cannot be written" in complaint(run(leaderboard))


def without_a_delay(submission: Submission) -> Submission:
    summary = submission.summary
    conditions = [item for item in summary.conditions if item.condition != "boosted@3"]
    changed = summary.model_copy(update={"conditions": conditions})
    return submission.model_copy(update={"summary": changed})


def with_an_unknown_fact(submission: Submission) -> Submission:
    summary = submission.summary
    groups = tuple(group.model_copy(update={"fact": "moon"}) for group in summary.breakdowns)
    changed = summary.model_copy(update={"breakdowns": groups})
    return submission.model_copy(update={"summary": changed})


def without_a_remote(submission: Submission) -> Submission:
    models = {name: part for name, part in submission.cost.models.items() if name != "remote"}
    cost = submission.cost.model_copy(update={"models": models})
    return submission.model_copy(update={"cost": cost})


def without_a_price_of_the_device(submission: Submission) -> Submission:
    summary = submission.summary
    assert summary.price is not None
    models = {name: part for name, part in summary.price.models.items() if name != "device"}
    price = summary.price.model_copy(update={"models": models})
    changed = summary.model_copy(update={"price": price})
    return submission.model_copy(update={"summary": changed})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_a_delay, "not run under boosted@3"),
        (with_an_unknown_fact, "breakdowns by unknown facts"),
        (without_a_remote, "no cost of remote"),
        (without_a_price_of_the_device, "price of device: no macs_per_chunk"),
    ],
)
def test_a_submission_without_what_pages_show_is_one_line(
    change: Callable[[Submission], Submission], message: str, leaderboard: Path
) -> None:
    assert not [*lacks(one(3))]
    (leaderboard / "submissions" / f"{one(3).slug}.json").write_text(change(one(3)).text)
    line = complaint(run(leaderboard))
    assert f"{one(3).slug}.json: " in line and message in line


def test_it_is_a_function_as_well(leaderboard: Path) -> None:
    built = build(leaderboard / "submissions", leaderboard / "nowhere", leaderboard / "out")
    assert (built.rows, built.tracks) == (3, 3)
    assert json.loads(json.dumps(Page(built.page).data))["rows"]
    with pytest.raises(InputError, match="a file, expected a folder"):
        build(leaderboard / "submissions", leaderboard / "nowhere", leaderboard / "README.md")
