"""The reference triples as docs/reference.md shows them: tables, plots, model cards, curves.

    python benchmarks/reference.py table RUN BASELINE_RUN [--row NAME=RUN:CONDITION] [--plots OUT]
    python benchmarks/reference.py overview RUN=BASELINE_RUN...
    python benchmarks/reference.py card NAME...
    python benchmarks/reference.py curves TRAINING --name NAME --out docs/reference

``table`` prints a run of a triple, and of the same one with the matched baseline in the small one's
place (``NAME-baseline``), as the table of the paper; each ``--row`` adds a condition of another
run, and ``--plots`` draws improvement and gap closed over delay. ``overview`` has one row for each
such pair of runs. ``card`` prints what the weights of built-in triples of one folder say.
``curves`` keeps the logs of a training: a small CSV a stage, and a plot of them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from kbbench.baselines.shipped import shipped
from kbbench.baselines.stages import BOOSTINGS
from kbbench.baselines.weights import Card, describe
from kbbench.evaluation import read
from kbbench.files import write_text
from kbbench.report.metrics import digits
from kbbench.report.plots import gap_svg, improvement_svg
from kbbench.report.plots.svg import blank, legend, svg_text
from kbbench.report.quantity import quantity
from kbbench.report.rows import number, percent, signed
from kbbench.results import FinishedRun, compare_with
from kbbench.results.compare import Difference

METRICS = ("si_sdr_i", "pesq_wb", "stoi")
HEAD = (
    "condition",
    "SI-SDRi dB [95 %]",
    "beside the baseline, dB [95 %]",
    "PESQ-WB",
    "STOI",
    "gap closed",
    "MACs a chunk",
    "hints kbit/s",
)
OVERVIEW = (
    "test set",
    "small",
    "matched baseline",
    "boosted, 0 ms",
    "boosted, 48 ms",
    "beside the baseline",
    "beside small",
    "large",
    "gap closed, 48 ms",
)
CURVE = "si_sdri_db"
SETTINGS = {
    "batch_size": "clips a step",
    "clip_s": "seconds a clip",
    "learning_rate": "learning rate",
    "bf16": "bfloat16",
}


class Also(NamedTuple):
    """A row of another run: what it is called, the run, and the condition."""

    shown: str
    run: FinishedRun
    condition: str

    @classmethod
    def of(cls, words: str) -> Also:
        """From ``NAME=RUN:CONDITION``."""
        shown, _, place = words.partition("=")
        folder, _, condition = place.rpartition(":")
        return cls(shown, read(Path(folder)), condition)


def table(run: FinishedRun, baseline: FinishedRun, also: Sequence[Also] = ()) -> list[str]:
    """Rows of Markdown: mixture, small, baseline, boosted by delay, large, and other runs'."""
    runs = {item.name: item for item in (baseline, run, *(other.run for other in also))}
    beside = {
        (item.second, item.condition): item for item in compare_with([*runs.values()], "small")
    }
    rows = []
    for condition in (item.condition for item in run.summary.conditions):
        rows.append(row(run, condition, condition, beside.get((run.name, condition))))
        if condition == "small":
            rows.append(row(baseline, condition, "matched baseline", None))
    for shown, other, condition in also:
        rows.append(row(other, condition, shown, beside.get((other.name, condition))))
    data = run.summary.data
    caption = f"{data.recipe} version {data.recipe_version}, {data.mixtures} {data.split} mixtures"
    return [caption, "", markdown(HEAD), markdown(["---"] * len(HEAD)), *map(markdown, rows)]


def row(
    run: FinishedRun, condition: str, shown: str, difference: Difference | None
) -> tuple[str, ...]:
    """The figures of one condition."""
    summary = run.summary
    figures = summary.condition(condition).figures
    part = {"small": "small", "large": "large", "mixture": None}.get(condition, "device")
    macs = summary.price.macs(part) if part and summary.price else None
    boosted = condition.startswith("boosted")
    improvement, *others = (
        number(figures.get(name), digits(name), interval=name == "si_sdr_i") for name in METRICS
    )
    return (
        shown,
        improvement,
        told_beside(difference),
        *others,
        percent(summary.gap_closed[condition]) if boosted else "",
        "" if macs is None else quantity(macs),
        f"{summary.triple.hint_kbit_per_s:g}" if boosted else "",
    )


def overview(run: FinishedRun, baseline: FinishedRun) -> tuple[str, ...]:
    """A row of SI-SDR improvement in dB: all models, and 48 ms beside those that have no hints."""
    late = run.summary.headline_condition
    beside = [
        item
        for runs in ([baseline, run], [run])
        for item in compare_with(runs, "small")
        if (item.second, item.condition) == (run.name, late)
    ]
    places = ((run, "small"), (baseline, "small"), (run, "boosted@0"), (run, late), (run, "large"))
    *devices, remote = (
        number(of.summary.condition(condition).figures.get("si_sdr_i"), 2, interval=True)
        for of, condition in places
    )
    gap = percent(run.summary.gap_closed[late])
    return (run.summary.data.recipe, *devices, *map(told_beside, beside), remote, gap)


