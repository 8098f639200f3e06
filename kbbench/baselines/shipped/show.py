"""The table of built-in triples."""

from __future__ import annotations

from rich.table import Table

from kbbench.baselines.shipped.names import shipped
from kbbench.baselines.weights import SUFFIX, describe
from kbbench.report.quantity import quantity
from kbbench.report.terminal import console

NONE = "no trained triple comes with this kbbench yet; train one with `kbbench train`"


def show_models() -> None:
    """One row a network of each built-in triple, with what its card says."""
    known = shipped()
    if not known:
        print(NONE)
        return
    table = Table("model", "network", "task", "parameters", "SI-SDRi dB", "trained", "on")
    for name, (_, (smalls, devices, large)) in known.items():
        for file in (*smalls, *devices, large):
            card, parameters = describe(file)
            table.add_row(
                name if file == smalls[0] else "",
                file.name.removesuffix(SUFFIX),
                card.task,
                quantity(parameters),
                f"{card.validation_si_sdri_db:.2f}",
                card.training.text,
                "; then ".join(card.all_data),
                end_section=file == large,
            )
    console().print(table)
    print("SI-SDRi: mean improvement on the validation mixtures; trained: everything in all")
