"""One run: a triple on a dataset, from files to files; killed at any moment, it carries on.

```
run.json         what is run, by hash; "complete": false until all is there
parts/           one file of records a mixture, until the run is complete
audio/           a few mixtures to listen to
scores.parquet   one row a mixture x source x channel x condition
summary.json     the figures
```
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from kbbench import __version__, metrics
from kbbench.audio import to_pcm, write_flac
from kbbench.channel import fixed, off
from kbbench.errors import InputError
from kbbench.files import write_parquet, write_text
from kbbench.metrics import best_permutation
from kbbench.models.loading import LoadedTriple, load_triple
from kbbench.pool import process_map
from kbbench.results import MIXTURE, ScoringJob, Summary, score_mixture, summarize
from kbbench.results.summary import with_improvements
from kbbench.runner import Batch, Condition, Runner, hint_kbit_per_s, read_batch
from kbbench.scenes.dataset import Dataset, Mixture
from kbbench.scenes.recipe import canonical_json
from kbbench.units import HEADLINE_DELAY

FORMAT = 1
"""Version of the run folder's layout and of ``summary.json``."""
LISTENED = 3
"""Mixtures whose sound is kept for the page."""
RUN, SUMMARY, SCORES = "run.json", "summary.json", "scores.parquet"

Progress = Callable[[int, int], None]
"""Called with (mixtures done, mixtures in all)."""


