"""A run's folder: new, empty or of this very run; what a user has there is never touched.

```
run.json         what is run, by hash; "complete": false until all is there, and after an
                 interrupt how many mixtures are
audit.json       what the honesty audit measured, before anything was scored
cost.json        what the triple costs, times included; measured before anything was scored
parts/           one file of records a mixture, until the run is complete
live/            of a live run: what came over the link, until the run is complete
live*            its figures, its trace, and a row a chunk (kbbench.live.phase)
audio/           a few mixtures to listen to
scores.parquet   one row a mixture x source x channel x condition
summary.json     the figures
replay.json      of a run that replays a live one: how many mixtures came out the same to the bit
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kbbench.audio import Pcm, write_flac
from kbbench.audit import Audit
from kbbench.cost import Cost
from kbbench.errors import InputError, one_line
from kbbench.evaluation.replay import REPLAY, Replays
from kbbench.evaluation.run import Run
from kbbench.files import holds_anything, write_text
from kbbench.live.parts import remove_parts
from kbbench.results import FinishedRun, Summary
from kbbench.scenes.dataset import Mixture

FORMAT = 1
"""Version of the run folder's layout."""
RUN, SUMMARY, SCORES = "run.json", "summary.json", "scores.parquet"
AUDIT, COST = "audit.json", "cost.json"


@dataclass(frozen=True)
class Beforehand:
    """What was measured of a run's triple before anything was scored; None was left out."""

    audit: Audit | None = None
    cost: Cost | None = None


def check(out: Path, run: Run) -> None:
    """The folder can take the run.

    Raises:
        InputError: it holds something else.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file, expected a new or empty folder")
    if not holds_anything(out):
        return
    try:
        found = json.loads((out / RUN).read_text(encoding="utf-8"))["run_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{out}: not empty and no kbbench run; give a new or empty folder"
        ) from error
    if found != run.sha256:
        raise InputError(
            f"{out}: holds another run ({found[:8]}, this one is {run.sha256[:8]}): the model, "
            "data, delays, channels or versions differ; give another folder"
        )


def begin(out: Path, run: Run, before: Beforehand) -> None:
    """Make the folder this run's, once the models have shown that they work."""
    out.mkdir(parents=True, exist_ok=True)
    for name, measured in ((AUDIT, before.audit), (COST, before.cost)):
        if measured is not None and not (out / name).is_file():
            write_text(out / name, measured.model_dump_json(indent=1) + "\n")
    if not (out / RUN).is_file():
        _write_run(out, run, complete=False, done=0)
    (out / "parts").mkdir(exist_ok=True)


def read_audit(out: Path) -> Audit | None:
    """The audit that is there, if it is whole."""
    try:
        return Audit.model_validate_json((out / AUDIT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_cost(out: Path) -> Cost | None:
    """The cost that is there, if it is whole."""
    try:
        return Cost.model_validate_json((out / COST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_replays(out: Path) -> Replays | None:
    """What replays of live runs gave, if the run had any."""
    try:
        return Replays.model_validate_json((out / REPLAY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def finish(out: Path, run: Run) -> None:
    """All is there: the parts go, and the folder says so."""
    for mixture in run.mixtures:
        _part(out, mixture).unlink(missing_ok=True)
    if (out / "parts").is_dir() and not any((out / "parts").iterdir()):
        (out / "parts").rmdir()
    remove_parts(out)
    _write_run(out, run, complete=True, done=len(run.mixtures))


def interrupt(out: Path, run: Run) -> None:
    """The folder of a run that is broken off says how far it came, once it was begun."""
    if (out / RUN).is_file():
        done = sum(has_part(out, mixture) for mixture in run.mixtures)
        _write_run(out, run, complete=False, done=done)


def has_part(out: Path, mixture: Mixture) -> bool:
    """The mixture's records are there."""
    return _part(out, mixture).is_file()


def read_part(out: Path, mixture: Mixture) -> dict[str, Any]:
    """A mixture's records."""
    part: dict[str, Any] = json.loads(_part(out, mixture).read_text(encoding="utf-8"))
    return part


def write_part(out: Path, mixture: Mixture, part: dict[str, Any]) -> None:
    """Keep a mixture's records."""
    write_text(_part(out, mixture), json.dumps(part))


def write_sounds(out: Path, index: int, sounds: Mapping[str, Pcm]) -> None:
    """Keep what the page plays of a mixture."""
    audio = out / "audio" / f"{index:05d}"
    for name, pcm in sounds.items():
        audio.mkdir(parents=True, exist_ok=True)
        write_flac(audio / f"{name}.flac", pcm)


def _part(out: Path, mixture: Mixture) -> Path:
    return out / "parts" / f"{mixture.id.replace('/', '-')}.json"


def _write_run(out: Path, run: Run, complete: bool, done: int) -> None:
    content = {
        "format": FORMAT,
        "run_sha256": run.sha256,
        "complete": complete,
        "mixtures_planned": len(run.mixtures),
        "mixtures_done": done,
        "identity": run.identity,
    }
    write_text(out / RUN, json.dumps(content, indent=1) + "\n")


def read(out: Path) -> FinishedRun:
    """A finished run, named after its folder.

    Raises:
        InputError: no run there, or one that is not finished, damaged or of another version.
    """
    if not (out / SUMMARY).is_file():
        state = (
            "not finished; the command that began it carries on"
            if (out / RUN).is_file()
            else ("no run there; make one with `kbbench evaluate`")
        )
        raise InputError(f"{out}: {state}")
    try:
        text = (out / SUMMARY).read_text(encoding="utf-8")
        summary = Summary.model_validate_json(text)
        return FinishedRun(out.name, summary, pd.read_parquet(out / SCORES))
    except Exception as error:
        raise InputError(
            f"{out}: damaged, or of another kbbench version ({one_line(error)[:120]}); "
            "evaluate again"
        ) from error
