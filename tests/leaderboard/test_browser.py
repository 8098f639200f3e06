"""The site in headless Chromium, opened from its files: it does what a reader asks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kbbench.leaderboard.lines import Line, lines_of
from kbbench.leaderboard.rank import rank
from kbbench.leaderboard.site import build_site
from tests.leaderboard import browser
from tests.leaderboard.board import bound, submissions
from tests.leaderboard.hostile import TEXTS, full, poisoned

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROWS = 33
"""More than a page of the table."""
WAIT_S = 20
OPENED = "location.protocol === 'file:' && !document.querySelector('#filters[hidden]')"
"""The page is the one that was asked for, and its scripts have run."""


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return lines_of(rank([*submissions(ROWS), bound()]))


@pytest.fixture(scope="module")
def site(lines: list[Line], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "site"
    build_site(rank([line.submission for line in lines]), {}, folder)
    return folder


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    try:
        driver = browser.start(tmp_path_factory.mktemp("profile"))
    except browser.NoBrowserError as error:
        pytest.skip(str(error))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


Open = Callable[..., Any]


@pytest.fixture
def opened(chromium: Any, site: Path) -> Iterator[Open]:
    """Opens a page, and at the end asks whether anything was complained of."""
    browser.complaints(chromium)

    def go(page: str = "index.html", fragment: str = "", **screen: Any) -> Any:
        browser.look(chromium, **screen)
        chromium.get("about:blank")
        chromium.get((site / page).as_uri() + (f"#{fragment}" if fragment else ""))
        until(chromium, f"document.readyState === 'complete' && {OPENED}")
        return chromium

    yield go
    assert browser.complaints(chromium) == []


def first_submission(lines: list[Line]) -> str:
    return f"submissions/{lines[0].page}.html"


def names(driver: Any) -> list[str]:
    return driver.execute_script(
        "return [...document.querySelectorAll('#board tbody td.name a')].map(a => a.textContent)"
    )


def info(driver: Any) -> str:
    return driver.execute_script("return document.querySelector('.dt-info').textContent")


def choose(driver: Any, name: str, value: str) -> None:
    driver.execute_script(
        "const [control, value] = [document.forms[0].elements[arguments[0]], arguments[1]];"
        "control.value = value; control.dispatchEvent(new Event('input', {bubbles: true}));",
        name,
        value,
    )


def click(driver: Any, selector: str) -> None:
    driver.execute_script("document.querySelector(arguments[0]).click()", selector)


def until(driver: Any, script: str) -> Any:
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(driver, WAIT_S).until(lambda d: d.execute_script(f"return {script}"))


def fragment(driver: Any) -> str:
    return driver.execute_script("return location.hash.slice(1)")


def test_it_shows_the_rows_by_track_and_rank(opened: Open, lines: list[Line]) -> None:
    driver = opened()
    assert names(driver) == [line.submission.name for line in lines[:25]]
    assert info(driver) == f"Rows 1 to 25 of {ROWS + 1}"
    click(driver, ".dt-paging-button.next")
    until(driver, "document.querySelector('.dt-info').textContent.startsWith('Rows 26')")
    assert names(driver) == [line.submission.name for line in lines[25:]]
    assert fragment(driver) == "page=2"


def test_it_sorts_both_ways_with_missing_figures_last(opened: Open, lines: list[Line]) -> None:
    driver = opened()
    choose(driver, "length_", "100")
    for direction in ("desc", "asc"):
        click(driver, "th.score .dt-column-order")
        until(driver, f"location.hash.includes('sort=score_db-{direction}')")
        scores = sorted(lines, key=lambda line: line.row.score.value, reverse=direction == "desc")
        assert names(driver) == [line.submission.name for line in scores]
        order = {"desc": "descending", "asc": "ascending"}[direction]
        assert until(driver, f"document.querySelector('th.score').ariaSort === '{order}'")
    missing = {line.submission.name for line in lines if line.track.link == "opaque"}
    for direction in ("asc", "desc"):
        opened(fragment=f"sort=hint_kbit_per_s-{direction}&length=100")
        assert set(names(driver)[-len(missing) :]) == missing


def test_it_filters_by_each_control_and_all_together(opened: Open, lines: list[Line]) -> None:
    driver = opened(fragment="length=100")
    asked = {
        "task": ("target speech", lambda line: line.track.task == "target_speech"),
        "recipe": ("mini-separation version 2", lambda line: "sep" in line.track.recipe),
        "link": ("opaque", lambda line: line.track.link == "opaque"),
        "budget": ("micro", lambda line: line.track.budget == "micro"),
        "badge": ("streams", lambda line: "streams" in line.badges),
        "q": ("1 NET", lambda line: all(w in line.submission.name.lower() for w in ("1", "net"))),
    }
    for name, (value, fits) in asked.items():
        choose(driver, name, value)
        expected = [line.submission.name for line in lines if fits(line)]
        assert names(driver) == expected and 0 < len(expected) < len(lines), name
        choose(driver, name, "")
    for name in ("task", "budget"):
        choose(driver, name, asked[name][0])
    both = [line for line in lines if asked["task"][1](line) and asked["budget"][1](line)]
    assert names(driver) == [line.submission.name for line in both]
    assert f"(of {ROWS + 1} in all)" in info(driver)
    choose(driver, "q", "nobody is called this")
    assert names(driver) == []
    assert "loosen the filters" in driver.execute_script("return board.textContent")
    click(driver, "#filters [type=reset]")
    assert info(driver) == f"Rows 1 to 25 of {ROWS + 1}"
    assert fragment(driver) == ""


def test_a_link_keeps_the_view(opened: Open, lines: list[Line]) -> None:
    driver = opened()
    choose(driver, "task", "separation")
    choose(driver, "q", "e")
    click(driver, "th.rank .dt-column-order")
    until(driver, "location.hash.includes('sort=rank-asc')")
    for place in (1, 2):
        click(driver, f"#board tbody tr:nth-child({place}) input")
    click(driver, "#filters [value=metrics]")
    kept, shown, said = fragment(driver), names(driver), info(driver)
    chosen = "[...document.querySelectorAll('tr.chosen .name')].map(cell => cell.textContent)"
    before = driver.execute_script(f"return {chosen}")
    assert len(before) == 2
    again = opened(fragment=kept)
    assert (names(again), info(again), fragment(again)) == (shown, said, kept)
    assert again.execute_script(f"return {chosen}") == before
    headings = "[...document.querySelectorAll('#board thead th')].map(cell => cell.textContent)"
    assert not [text for text in again.execute_script(f"return {headings}") if "PESQ" in text]
    values = "['task', 'q', 'budget'].map(name => document.forms[0].elements[name].value)"
    assert again.execute_script(f"return {values}") == ["separation", "e", ""]
    again.execute_script("location.hash = 'link=opaque'")
    until(again, "document.forms[0].elements.link.value === 'opaque'")
    opaque = [line.submission.name for line in lines if line.track.link == "opaque"]
    assert names(again) == opaque
    assert again.execute_script(f"return {chosen}") == []


def test_nonsense_in_the_address_is_passed_over(opened: Open) -> None:
    words = "task=%3Cscript%3E&sort=__proto__-asc&page=-3&length=9e9&rows=a,__proto__&hide=x&q=%ff"
    driver = opened(fragment=words)
    assert info(driver) == "No rows (of 34 in all)"  # nobody's name has a broken letter in it
    choose(driver, "q", "")
    assert fragment(driver) == ""
    assert len(names(driver)) == 25
    opened(fragment="page=999")
    assert fragment(driver) == "page=2"


def test_plots_follow_the_rows_and_say_what_they_show(opened: Open, lines: list[Line]) -> None:
    driver = opened()
    said = "document.querySelector('#{} .said').textContent"
    until(driver, f"{said.format('delay')}.includes('first 8 rows')")
    macs = driver.execute_script(f"return {said.format('macs')}")
    (oracle,) = (line for line in lines if line.row.first is None)
    away = f"{oracle.submission.name}, {oracle.row.score.value:.2f} dB"
    assert macs == f"{ROWS} rows. Far off, and not drawn: {away}."
    opaque = sum(line.track.link == "opaque" for line in lines)
    assert f"{opaque} without such a figure" in driver.execute_script(
        f"return {said.format('hints')}"
    )
    chosen = [lines[3], lines[20]]
    for line in chosen:
        click(driver, f"#board input[value='{line.page}']")
    until(driver, f"{said.format('delay')}.includes('2 of 2 chosen rows')")
    cells = "[...document.querySelectorAll('#delay tbody tr')].map(r => r.cells[0].textContent)"
    assert driver.execute_script(f"return {cells}") == [line.submission.name for line in chosen]
    choose(driver, "task", "enhancement")
    until(driver, f"{said.format('macs')} !== '{macs}'")
    front = driver.execute_script(
        "return [...document.querySelectorAll('#macs tbody tr')]"
        ".map(row => [row.cells[1].textContent, Number(row.cells[3].textContent)])"
    )
    assert {of.split(" ")[0] for of, _ in front} == {"mini-enhancement"}
    owned = [score for of, score in front if "opaque" not in of]
    assert owned == sorted(owned) and len(owned) > 1
    inked = driver.execute_script(
        "return [...document.querySelectorAll('canvas')].map(canvas => { const data = "
        "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; "
        "return data.some(value => value > 0); })"
    )
    assert inked == [True, True, True]


def test_sound_plays(opened: Open, lines: list[Line]) -> None:
    driver = opened(first_submission(lines))
    count = until(driver, "document.querySelectorAll('audio').length")
    assert count == 5
    assert until(driver, "[...document.querySelectorAll('audio')].every(a => a.readyState > 0)")
    durations = "[...document.querySelectorAll('audio')].map(sound => sound.duration)"
    assert all(0.9 < seconds < 1.2 for seconds in driver.execute_script(f"return {durations}"))
    driver.execute_script("document.querySelector('audio').play()")
    assert until(driver, "document.querySelector('audio').currentTime > 0.05")


def test_a_row_leads_to_its_page_and_back(opened: Open, lines: list[Line]) -> None:
    driver = opened()
    click(driver, "#board tbody td.name a")
    assert until(driver, "document.querySelector('h1').textContent") == lines[0].submission.name
    click(driver, "nav a")
    assert until(driver, "document.querySelector('h1').textContent") == "kbbench leaderboard"


PAGES = ("index", "submission", "licences")
SCREENS = [(1280, False), (1280, True), (375, False), (375, True)]


@pytest.mark.parametrize(("width", "dark"), SCREENS)
@pytest.mark.parametrize("page", PAGES)
def test_it_fits_and_everybody_can_use_it(
    page: str, width: int, dark: bool, opened: Open, lines: list[Line]
) -> None:
    path = first_submission(lines) if page == "submission" else f"{page}.html"
    driver = opened(path, width=width, dark=dark)
    root = "document.documentElement"
    shown, seen = driver.execute_script(f"return [{root}.scrollWidth, {root}.clientWidth]")
    assert shown == seen <= width
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(28, 25, 23)" if dark else "rgb(255, 255, 255)")
    assert browser.violations(driver) == []
    if page == "index":  # what is scrolled to is looked at as well
        driver.execute_script("document.querySelector('.dt-layout-table').scrollLeft = 1e5")
        assert browser.violations(driver) == []


@pytest.mark.parametrize("page", ["index", "submission"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    page: str, opened: Open, lines: list[Line]
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    path = first_submission(lines) if page == "submission" else "index.html"
    driver = opened(path, fragment="q=net" if page == "index" else "")
    wanted = driver.execute_script(
        "const all = document.querySelectorAll("
        "'a[href], button, input, select, summary, audio, [tabindex=\"0\"]');"
        "window.left = new Set([...all].filter(one => !one.disabled && one.tabIndex >= 0 "
        "&& one.checkVisibility())); return left.size"
    )
    assert wanted > 10
    for _ in range(wanted + 60):  # a player has several stops within
        ActionChains(driver).send_keys(Keys.TAB).perform()
        shown = driver.execute_script(
            "const at = document.activeElement; left.delete(at);"
            "return at === document.body || getComputedStyle(at).outlineStyle !== 'none' "
            "|| at.tagName === 'AUDIO' ? '' : at.outerHTML"
        )
        assert not shown, shown
        if not driver.execute_script("return left.size"):
            break
    missed = driver.execute_script("return [...left].map(one => one.outerHTML.slice(0, 120))")
    assert missed == []


def test_the_keyboard_sorts_and_skips(opened: Open) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    driver = opened(fragment="task=separation")
    ActionChains(driver).send_keys(Keys.TAB).perform()
    assert driver.execute_script("return document.activeElement.textContent") == "To the content"
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    until(driver, "document.activeElement.id === 'content'")
    assert fragment(driver) == "task=separation"
    button = "document.querySelector('th.name .dt-column-order')"
    assert driver.execute_script(f"return {button}.ariaLabel").startswith("name: sort")
    for key, direction in ((Keys.ENTER, "asc"), (Keys.SPACE, "desc")):
        driver.execute_script(f"{button}.focus()")
        ActionChains(driver).send_keys(key).perform()
        until(driver, f"location.hash.includes('sort=name-{direction}')")
        assert driver.execute_script(f"return document.activeElement === {button}")


def test_hostile_texts_are_shown_and_do_nothing(chromium: Any, tmp_path: Path) -> None:
    rows = [poisoned(full(one), text) for one, text in zip(submissions(10), TEXTS, strict=True)]
    build_site(rank(rows), {}, tmp_path / "site")
    browser.complaints(chromium)
    found = lines_of(rank(rows))
    chromium.get((tmp_path / "site" / "index.html").as_uri())
    assert len(names(chromium)) == len(TEXTS)
    choose(chromium, "q", "<script>")
    assert TEXTS[0] in names(chromium)
    until(chromium, "document.querySelector('#delay .said').textContent")
    assert chromium.execute_script("return window.hacked === undefined")
    for line in found:
        chromium.get((tmp_path / "site" / "submissions" / f"{line.page}.html").as_uri())
        until(chromium, "document.readyState === 'complete'")
        assert chromium.execute_script("return window.hacked === undefined")
        assert chromium.execute_script("return document.images.length") == 0
    assert browser.complaints(chromium) == []
