"""Carrying a run out: models batch by batch, scores in other processes, figures at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from kbbench import __version__
from kbbench.audit import Audit, Effort, audit_triple
from kbbench.cost import Cost, profile_triple
from kbbench.cost.hardware import hardware
from kbbench.evaluation import folder
from kbbench.evaluation.batches import Outputs, cut, listened
from kbbench.evaluation.elsewhere import scored_elsewhere
from kbbench.evaluation.folder import Beforehand
from kbbench.evaluation.replay import REPLAY, summed
from kbbench.evaluation.run import Run, versions
from kbbench.files import write_parquet, write_text
from kbbench.pool import Progress, Workers, process_map
from kbbench.results import MIXTURE, ScoringJob, Summary, score_mixture, summarize
from kbbench.results.breakdown import break_down, facts_of
from kbbench.results.price import Price
from kbbench.results.summary import FORMAT, Honesty, with_improvements
from kbbench.runner import Runner, find_device, read_batch
from kbbench.scenes.dataset import Mixture

OVERLAPPED: tuple[str, ...] = ("cuda",)
"""Devices that one process has, while the others score what it makes. On the CPU every process runs
models as well: a core is never idle, and nothing large is handed over."""
BEFORE_A_RUN = Effort(longest_s=60.0)
"""The audit of a run is that of ``kbbench audit``, with inputs of up to a minute instead of ten."""


def evaluate(
    run: Run,
    out: Path,
    workers: Workers,
    batch_size: int,
    progress: Progress = lambda done, total: None,
    before: Beforehand | None = None,
) -> Summary:
    """Run a triple, or carry on with it, and write scores and summary.

    Args:
        run: what to run.
        out: a folder: new, empty, or of this very run.
        workers: processes for the metrics, or the address of a Dask scheduler for all of it.
        batch_size: mixtures at a time.
        progress: told after each mixture.
        before: what :func:`audited` and :func:`priced` gave; else the audit is done here, and
            the summary has no cost.

    Raises:
        KeyboardInterrupt: the folder is left as a partial run that says so.
        InputError: the folder holds something else.
        ModelError: the model raised or broke the contract.
    """
    folder.check(out, run)
    if not (out / folder.SUMMARY).is_file():
        before = before or Beforehand(audited(run, out))
        try:
            _run_missing(run, out, workers, batch_size, progress, before)
        except KeyboardInterrupt:
            folder.interrupt(out, run)
            raise
        parts = [folder.read_part(out, mixture) for mixture in run.mixtures]
        records = [record for part in parts for record in part["records"]]
        scores = with_improvements(pd.DataFrame(records))
        write_parquet(out / folder.SCORES, scores)
        replays = summed(
            (mixture.id, part.get("identical", {}))
            for mixture, part in zip(run.mixtures, parts, strict=True)
        )
        if replays is not None:
            write_text(out / REPLAY, replays.model_dump_json(indent=1) + "\n")
        summary = _summary(run, scores, parts[0]["hint_bits_per_chunk"], before)
        write_text(out / folder.SUMMARY, summary.model_dump_json(indent=1) + "\n")
    progress(len(run.mixtures), len(run.mixtures))
    folder.finish(out, run)
    return Summary.model_validate_json((out / folder.SUMMARY).read_text(encoding="utf-8"))


def audited(run: Run, out: Path, progress: Progress = lambda done, total: None) -> Audit | None:
    """The audit of a run's triple, done once: before anything else runs it in this process.

    Args:
        run: what will be run.
        out: its folder, which may hold the audit already.
        progress: told (families of probes done, in all).

    Returns:
        the audit, or None where the run leaves it out.

    Raises:
        InputError: the folder holds something else.
    """
    folder.check(out, run)
    if not run.audited:
        return None
    if found := folder.read_audit(out):
        return found
    heard = read_batch(run.mixtures[: BEFORE_A_RUN.rows // 2]).mixture
    return audit_triple(run.loaded, run.delays, BEFORE_A_RUN, heard, progress)


def priced(run: Run, out: Path, progress: Progress = lambda done, total: None) -> Cost:
    """What a run's triple costs at the delay of the headline, measured once; fairly, at each delay.

    Its models are tried on the first two mixtures before that: what is wrong is told of real sound.

    Args:
        run: what will be run.
        out: its folder, which may hold the cost already.
        progress: told (measurements done, in all).

    Raises:
        InputError: the folder holds something else.
        ModelError: a model raised, or its output breaks the contract.
    """
    folder.check(out, run)
    if found := folder.read_cost(out):
        return found
    offline = replace(run, live=None)  # nothing has come over a link yet
    runner = Runner(run.loaded, find_device(run.device))
    Outputs.of(offline, runner, next(cut([0], 2, len(run.mixtures))))
    return profile_triple(
        run.loaded, delay_chunks=run.headline, also=run.asked_delays, progress=progress
    )


def score_some(
    run: Run,
    indices: Sequence[int],
    workers: int,
    batch_size: int,
    progress: Progress = lambda done, total: None,
) -> pd.DataFrame:
    """Some mixtures of a run, scored anew; nothing is written, and nothing audited.

    Args:
        run: what to run.
        indices: of its mixtures.
        workers: processes.
        batch_size: mixtures at a time.
        progress: told after each batch.

    Returns:
        their records, with improvements.

    Raises:
        ModelError: the model raised or broke the contract.
    """
    records: list[dict[str, Any]] = []
    done = 0
    progress(done, len(indices))
    for batch in scored_elsewhere(run, indices, batch_size, workers):
        records += [record for item in batch for record in item.records]
        done += len(batch)
        progress(done, len(indices))
    return with_improvements(pd.DataFrame(records))


def _run_missing(
    run: Run,
    out: Path,
    workers: Workers,
    batch_size: int,
    progress: Progress,
    before: Beforehand,
) -> None:
    """Run and score every mixture that has no records yet."""
    todo = [index for index, m in enumerate(run.mixtures) if not folder.has_part(out, m)]
    done = len(run.mixtures) - len(todo)
    progress(done, len(run.mixtures))
    overlapped = run.device in OVERLAPPED and not isinstance(workers, str)
    score = _metrics_elsewhere if overlapped else _all_elsewhere
    for mixture, part in score(run, out, workers, todo, batch_size, before):
        folder.write_part(out, mixture, part)
        done += 1
        progress(done, len(run.mixtures))


Parts = Iterator[tuple[Mixture, dict[str, Any]]]
"""Mixtures and their parts of a run, as they are done."""


def _all_elsewhere(
    run: Run, out: Path, workers: Workers, todo: Sequence[int], batch_size: int, before: Beforehand
) -> Parts:
    """Models and metrics in other processes, a batch a job: each core has its own."""
    for batch in scored_elsewhere(run, todo, batch_size, workers):
        folder.begin(out, run, before)
        for item in batch:
            folder.write_sounds(out, item.index, item.sounds)
            part = _part(item.hint_bits_per_chunk, item.records, item.identical)
            yield run.mixtures[item.index], part


def _metrics_elsewhere(
    run: Run, out: Path, workers: Workers, todo: Sequence[int], batch_size: int, before: Beforehand
) -> Parts:
    """Models in this process, which has the device; scoring goes on meanwhile in others."""
    torch.set_num_threads(1)
    runner = Runner(run.loaded, find_device(run.device))
    mixture_by_id = {mixture.id: mixture for mixture in run.mixtures}
    missing, kept = set(todo), listened(run.mixtures)
    same: dict[str, dict[str, bool]] = {}

    def jobs() -> Iterator[ScoringJob]:
        for indices in cut(todo, batch_size, len(run.mixtures)):
            outputs = Outputs.of(run, runner, indices)
            folder.begin(out, run, before)
            for index in indices:
                same[run.mixtures[index].id] = outputs.identical(index)
                if index in missing & kept:
                    folder.write_sounds(out, index, outputs.sounds(index))
            yield from (outputs.job(index) for index in indices if index in missing)

    for records in process_map(score_mixture, jobs(), workers):
        name = records[0]["mixture"]
        yield mixture_by_id[name], _part(runner.hint_bits_per_chunk, records, same[name])


def _part(
    hint_bits_per_chunk: int, records: list[dict[str, Any]], identical: dict[str, bool]
) -> dict[str, Any]:
    return {
        "hint_bits_per_chunk": hint_bits_per_chunk,
        "records": records,
        "identical": identical,
    }


def _summary(
    run: Run,
    scores: pd.DataFrame,
    hint_bits_per_chunk: int,
    before: Beforehand,
) -> Summary:
    conditions = [(MIXTURE, None), *((c.name, c.delay_chunks) for c in run.conditions)]
    headline = f"boosted@{run.headline}"
    facts = [facts_of(mixture.row) for mixture in run.mixtures]
    return Summary(
        format=FORMAT,
        kbbench=__version__,
        triple=run.facts_of_triple(hint_bits_per_chunk),
        data=run.facts_of_data(),
        run_sha256=run.sha256,
        honesty=Honesty.of(before.audit, run.loaded.triple.oracle, run.opaque_link),
        price=Price.of(before.cost) if before.cost else None,
        headline_condition=headline,
        versions=versions(),
        hardware=hardware(),
        breakdowns=tuple(break_down(scores, facts, ("small", "large", headline))),
        **summarize(scores, conditions, {c.name: run.link(c) for c in run.conditions}),
    )
