"""A summary as rows of text, the same in the terminal and on the page."""

from __future__ import annotations

from math import floor

from kbbench.report.quantity import quantity
from kbbench.results import Summary
from kbbench.results.breakdown import FACTS
from kbbench.results.confidence import Interval
from kbbench.results.figure import Figure
from kbbench.results.summary import Link
from kbbench.units import milliseconds

COLUMNS = (
    "condition",
    "hint delay",
    "hint age ms",
    "delivered",
    "SI-SDRi dB",
    "gap closed",
    "SI-SDR dB",
    "PESQ-WB",
    "STOI",
    "ESTOI",
    "scored",
)
"""Columns of the table."""
MEANINGS = {
    "mixture": "unprocessed",
    "small": "on the device alone",
    "large": "remote alone, no delay",
    "boosted@0": "ideal link",
    "boosted@live": "two processes, a real link",
    "boosted@off": "no hint arrives",
    "boosted@other-hints": "hints of another mixture",
}
"""What the conditions are, where the name does not say."""
UNHEARD_DB = 1.0
"""Estimates of the right sign and level have no less SNR than SI-SDR; so much less is told."""


def title(summary: Summary) -> str:
    """One line: what was run on what."""
    data = summary.data
    mark = f" ({summary.mark})" if summary.mark else ""
    kbit = summary.triple.hint_kbit_per_s
    hints = "hints inside the model" if kbit is None else f"hints {kbit:g} kbit/s"
    return (
        f"{summary.triple.name}{mark} on {data.recipe} version {data.recipe_version}, "
        f"{data.mixtures} {data.split} mixtures, {hints}"
    )


def price_text(summary: Summary) -> str:
    """One line: what the device and the remote compute a chunk; empty where it was not measured."""
    price = summary.price
    if price is None:
        return ""
    parts = []
    for name, label in (("small", "small"), ("device", "boosted device"), ("remote", "remote")):
        if name not in price.models:
            continue  # The link is opaque: the device is all of the boosted model.
        figures = (price.macs(name), price.models[name]["parameters"].value)
        macs, parameters = ("unknown" if value is None else quantity(value) for value in figures)
        parts.append(f"{label} {macs} MACs a chunk, {parameters} parameters")
    return f"cost: {'; '.join(parts)}"


def level_text(summary: Summary) -> str:
    """One line: whose estimates have another sign or level than the references; else empty.

    SI-SDR, which ranks, hears neither.
    """
    wrong = []
    for item in summary.conditions:
        heard, whole = (item.figures[name].value for name in ("si_sdr", "snr"))
        if heard is not None and whole is not None and heard - whole >= UNHEARD_DB:
            wrong.append(f"{item.condition} by {_plain(heard - whole, 1)} dB")
    if not wrong:
        return ""
    return (
        f"sign or level: SNR is below SI-SDR for {', '.join(wrong)}; an estimate, or an ear of it, "
        "is upside down or at another level than its reference, which SI-SDR does not hear"
    )


def summary_rows(summary: Summary) -> list[tuple[str, ...]]:
    """One row a condition, in the order of ``COLUMNS``."""
    rows: list[tuple[str, ...]] = []
    for item in summary.conditions:
        figures = item.figures
        names = ("si_sdr", "pesq_wb", "stoi", "estoi")
        scored = min(figures[name].scored for name in names)
        gap = summary.gap_closed.get(item.condition)
        rows.append(
            (
                item.condition,
                delay_text(item.condition, item.delay_chunks),
                *link_texts(item.link),
                number(figures.get("si_sdr_i"), 2, interval=True),
                percent(gap),
                number(figures["si_sdr"], 2),
                number(figures["pesq_wb"], 2),
                number(figures["stoi"], 3),
                number(figures["estoi"], 3),
                f"{scored}/{figures['si_sdr'].planned}",
            )
        )
    return rows


def breakdown_rows(summary: Summary) -> list[tuple[str, ...]]:
    """One row a group of mixtures: fact, group, mixtures, and SI-SDRi under each condition."""
    rows = []
    for item in summary.breakdowns:
        figures = (number(figure, 2, interval=True) for figure in item.figures.values())
        rows.append((FACTS[item.fact], item.group, str(item.mixtures), *figures))
    return rows


def breakdown_columns(summary: Summary) -> tuple[str, ...]:
    """Columns of :func:`breakdown_rows`."""
    conditions = summary.breakdowns[0].figures if summary.breakdowns else {}
    return ("mixtures by", "group", "mixtures", *(f"{name}, SI-SDRi dB" for name in conditions))


def delay_text(condition: str, delay_chunks: int | None) -> str:
    """A delay in milliseconds, or what the condition is."""
    meaning = MEANINGS.get(condition)
    if delay_chunks is None:
        return meaning or ""
    delay = f"{milliseconds(delay_chunks):g} ms"
    return f"{delay}, {meaning}" if meaning else delay


def link_texts(link: Link | None) -> tuple[str, str]:
    """Age of hints with its 95th percentile, and the share delivered; dashes where there is none.

    The share is rounded down: 100 % says that none was lost.
    """
    if link is None:
        return "–", "–"
    age = "–"
    if link.age_mean_ms is not None and link.age_p95_ms is not None:
        age = f"{_plain(link.age_mean_ms, 1)} ({link.age_p95_ms:g})"
    return age, f"{floor(round(1000 * link.delivered_share, 3)) / 10:g} %"


def number(figure: Figure | None, digits: int, interval: bool = False) -> str:
    """A figure as text; a dash where there is none."""
    if figure is None or figure.value is None:
        return "–"
    text = _plain(figure.value, digits)
    if interval and figure.low is not None and figure.high is not None:
        text += f" [{_plain(figure.low, digits)}, {_plain(figure.high, digits)}]"
    return text


def signed(difference: Interval, digits: int) -> str:
    """A difference and its interval, each with its sign."""
    ends = (difference.value, difference.low, difference.high)
    return "{} [{}, {}]".format(*(f"{end:+.{digits}f}" for end in ends))


def percent(figure: Figure | None) -> str:
    """A share as text with its interval; a dash where there is none."""
    if figure is None or figure.value is None:
        return "–"
    text = f"{_plain(100 * figure.value, 0)} %"
    if figure.low is not None and figure.high is not None:
        text += f" [{_plain(100 * figure.low, 0)}, {_plain(100 * figure.high, 0)}]"
    return text


def _plain(value: float, digits: int) -> str:
    """Fixed digits, and no minus before nothing."""
    return f"{round(value, digits) + 0.0:.{digits}f}"
