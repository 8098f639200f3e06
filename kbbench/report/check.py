"""What ``kbbench check`` says."""

from __future__ import annotations

from collections.abc import Iterator

from kbbench.contract_check import SECONDS, Checked
from kbbench.models.contract import Streaming
from kbbench.models.loading import LoadedTriple
from kbbench.runner import hint_kbit_per_s
from kbbench.units import milliseconds


def show_checked(checked: Checked) -> None:
    """Every finding on a line of its own, or a summary of what was found to be in order."""
    for line in checked.findings or _summary(checked):
        print(line)
    if checked.findings:
        count = len(checked.findings)
        print(f"{count} {'finding' if count == 1 else 'findings'}")


def _summary(checked: Checked) -> Iterator[str]:
    loaded = checked.loaded
    if loaded is None:
        return
    triple = loaded.triple
    delays = f"{milliseconds(min(checked.delays)):g} to {milliseconds(max(checked.delays)):g} ms"
    yield (
        f"{checked.path}: {triple.name}, {triple.task}: small, large and boosted at {delays} keep "
        f"the contract on {SECONDS:g} s of noise"
    )
    if triple.link == "opaque":
        yield "link: opaque, since the model is a joint one; it ranks apart"
    else:
        rate = hint_kbit_per_s(checked.hint_bits_per_chunk)
        yield f"link: hints of {rate:g} kbit/s as {str(triple.hint_dtype).removeprefix('torch.')}"
    yield f"streaming form: {', '.join(_streaming(loaded, checked.delays)) or 'none'}"
    parts = [checked.path.name, *loaded.imports_sha256, *loaded.files_sha256]
    yield f"made of: {', '.join(parts)}"


def _streaming(loaded: LoadedTriple, delays: tuple[int, ...]) -> Iterator[str]:
    boosted = loaded.boosted_at(max(delays))
    models = {"small": loaded.triple.small, "large": loaded.triple.large, "device": boosted.device}
    if boosted.remote is not loaded.triple.large:
        models["remote"] = boosted.remote
    return (name for name, model in models.items() if isinstance(model, Streaming))
