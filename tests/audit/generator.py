"""A seeded generator of triples, honest and cheating in a known way, as files of a user's kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kbbench.models import Boosted, Triple
from kbbench.rng import Stream
from tests.audit.cheats import CHEATS, Cheat, Parts
from tests.audit.honest import CORES, NORMS, Net, Samples, StreamingNet

HONEST_SHARE = 0.35
"""Of all triples; the others go through the cheats in turn."""
TASKS = ("separation", "target_speech", "enhancement")
DTYPES = ("float16", "float32", "bfloat16")
FILE = """from tests.audit.generator import Spec, build


def triple():
    return build({spec!r})
"""


@dataclass(frozen=True)
class Spec:
    """All that makes a triple.

    Args:
        seed: of its weights.
        task: its task.
        core: of its models; "samples" works without a transform.
        norm: of its models.
        streaming: they have the streaming form.
        hint_size: numbers a hint, even.
        dtype: of hints.
        own_remote: the remote is another model than the large one.
        by_delay: ``boosted`` is a function of the delay.
        cheat: what is wrong with it; nothing where it is honest.
        target: the part that the cheat is in.
    """

    seed: int
    task: str
    core: str
    norm: str
    streaming: bool
    hint_size: int
    dtype: str
    own_remote: bool
    by_delay: bool
    cheat: str = ""
    target: str = "device"

    def write(self, folder: Path) -> Path:
        """The user's file."""
        path = folder / f"triple_{self.seed:03}.py"
        path.write_text(FILE.format(spec=self), encoding="utf-8")
        return path


def specs(count: int, seed: int = 0) -> list[Spec]:
    """So many triples, always the same ones for a seed, each cheat about as often."""
    honest = round(HONEST_SHARE * count)
    names = list(CHEATS)
    made = [_spec(number, "", seed) for number in range(honest)]
    made += [_spec(honest + n, names[n % len(names)], seed) for n in range(count - honest)]
    return made


def _spec(number: int, name: str, seed: int) -> Spec:
    draw = Stream("audit triples", seed, number)
    cheat = CHEATS.get(name, Cheat(lambda parts: parts, ()))
    cores = [*CORES, "samples"]
    streaming = cheat.needs == "streaming" or bool(draw.integer(0, 1))
    task = "target_speech" if cheat.needs == "enrollment" else draw.choice(TASKS)
    if streaming or name or task == "target_speech":
        cores.remove("samples")
    if streaming:
        cores.remove("long conv")
    return Spec(
        seed=number,
        task=task,
        core=draw.choice(cores),
        norm=draw.choice(list(NORMS)),
        streaming=streaming,
        hint_size=2 * draw.integer(1, 4),
        dtype=draw.choice(DTYPES),
        own_remote=not name and draw.integer(0, 3) == 0,
        by_delay=bool(draw.integer(0, 1)),
        cheat=name,
        target=draw.choice(cheat.targets),
    )


def build(spec: Spec) -> Triple:
    """The triple of a specification; the same weights in every process."""
    torch.manual_seed(spec.seed)
    small, device = _net(spec, 12), _net(spec, 12, hint_in=spec.hint_size)
    large = _net(spec, 24, hint_out=spec.hint_size)
    parts = Parts(small, large, device, spec.target)
    if spec.cheat:
        parts = CHEATS[spec.cheat].make(parts)
    remote = _net(spec, 16, hint_out=spec.hint_size) if spec.own_remote else parts.large
    boosted: Boosted | Callable[[int], Boosted] = Boosted(parts.device, remote)
    if spec.by_delay:
        made = boosted
        boosted = lambda delay: made  # noqa: E731
    return Triple(
        name=f"{spec.cheat or 'honest'} {spec.seed}",
        task=spec.task,  # type: ignore[arg-type]
        small=parts.small,
        large=parts.large,
        boosted=boosted,
        hint_dtype=getattr(torch, spec.dtype),
        lookahead=0 if spec.core == "samples" else 64,
    )


def _net(spec: Spec, size: int, hint_in: int = 0, hint_out: int = 0) -> Any:
    sources = 2 if spec.task == "separation" else 1
    if spec.core == "samples":
        return Samples(sources, hint_in, hint_out)
    kind = StreamingNet if spec.streaming else Net
    enrolled = spec.task == "target_speech"
    return kind(spec.core, spec.norm, size, sources, enrolled, hint_in, hint_out)