def told_beside(difference: Difference | None) -> str:
    """A difference in dB with its interval; empty where there is none."""
    return signed(difference.interval, 2) if difference and difference.interval else ""


def markdown(cells: Sequence[str]) -> str:
    """A row."""
    return f"| {' | '.join(cells)} |"


def card(names: Sequence[str]) -> list[str]:
    """A table of all networks of built-in triples, how each was trained, and below it on what."""
    files: dict[str, Path] = {}
    for name in names:
        for network, file in shipped()[name].weights.named.items():
            same = files.get(network, file) == file
            files[network if same else f"{network} of {name}"] = file
    cards = {network: describe(file) for network, file in files.items()}
    facts: dict[str, Callable[[Card], str]] = {
        "validation SI-SDRi": lambda card: f"{card.validation_si_sdri_db:.2f} dB",
        "trained in all": lambda card: card.training.text,
        "began as": lambda card: card.start.stage if card.start else "random weights",
        "refines": lambda card: "a device inside" if card.config.refines else "",
        "delays": lambda card: delays(card),
    }
    rows = [["parameters", *(f"{count:,}" for _, count in cards.values())]]
    rows += [[what, *(tell(one) for one, _ in cards.values())] for what, tell in facts.items()]
    rows += [
        [shown, *(str(one.settings.get(key, "")) for one, _ in cards.values())]
        for key, shown in SETTINGS.items()
    ]
    heard: dict[str, list[str]] = {}
    for network, (one, _) in cards.items():
        heard.setdefault("; then ".join(one.all_data), []).append(network)
    return [
        markdown(["", *cards]),
        markdown(["---"] * (len(cards) + 1)),
        *map(markdown, rows),
        "",
        "Mixtures that they were trained on, with the first digits of each dataset's hash:",
        "",
        *(f"- {', '.join(networks)}: {told(data)}" for data, networks in heard.items()),
    ]


def told(data: str) -> str:
    """Datasets, each hash cut to eight digits.

    >>> told("some-recipe data 0123456789abcdef" + 6 * "01234567" + ", 30 mixtures + other")
    '30 of `some-recipe` (01234567) + other'
    """
    return re.sub(r"(\S+) data ([0-9a-f]{8})[0-9a-f]{56}, (\d+) mixtures", r"\3 of `\1` (\2)", data)


def delays(card: Card) -> str:
    """Of the hints that it was trained with."""
    return str(card.settings.get("delays_chunks")) if card.stage in BOOSTINGS else ""


def curves(training: Path, name: str, out: Path) -> None:
    """Keep the validations of every stage, and draw them over the steps."""
    out.mkdir(parents=True, exist_ok=True)
    canvas, axes = blank("steps", "SI-SDR improvement in validation in dB")
    for log in sorted(training.glob("*/log.csv")):
        rows = pd.read_csv(log)
        validations = rows[rows[CURVE].notna()]
        kept = validations.drop(columns=["gradient_norm"]).round(4)
        stage = log.parent.name
        write_text(out / f"{name}-{stage}.csv", kept.to_csv(index=False))
        axes.plot(validations["step"], validations[CURVE], marker=".", label=stage)
    legend(axes)
    write_text(out / f"{name}-training.svg", svg_text(canvas))


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    of_table = what.add_parser("table")
    of_table.add_argument("run", type=Path)
    of_table.add_argument("baseline", type=Path)
    of_table.add_argument("--row", action="append", type=Also.of, default=[])
    of_table.add_argument("--plots", type=Path)
    what.add_parser("overview").add_argument("runs", nargs="+")
    what.add_parser("card").add_argument("names", nargs="+")
    of_curves = what.add_parser("curves")
    of_curves.add_argument("training", type=Path)
    of_curves.add_argument("--name", required=True)
    of_curves.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.what == "table":
        run, baseline = read(given.run), read(given.baseline)
        print("\n".join(table(run, baseline, given.row)))
        if given.plots:
            given.plots.mkdir(parents=True, exist_ok=True)
            write_text(given.plots / f"{run.name}.svg", improvement_svg(run.summary))
            if gap := gap_svg([run]):
                write_text(given.plots / f"{run.name}-gap.svg", gap)
            else:
                print("no gap between small and large: no plot of what of it is closed")
    elif given.what == "overview":
        print(markdown(OVERVIEW), markdown(["---"] * len(OVERVIEW)), sep="\n")
        for pair in given.runs:
            print(markdown(overview(*(read(Path(run)) for run in pair.split("=")))))
    elif given.what == "card":
        print("\n".join(card(given.names)))
    else:
        curves(given.training, given.name, given.out)


if __name__ == "__main__":
    main()
