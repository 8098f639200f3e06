"""The table of built-in triples, and what each was trained on."""

from __future__ import annotations

from rich.table import Table

from kbbench.baselines.shipped.names import Shipped, in_words, shipped
from kbbench.baselines.weights import Card, describe
from kbbench.errors import InputError
from kbbench.report.quantity import quantity
from kbbench.report.terminal import console

NONE = "no trained triple comes with this kbbench yet; train one with `kbbench train`"
NOTE = (
    "SI-SDRi: mean improvement on the validation mixtures; trained: everything in all\n"
    "`kbbench models NAME` says what each network of a model was trained on"
)


def show_models(name: str | None = None) -> None:
    """One row a network of each built-in triple; of one alone, what each was trained on as well.

    Raises:
        InputError: none has that name.
    """
    known = shipped()
    if name is not None and name not in known:
        raise InputError(f"{name}: no built-in triple: {in_words(known)}; expected such a name")
    if not known:
        print(NONE)
        return
    table = Table("model", "network", "task", "parameters", "SI-SDRi dB", "trained")
    for model in known if name is None else [name]:
        for network, (card, parameters) in _networks(known[model]).items():
            table.add_row(
                model,
                network,
                card.task,
                quantity(parameters),
                f"{card.validation_si_sdri_db:.2f}",
                card.training.text,
                end_section=network == "large",
            )
    console().print(table)
    if name is None:
        print(NOTE)
        return
    for network, (card, _) in _networks(known[name]).items():
        print(f"{network} was trained on")
        for data in card.all_data:
            print(*(f"  {part}" for part in data.split(" + ")), sep="\n")


def _networks(triple: Shipped) -> dict[str, tuple[Card, int]]:
    """Card and parameters of each, by name: smalls, devices, the large one."""
    return {network: describe(file) for network, file in triple.weights.named.items()}
