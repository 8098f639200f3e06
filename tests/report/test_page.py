"""The page: self-contained, escaped, with every figure and player, and quiet in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from kbbench.audio import write_flac
from kbbench.channel import link_statistics, off
from kbbench.report.metrics import metric_columns, metric_rows
from kbbench.report.page import SIGNALS, write_report
from kbbench.report.plots import improvement_svg
from kbbench.report.rows import COLUMNS, link_texts, number, percent, summary_rows
from kbbench.report.terminal import ProgressLine, show_summary
from kbbench.results import Summary
from kbbench.results.summary import ConditionSummary, Figure, Link
from tests.results.facts import DATA, TRIPLE

LICENCES = "CC BY, somebody"
HOSTILE = "<script>alert(1)</script>\"'&"


def figure(value: float | None, unit: str = "dB") -> Figure:
    if value is None:
        return Figure(value=None, unit=unit, planned=4, scored=0, reason="no mixture has a value")
    return Figure(value=value, low=value - 0.5, high=value + 0.5, unit=unit, planned=4, scored=4)


def condition(
    name: str, delay: int | None, gain: float | None, link: Link | None = None
) -> ConditionSummary:
    figures = {key: figure(0.5, "") for key in ("pesq_wb", "stoi", "estoi", "snr")}
    figures["si_sdr"] = figure(gain)
    if name != "mixture":
        figures["si_sdr_i"] = figure(gain)
    return ConditionSummary(condition=name, delay_chunks=delay, figures=figures, link=link)


def summary(name: str = "test triple", boosted: float | None = 4.0) -> Summary:
    return Summary(
        format=1,
        kbbench="0",
        triple=TRIPLE.model_copy(update={"name": name}),
        data=DATA,
        run_sha256="ab" * 32,
        headline_condition="boosted@6",
        conditions=[
            condition("mixture", None, 0.0),
            condition("small", None, 2.0),
            condition("large", None, 6.0),
            condition("boosted@0", 0, 5.5),
            condition("boosted@6", 6, boosted),
            condition("boosted@off", None, 2.0),
            condition("boosted@other-hints", 6, -1.0),
        ],
        gap_closed={"boosted@0": figure(0.875, ""), "boosted@6": figure(0.5, "")},
        confidence_level=0.95,
        bootstrap_resamples=10,
        versions={"kbbench": "0"},
    )


def sounds(folder: Path, sources: int = 1) -> None:
    pcm = (1000 * np.ones((2, 1600))).astype(np.int16)
    (folder / "audio" / "00000").mkdir(parents=True)
    write_flac(folder / "audio/00000/mixture.flac", pcm)
    for name in SIGNALS[1:]:
        for number_ in range(sources):
            write_flac(folder / f"audio/00000/{name}-{number_}.flac", pcm)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    return parser.found


def test_it_has_the_table_the_plot_and_the_players(tmp_path: Path) -> None:
    sounds(tmp_path, sources=2)
    text = write_report(summary(), tmp_path, LICENCES).read_text()
    names = [tag for tag, _ in tags(text)]
    assert names.count("tr") == 2 * (1 + 7)
    assert names.count("audio") == names.count("img") == 2 * len(SIGNALS)
    assert all(attributes.get("alt") for tag, attributes in tags(text) if tag == "img")
    assert names.count("svg") == 1
    assert "50 % [0, 100]" in text
    assert LICENCES in text
    for row in summary_rows(summary()):
        assert all(cell in text for cell in row)
    for row in [metric_columns(summary()), *metric_rows(summary())]:
        assert all(cell in text for cell in row)


def test_every_mean_stands_beside_its_count_and_direction() -> None:
    few = Figure(value=0.25, low=0.1, high=0.5, unit="", planned=4, scored=3)
    base = summary()
    conditions = [
        item.model_copy(
            update={
                "figures": {
                    **item.figures,
                    "itd_error_us": figure(None, "µs"),
                    "wrong_talker": few,
                },
                "clipped": 2,
            }
        )
        for item in base.conditions
    ]
    full = base.model_copy(update={"conditions": conditions})
    assert metric_columns(full) == (
        "condition",
        "SI-SDR dB ↑",
        "SNR dB ↑",
        "PESQ-WB ↑",
        "STOI ↑",
        "ESTOI ↑",
        "ITD error µs ↓",
        "wrong-talker rate ↓",
        "clipped",
    )
    row = dict(zip(metric_columns(full), metric_rows(full)[1], strict=True))
    assert row["SI-SDR dB ↑"] == "2.00 (4/4)"
    assert row["STOI ↑"] == "0.500 (4/4)"
    assert row["ITD error µs ↓"] == "– (0/4)"
    assert row["wrong-talker rate ↓"] == "25 % [10, 50] (3/4)"
    assert row["clipped"] == "2"
    assert "clipped" in metric_columns(base) and metric_rows(base)[0][-1] == "–"


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    sounds(tmp_path)
    text = write_report(summary(), tmp_path, LICENCES).read_text()
    for tag, attributes in tags(text):
        for name in ("src", "href", "xlink:href", "action"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("data:", "#")), (tag, name, value[:40])
        assert tag != "script"
    assert not re.search(r"@import|url\((?!#)", text)


def test_names_are_escaped(tmp_path: Path) -> None:
    text = write_report(summary(HOSTILE), tmp_path, LICENCES).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_the_same_summary_gives_the_same_page(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_report(summary(), tmp_path / name, LICENCES)
    for name in ("report.html", "improvement.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_plot_has_the_figures_where_they_belong() -> None:
    text = improvement_svg(summary())
    for label in ("delay of hints in ms", "SI-SDR improvement in dB", "hints off", "other hints"):
        assert label in text


def test_a_run_without_values_has_a_page(tmp_path: Path) -> None:
    text = write_report(summary(boosted=None), tmp_path, LICENCES).read_text()
    assert "–" in text


def test_a_name_that_looks_like_markup_is_printed_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProgressLine("mixtures through [/red]"):
        show_summary(summary("[/red] [bold]name"))
    said = "[/red] [bold]name (not audited, does not rank) on r version 1"
    assert said in capsys.readouterr().out


def test_a_channel_s_age_and_delivery_are_in_table_and_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "boosted@trace:file=$a_b$.csv"
    found = link_statistics([np.array([-1, 0, 0, 0, 4]), np.array([-1, -1, 2, 3])])
    base = summary()
    item = condition(name, None, 3.5, Link.of(found, 2))
    full = base.model_copy(update={"conditions": [*base.conditions, item]})
    (row,) = (row for row in summary_rows(full) if row[0] == name)
    # Ages 1, 2, 3, 0 and 0, 0 chunks of 8 ms; hints 0 and 4, 2 and 3 of nine.
    assert dict(zip(COLUMNS, row, strict=True))["hint age ms"] == "8.0 (24)"
    assert dict(zip(COLUMNS, row, strict=True))["delivered"] == "44.4 %"
    text = write_report(full, tmp_path, LICENCES).read_text()
    assert name in text and "8.0 (24)" in text
    plot = improvement_svg(full)
    assert "mean age for channels" in plot and "trace:file=$a_b$.csv" in plot
    assert "mean age for channels" not in improvement_svg(base)
    assert plot == improvement_svg(full)
    show_summary(full)
    assert "8.0 (24)" in capsys.readouterr().out


def test_a_summary_from_before_there_were_links_still_loads() -> None:
    content = summary().model_dump()
    for item in content["conditions"]:
        del item["link"]
    assert Summary.model_validate(content) == summary()
    assert link_texts(None) == ("–", "–")
    nothing = Link.of(link_statistics([off().seen_by("a", 9)]), 6)
    assert link_texts(nothing) == ("–", "0 %")
    almost = Link.of(link_statistics([np.maximum(np.arange(10_000) - 1, 0)]), 1)
    assert link_texts(almost)[1] == "99.9 %"


def test_figures_as_text() -> None:
    assert number(figure(-0.0001), 2) == "0.00"
    assert number(figure(1.234), 2, interval=True) == "1.23 [0.73, 1.73]"
    assert number(None, 2) == "–"
    assert percent(figure(0.256)) == "26 % [-24, 76]"


@pytest.mark.slow
def test_a_browser_shows_it_without_a_complaint(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no Chromium here: install the package chromium to run this test")
    sounds(tmp_path)
    page = write_report(summary(HOSTILE), tmp_path, LICENCES)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-sync", "--disable-quic"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<audio") == len(SIGNALS)
    assert "alert(1)" in done.stdout and "<script" not in done.stdout
