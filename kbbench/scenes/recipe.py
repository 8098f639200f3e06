"""What a set of mixtures is made of: declared in TOML, nothing of it in code."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kbbench.corpora.source import SPLITS as SPLITS
from kbbench.corpora.source import Corpora
from kbbench.errors import InputError, one_line
from kbbench.resources import recipes_folder

Target = Literal["image", "early", "direct"]
Task = Literal["separation", "target_speech", "enhancement"]


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"from {value[0]} to {value[1]} is no range; write the lower value first")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
PositiveRange = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]], AfterValidator(_ascending)
]
CountRange = Annotated[
    tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]], AfterValidator(_ascending)
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Splits(_Part):
    """Mixtures in each split."""

    train: int = Field(ge=0)
    validation: int = Field(ge=0)
    test: int = Field(ge=0)


class Room(_Part):
    """Shoebox rooms, drawn uniformly; ``anechoic`` leaves the direct path alone."""

    kind: Literal["shoebox", "anechoic"]
    length_m: PositiveRange
    width_m: PositiveRange
    height_m: PositiveRange
    rt60_s: PositiveRange
    wall_margin_m: float = Field(ge=0.1)


class Listener(_Part):
    """The head: anywhere in the room, looking anywhere."""

    height_m: PositiveRange


class Placement(_Part):
    """Where sources stand, seen from the head; azimuth counter-clockwise from straight ahead."""

    azimuth_deg: Range
    distance_m: PositiveRange
    height_m: PositiveRange
    min_separation_deg: float = Field(default=0.0, ge=0, le=120)


class Talkers(Placement):
    """The talkers; the first is the wanted one, ``sir_db`` is its level over each other."""

    count: int = Field(ge=1, le=4)
    sir_db: Range | None = None


class Noise(Placement):
    """Noise as point sources of one kind a mixture."""

    kinds: tuple[Literal["recording", "babble", "speech-shaped"], ...] = Field(min_length=1)
    sources: CountRange
    snr_db: Range


class Enrollment(_Part):
    """Another utterance of the wanted talker, at one channel: dry, or in noise of ``[noise]``."""

    duration_s: float = Field(gt=0)
    snr_db: Range | None = None


class Level(_Part):
    """Loudness of the mixture (ITU-R BS.1770) and the peak that it must not pass."""

    mixture_lufs: Range
    peak_dbfs: float = Field(le=0)


class Recipe(_Part):
    """A whole recipe; unknown keys are refused."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    version: int = Field(ge=1)
    summary: str
    task: Task
    corpora: Corpora
    duration_s: float = Field(gt=0, le=60)
    target: Target
    splits: Splits
    room: Room
    listener: Listener
    talkers: Talkers
    noise: Noise | None = None
    enrollment: Enrollment | None = None
    level: Level

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wants_enrollment = self.task == "target_speech"
        if wants_enrollment != (self.enrollment is not None):
            verb = "needs" if wants_enrollment else "has no"
            raise ValueError(f"task {self.task} {verb} [enrollment]")
        if self.task == "enhancement" and self.noise is None:
            raise ValueError("task enhancement needs [noise]")
        if self.task == "enhancement" and self.talkers.count != 1:
            raise ValueError("task enhancement has talkers.count = 1")
        if self.task != "enhancement" and self.talkers.count < 2:
            raise ValueError(f"task {self.task} needs talkers.count of 2 or more")
        if (self.talkers.sir_db is None) != (self.talkers.count == 1):
            raise ValueError("talkers.sir_db is for two talkers or more, and needed there")
        if self.enrollment and self.enrollment.snr_db and self.noise is None:
            raise ValueError("enrollment.snr_db needs [noise]: it says which kinds there are")
        self._sources_of_noise()
        return self

    def _sources_of_noise(self) -> None:
        kinds = set(self.noise.kinds) if self.noise else set()
        for part, needs in (("noise", {"recording"}), ("babble", {"babble", "speech-shaped"})):
            if (getattr(self.corpora, part) is not None) != bool(kinds & needs):
                verb = "is needed" if kinds & needs else "is not used"
                told = " or ".join(sorted(needs))
                raise ValueError(f"corpora.{part} is for noise.kinds of {told}; here it {verb}")

    @property
    def source_count(self) -> int:
        """References a mixture: every talker in separation, else the wanted one."""
        return self.talkers.count if self.task == "separation" else 1

    @property
    def sha256(self) -> str:
        """Hash of all that the recipe declares; neither comments nor absent parts count."""
        declared = self.model_dump(mode="json", exclude_none=True)
        return hashlib.sha256(canonical_json(declared).encode()).hexdigest()


def canonical_json(value: object) -> str:
    """One spelling for each value, to be hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def available() -> dict[str, Path]:
    """The recipes that come with kbbench, by name."""
    return {path.stem: path for path in sorted(recipes_folder().glob("*.toml"))}


def load_recipe(name_or_path: str) -> Recipe:
    """A recipe by the name of one that comes with kbbench, or from a TOML file.

    Raises:
        InputError: no such recipe, not TOML, an unknown key, or a value out of its range.
    """
    path = available().get(name_or_path, Path(name_or_path))
    if path.suffix != ".toml" or not path.is_file():
        close = difflib.get_close_matches(name_or_path, available(), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "see `kbbench recipes`"
        raise InputError(f"recipe {name_or_path!r}: no such recipe or TOML file; {hint}")
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {one_line(error)}") from error
    except ValidationError as error:
        raise InputError(f"{path}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "recipe"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            problems.append(f"{key}: unknown key; remove it or check its spelling")
        elif item["type"] == "missing":
            problems.append(f"{key}: missing")
        elif isinstance(item["input"], dict):
            problems.append(f"{key}: {message}")
        else:
            problems.append(f"{key} = {item['input']!r}: {message}")
    return "; ".join(problems)
