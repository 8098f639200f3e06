"""The table of a cost: dashes with reasons, notes once, names as they are."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from kbbench.cost import Cost, CostFigure, ModelCost, matched
from kbbench.cost.result import UNITS, Hardware, Method, figure
from kbbench.report.profile import ROWS, quantity, render_cost


def model(**changes: CostFigure) -> ModelCost:
    figures = {name: figure(name, 1234.5) for name in UNITS}
    return ModelCost(figures={**figures, **changes}, chunks_timed=1250)


def cost(remote: ModelCost | None = None, **changes: CostFigure) -> Cost:
    small, large = model(), model(macs_per_chunk=figure("macs_per_chunk", 5e7))
    macs = small.figures["macs_per_chunk"]
    models = {"small": small, "device": model(**changes), "large": large, "remote": remote or large}
    return Cost(
        kbbench="0",
        name="[red]mine[/red]",
        task="enhancement",
        oracle=False,
        models=models,
        remote_is_large=remote is None,
        deployed_parameters=figure("parameters", 25_400),
        hint_kbit_per_s=CostFigure(value=12.5, unit="kbit/s"),
        hint_dtype="float16",
        matched=matched(macs, macs),
        method=Method(
            delay_chunks=6,
            chunks_counted=(240, 480, 720),
            warm_up_chunks=125,
            threads=1,
            noise_rms=0.05,
            channels=2,
            seed=0,
        ),
        hardware=Hardware(cpu="A CPU", system="Linux", python="3", torch="2"),
    )


def text(item: Cost) -> str:
    out = StringIO()
    Console(file=out, width=160).print(render_cost(item))
    return out.getvalue()


def test_every_figure_has_a_row() -> None:
    assert list(ROWS) != [] and set(ROWS) == set(UNITS)
    shown = text(cost())
    for label, _ in ROWS.values():
        assert label in shown
    for part in ("[red]mine[/red]", "50 M", "1.234 k", "12.5 kbit/s", "25.4 k", "48 ms", "A CPU"):
        assert part in shown, part


def test_the_remote_has_a_column_where_it_is_its_own() -> None:
    assert "┃ remote" not in text(cost()).replace("  ", " ")
    assert "a model of its own" in text(cost(remote=model()))
    assert text(cost(remote=model())).count("┃") > text(cost()).count("┃")


def test_reasons_and_notes_are_told_once() -> None:
    none = {
        name: figure(name, None, "no streaming form") for name in ("state_bytes", "chunk_ms_p50")
    }
    bound = figure("macs_per_chunk", 10, note="a lower bound: x::y not counted")
    shown = text(cost(**none, macs_per_chunk=bound))
    assert shown.count("no streaming form") == 1
    assert "10 (1)" in shown
    assert shown.count("– (2)") == 2
    assert "(1) a lower bound: x::y not counted" in shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (999, "999"), (1000, "1 k"), (2_213_040, "2.213 M"), (3.2e9, "3.2 G"), (0.5, "0.5")],
)
def test_quantities(value: float, expected: str) -> None:
    assert quantity(value) == expected