@dataclass(frozen=True)
class Run:
    """Everything that decides a run's figures.

    Args:
        loaded: the triple.
        dataset: the mixtures.
        split: which of them.
        delays: of the sweep, in chunks, ascending; 0, the ideal link, is always among them.
    """

    loaded: LoadedTriple
    dataset: Dataset
    split: str
    delays: tuple[int, ...]

    @property
    def headline(self) -> int:
        """The delay of the headline figure: 48 ms, or the longest there is."""
        return HEADLINE_DELAY if HEADLINE_DELAY in self.delays else max(self.delays)

    @cached_property
    def mixtures(self) -> list[Mixture]:
        """The mixtures, in order."""
        return list(self.dataset.mixtures(self.split))

    @property
    def conditions(self) -> list[Condition]:
        """Small and large, boosted at each delay, and the controls."""
        boosted = [Condition(f"boosted@{d}", "boosted", fixed(d)) for d in self.delays]
        controls = [Condition("boosted@off", "boosted", off(self.headline))]
        if len(self.mixtures) > 1:
            link = fixed(self.headline)
            controls.append(Condition("boosted@other-hints", "boosted", link, other_hints=True))
        return [Condition("small", "small"), Condition("large", "large"), *boosted, *controls]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a run's figures depend on; its hash names the run."""
        triple = self.loaded.triple
        return {
            "data_sha256": self.dataset.header.data_sha256,
            "split": self.split,
            "conditions": [condition.name for condition in self.conditions],
            "file_sha256": self.loaded.file_sha256,
            "imports_sha256": self.loaded.imports_sha256,
            "weights_sha256": self.loaded.weights_sha256(self.delays),
            "hint_dtype": str(triple.hint_dtype).removeprefix("torch."),
            "versions": versions(),
        }

    @property
    def sha256(self) -> str:
        """Hash of :attr:`identity`."""
        return hashlib.sha256(canonical_json(self.identity).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Versions that can move a figure."""
    packages = {name: version(name) for name in ("numpy", "torch")}
    return {"kbbench": __version__, **packages, **metrics.versions()}


def prepare(model: Path, data: Path, split: str, delays: Sequence[int]) -> Run:
    """Open the data and load the model.

    Raises:
        InputError: something is wrong with either, or the split is empty.
    """
    dataset = Dataset.open(data)
    run = Run(
        loaded=load_triple(model, dataset.header.recipe.task),
        dataset=dataset,
        split=split,
        delays=tuple(sorted({0, *delays})),
    )
    if not run.mixtures:
        raise InputError(f"{data}: no mixture in split {split}; evaluate a split that has some")
    return run


def evaluate(
    run: Run,
    out: Path,
    workers: int,
    batch_size: int,
    progress: Progress = lambda done, total: None,
) -> Summary:
    """Run a triple, or carry on with it, and write scores and summary.

    Args:
        run: what to run.
        out: a folder: new, empty, or of this very run.
        workers: processes for the metrics.
        batch_size: mixtures at a time.
        progress: told after each mixture.

    Raises:
        InputError: the folder holds something else.
        ModelError: the model raised or broke the contract.
    """
    _check_folder(out, run)
    parts = out / "parts"
    if not (out / SUMMARY).is_file():
        _run_missing(run, out, workers, batch_size, progress)
        done = [json.loads(_part(out, m).read_text(encoding="utf-8")) for m in run.mixtures]
        records = [record for part in done for record in part["records"]]
        scores = with_improvements(pd.DataFrame(records))
        write_parquet(out / SCORES, scores)
        summary = _summary(run, scores, done[0]["hint_bits_per_chunk"])
        write_text(out / SUMMARY, summary.model_dump_json(indent=1) + "\n")
    progress(len(run.mixtures), len(run.mixtures))
    for part in parts.glob("*.json"):
        part.unlink()
    if parts.is_dir() and not any(parts.iterdir()):
        parts.rmdir()
    write_text(out / RUN, _run_text(run, complete=True))
    return Summary.model_validate_json((out / SUMMARY).read_text(encoding="utf-8"))


def _run_missing(run: Run, out: Path, workers: int, batch_size: int, progress: Progress) -> None:
    """Run and score every mixture that has no records yet."""
    todo = [index for index, m in enumerate(run.mixtures) if not _part(out, m).is_file()]
    names = [MIXTURE, *(condition.name for condition in run.conditions)]
    mixture_by_id = {mixture.id: mixture for mixture in run.mixtures}
    runner = Runner(run.loaded)
    scored: dict[str, dict[str, list[dict[str, Any]]]] = {}
    done = len(run.mixtures) - len(todo)
    progress(done, len(run.mixtures))
    jobs = _jobs(run, runner, todo, batch_size, out)
    for records in process_map(score_mixture, jobs, workers):
        name = records[0]["mixture"]
        mine = scored.setdefault(name, {})
        mine[records[0]["condition"]] = records
        if len(mine) < len(names):
            continue
        part = {
            "hint_bits_per_chunk": runner.hint_bits_per_chunk,
            "records": [record for condition in names for record in mine[condition]],
        }
        write_text(_part(out, mixture_by_id[name]), json.dumps(part))
        del scored[name]
        done += 1
        progress(done, len(run.mixtures))


def _jobs(
    run: Run, runner: Runner, todo: Sequence[int], batch_size: int, out: Path
) -> Iterator[ScoringJob]:
    """Run the models batch by batch; scoring goes on meanwhile in other processes."""
    listened = set(np.linspace(0, len(run.mixtures) - 1, LISTENED).round().astype(int).tolist())
    missing = set(todo)
    for indices in _batches(todo, batch_size, len(run.mixtures)):
        successor = (indices[-1] + 1) % len(run.mixtures)
        batch = read_batch([run.mixtures[index] for index in (*indices, successor)])
        sources = batch.references.shape[1]
        unprocessed = batch.mixture[:-1, None].expand(-1, sources, -1, -1).numpy()
        outputs = [(Condition(MIXTURE, MIXTURE), unprocessed), *runner.run(batch, run.conditions)]
        _begin(out, run)
        for place, index in enumerate(indices):
            if index in listened & missing:
                estimates = {condition.name: values[place] for condition, values in outputs}
                _keep_audio(run, out, index, batch, place, estimates)
        for place, index in enumerate(indices):
            for condition, estimates_of_all in outputs if index in missing else []:
                yield ScoringJob(
                    id=run.mixtures[index].id,
                    condition=condition.name,
                    delay_chunks=condition.delay_chunks,
                    estimates=estimates_of_all[place],
                    references=batch.references[place].numpy(),
                    ordered=run.loaded.triple.task != "separation",
                )


def _batches(todo: Sequence[int], batch_size: int, count: int) -> Iterator[list[int]]:
    """The batches that hold anything to do, cut alike whatever is done: the same last bits."""
    for number in sorted({index // batch_size for index in todo}):
        yield list(range(number * batch_size, min((number + 1) * batch_size, count)))


def _keep_audio(
    run: Run, out: Path, index: int, batch: Batch, place: int, estimates: dict[str, Any]
) -> None:
    """Write what the page lets one hear, estimates in the order of the references."""
    folder = out / "audio" / f"{index:05d}"
    folder.mkdir(parents=True, exist_ok=True)
    references = batch.references[place]
    write_flac(folder / "mixture.flac", to_pcm(batch.mixture[place].numpy()))
    signals = {"reference": references.numpy()}
    for label in ("small", f"boosted@{run.headline}", "large"):
        values = torch.from_numpy(estimates[label])
        order = tuple(range(len(references)))
        if run.loaded.triple.task == "separation":
            order = best_permutation(values, references)
        signals[label.partition("@")[0]] = values[list(order)].numpy()
    for label, sources in signals.items():
        for number, source in enumerate(sources):
            write_flac(folder / f"{label}-{number}.flac", to_pcm(source))


def _summary(run: Run, scores: pd.DataFrame, hint_bits_per_chunk: int) -> Summary:
    triple, recipe = run.loaded.triple, run.dataset.header.recipe
    header = run.dataset.header
    conditions = [(MIXTURE, None), *((c.name, c.delay_chunks) for c in run.conditions)]
    return Summary(
        format=FORMAT,
        kbbench=__version__,
        triple={
            "name": triple.name,
            "task": triple.task,
            "oracle": triple.oracle,
            "lookahead_samples_declared": triple.lookahead,
            "hint_dtype": run.identity["hint_dtype"],
            "hint_kbit_per_s": hint_kbit_per_s(hint_bits_per_chunk),
            "file": run.loaded.path.name,
            "file_sha256": run.loaded.file_sha256,
            "imports_sha256": run.loaded.imports_sha256,
            "weights_sha256": run.identity["weights_sha256"],
        },
        data={
            "recipe": recipe.name,
            "recipe_version": recipe.version,
            "recipe_sha256": header.recipe_sha256,
            "plan_sha256": header.plan_sha256,
            "data_sha256": header.data_sha256,
            "split": run.split,
            "mixtures": len(run.mixtures),
        },
        run_sha256=run.sha256,
        headline_condition=f"boosted@{run.headline}",
        versions=versions(),
        **summarize(scores, conditions),
    )


def _part(out: Path, mixture: Mixture) -> Path:
    return out / "parts" / f"{mixture.id.replace('/', '-')}.json"


def _check_folder(out: Path, run: Run) -> None:
    """The folder is new, empty or this run's; what stands there is never touched."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file, expected a new or empty folder")
    if out.is_dir() and any(out.iterdir()):
        try:
            found = json.loads((out / RUN).read_text(encoding="utf-8"))["run_sha256"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{out}: not empty and no kbbench run; give a new or empty folder"
            ) from error
        if found != run.sha256:
            raise InputError(
                f"{out}: holds another run ({found[:8]}, this one is {run.sha256[:8]}): the model, "
                "data, delays or versions differ; give another folder"
            )


def _begin(out: Path, run: Run) -> None:
    """Make the folder this run's, once the models have shown that they work."""
    (out / "parts").mkdir(parents=True, exist_ok=True)
    if not (out / RUN).is_file():
        write_text(out / RUN, _run_text(run, complete=False))


def _run_text(run: Run, complete: bool) -> str:
    content = {
        "format": FORMAT,
        "run_sha256": run.sha256,
        "complete": complete,
        "identity": run.identity,
    }
    return json.dumps(content, indent=1) + "\n"
