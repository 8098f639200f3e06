"""The table of ``kbbench profile``, and its JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from kbbench.cost import Cost, CostFigure
from kbbench.errors import InputError
from kbbench.files import write_text
from kbbench.report.quantity import quantity
from kbbench.report.terminal import console
from kbbench.results.summary import OPAQUE_MARK
from kbbench.units import milliseconds

MODELS = {"small": "small", "device": "boosted device", "large": "large", "remote": "remote"}
"""Columns, in order; the remote has one of its own where it is not the large model."""


def _milliseconds(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


ROWS: dict[str, tuple[str, Callable[[float], str]]] = {
    "macs_per_chunk": ("MACs a chunk", quantity),
    "step_macs_per_chunk": ("MACs a chunk, streaming", quantity),
    "fft_flops_per_chunk": ("FFT FLOPs a chunk", quantity),
    "elementwise_per_chunk": ("element-wise operations a chunk", quantity),
    "parameters": ("parameters", quantity),
    "state_bytes": ("state, bytes", quantity),
    "chunk_ms_p50": ("chunk time p50, ms", _milliseconds),
    "chunk_ms_p95": ("chunk time p95, ms", _milliseconds),
    "chunk_ms_p99": ("chunk time p99, ms", _milliseconds),
    "real_time_factor": ("real-time factor", _milliseconds),
    "missed_deadlines": ("missed deadlines of 8 ms", _percent),
}
"""Figures, what they are called, and how they are written."""


def show_cost(cost: Cost) -> None:
    """The table of a triple's cost on standard output."""
    console().print(render_cost(cost))


def render_cost(cost: Cost) -> Group:
    """Table, link, fairness, and how it was measured."""
    content = cost_table(cost)
    table = Table(content.columns[0])
    for column in content.columns[1:]:
        table.add_column(column, justify="right")
    for row in content.rows:
        table.add_row(*row)
    return Group(Text(content.title, style="bold"), table, Text("\n".join(content.notes)))


@dataclass(frozen=True)
class CostTable:
    """A cost as text, the same in the terminal and on the page."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def cost_table(cost: Cost) -> CostTable:
    """One row a figure, one column a model; what is to be known of them under it."""
    names = [name for name in MODELS if name in cost.models]
    if cost.remote_is_large:
        names.remove("remote")
    said: list[str] = []
    rows = []
    for key, (label, write) in ROWS.items():
        figures = [cost.models[name].figures[key] for name in names]
        rows.append((label, *(_cell(figure, write, said) for figure in figures)))
    return CostTable(
        title=_title(cost),
        columns=("", *(MODELS[name] for name in names)),
        rows=tuple(rows),
        notes=(*_numbered(said), *_facts(cost)),
    )


def write_cost(cost: Cost, path: Path) -> None:
    """Write a cost as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        write_text(path, cost.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _title(cost: Cost) -> str:
    bound = " (oracle: a bound, does not rank)" if cost.oracle else ""
    if cost.opaque_link:
        bound += f" ({OPAQUE_MARK})"
    delay = milliseconds(cost.method.delay_chunks)
    return f"{cost.name}{bound}: cost a chunk of 8 ms, {cost.task}, hints {delay:g} ms late"


def _cell(figure: CostFigure, write: Callable[[float], str], notes: list[str]) -> str:
    """A value, with the number of its note; a dash where there is none."""
    said = figure.reason or figure.note
    mark = ""
    if said:
        if said not in notes:
            notes.append(said)
        mark = f" ({notes.index(said) + 1})"
    return ("–" if figure.value is None else write(figure.value)) + mark


def _numbered(notes: list[str]) -> list[str]:
    return [f"({number}) {note}" for number, note in enumerate(notes, 1)]


def _facts(cost: Cost) -> list[str]:
    method, hardware = cost.method, cost.hardware
    remote = "the large model" if cost.remote_is_large else "a model of its own"
    kbit = cost.hint_kbit_per_s.value
    together = cost.deployed_parameters
    size = together.reason if together.value is None else quantity(together.value)
    timed = sorted({model.chunks_timed for model in cost.models.values() if model.chunks_timed})
    link = "hints, device and remote: one model"
    if kbit is not None:
        link = f"hints: {kbit:g} kbit/s as {cost.hint_dtype}; remote: {remote}"
    lines = [
        f"{link}; parameters of device and remote together: {size}",
        f"cost of the device: {cost.matched.text}",
        f"MACs: of layers, from inputs of {_list(method.chunks_counted)} chunks of noise",
    ]
    if timed:
        lines.append(
            f"times: {_list(timed)} chunks after {method.warm_up_chunks} of warm-up, "
            f"{method.threads} thread, {hardware.cpu}, torch {hardware.torch}"
        )
    return lines


def _list(numbers: tuple[int, ...] | list[int]) -> str:
    return ", ".join(str(number) for number in numbers)
