"""The triples that one folder of weights makes: a file each, by what stands in it.

``triple.py`` is the small one beside the device with hints by attention; ``triple_VARIANT.py``
has hints another way, or what one would do without a link in the small one's place.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kbbench.baselines.stages import ENSEMBLE, Stage, weights_name
from kbbench.baselines.weights import SUFFIX

TRIPLE = "triple"


class Variant(NamedTuple):
    """What a triple is made of: how hints enter, and what works without any."""

    boosting: Stage = "boosted"
    small: str = "small"

    @property
    def smalls(self) -> tuple[Stage, ...]:
        """The stages of what works without hints."""
        return ALONE[self.small]

    def text(self, task: str) -> str:
        """Of its file."""
        small = "" if self.small == "small" else f', small="{self.small}"'
        return f'''"""A triple trained in this folder; evaluate it with `kbbench evaluate`."""

from pathlib import Path

from kbbench.baselines.triples import trained
from kbbench.models import Triple


def triple() -> Triple:
    """Its networks, hints by way of {self.boosting}."""
    return trained(Path(__file__).parent, "{task}", "{self.boosting}"{small})
'''


ALONE: dict[str, tuple[Stage, ...]] = {
    "small": ("small",),
    "baseline": ("baseline",),
    "distilled": ("distilled",),
    "ensemble": ENSEMBLE,
}
"""What stands in the small one's place, and the stages that it is made of."""
VARIANTS = {
    "": Variant(),
    "film": Variant("film"),
    "output": Variant("output"),
    "baseline": Variant(small="baseline"),
    "distilled": Variant(small="distilled"),
    "ensemble": Variant(small="ensemble"),
}


class Weights(NamedTuple):
    """The files of a triple's networks; those of the devices are the ones that are there.

    ``large`` is the one that was tuned with the device for all delays, where there is one.
    """

    smalls: list[Path]
    devices: list[Path]
    large: Path

    @property
    def named(self) -> dict[str, Path]:
        """Each file by its network: smalls, devices, large."""
        files = (*self.smalls, *self.devices)
        return {**{file.name.removesuffix(SUFFIX): file for file in files}, "large": self.large}

    @property
    def there(self) -> bool:
        """Whether they make a triple."""
        return bool(self.devices) and all(path.is_file() for path in (*self.smalls, self.large))


def file_name(variant: str) -> str:
    """Of a variant's file.

    >>> file_name(""), file_name("film")
    ('triple.py', 'triple_film.py')
    """
    return f"{TRIPLE}_{variant}.py" if variant else f"{TRIPLE}.py"


def variants_in(folder: Path) -> dict[str, tuple[Path, Weights]]:
    """Each variant's file in a folder, and its weights."""
    found = {}
    for name, variant in VARIANTS.items():
        path = folder / file_name(name)
        if path.is_file():
            found[name] = path, weights_of(folder, variant)
    return found


def weights_of(folder: Path, variant: Variant) -> Weights:
    """Where the weights of a variant lie."""
    large = large_of(folder, variant.boosting)
    devices = sorted({*folder.glob(f"{variant.boosting}[.@]*{SUFFIX[1:]}")} - {large})
    smalls = [folder / weights_name(stage) for stage in variant.smalls]
    return Weights(smalls, devices, large)


def large_of(folder: Path, boosting: str, delay_chunks: int | None = None) -> Path:
    """The large network whose hints a device takes: tuned with it, or the folder's for all."""
    tuned = folder / weights_name(boosting, delay_chunks, remote=True)
    return tuned if tuned.is_file() else folder / weights_name("large")


def variants_of(stage: Stage) -> list[str]:
    """The variants that a stage's training brings nearer.

    >>> variants_of("baseline"), variants_of("large"), variants_of("film")
    (['baseline'], [''], ['film'])
    """
    own = [name for name, made in VARIANTS.items() if stage in (made.boosting, *made.smalls)]
    return [""] if "" in own or not own else own
