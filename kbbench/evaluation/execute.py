"""Carrying a run out: models batch by batch, scores in other processes, figures at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from kbbench import __version__
from kbbench.audio import to_pcm, write_flac
from kbbench.audit import Audit, Effort, audit_triple
from kbbench.cost import Cost, profile_triple
from kbbench.cost.hardware import hardware
from kbbench.evaluation import folder
from kbbench.evaluation.folder import Beforehand
from kbbench.evaluation.run import Run, versions
from kbbench.files import write_parquet, write_text
from kbbench.metrics import best_permutation
from kbbench.pool import Progress, cores, process_map
from kbbench.results import MIXTURE, ScoringJob, Summary, score_mixture, summarize
from kbbench.results.breakdown import break_down, facts_of
from kbbench.results.price import Price
from kbbench.results.summary import FORMAT, Honesty, with_improvements
from kbbench.runner import Batch, Condition, Runner, find_device, read_batch, read_talkers

MODEL_SHARE = 0.5
"""Share of the cores that models run on, beside the processes that score: a thread too many is
far worse than one too few, since small operations wait for the slowest."""
BEFORE_A_RUN = Effort(longest_s=60.0)
"""The audit of a run is that of ``kbbench audit``, with inputs of up to a minute instead of ten."""
LISTENED = 3
"""Mixtures whose sound is kept for the page."""


def evaluate(
    run: Run,
    out: Path,
    workers: int,
    batch_size: int,
    progress: Progress = lambda done, total: None,
    before: Beforehand | None = None,
) -> Summary:
    """Run a triple, or carry on with it, and write scores and summary.

    Args:
        run: what to run.
        out: a folder: new, empty, or of this very run.
        workers: processes for the metrics.
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
    heard = read_batch(run.mixtures[: BEFORE_A_RUN.rows // 2]).mixture
    return folder.read_audit(out) or audit_triple(
        run.loaded, run.delays, BEFORE_A_RUN, heard, progress
    )


def priced(run: Run, out: Path, progress: Progress = lambda done, total: None) -> Cost:
    """What a run's triple costs at the delay of the headline, measured once.

    Args:
        run: what will be run.
        out: its folder, which may hold the cost already.
        progress: told (measurements done, in all).

    Raises:
        InputError: the folder holds something else.
        ModelError: a model raised, or its output breaks the contract.
    """
    folder.check(out, run)
    return folder.read_cost(out) or profile_triple(
        run.loaded, delay_chunks=run.headline, progress=progress
    )


def _run_missing(
    run: Run,
    out: Path,
    workers: int,
    batch_size: int,
    progress: Progress,
    before: Beforehand,
) -> None:
    """Run and score every mixture that has no records yet."""
    todo = [index for index, m in enumerate(run.mixtures) if not folder.has_part(out, m)]
    mixture_by_id = {mixture.id: mixture for mixture in run.mixtures}
    torch.set_num_threads(max(1, int(MODEL_SHARE * cores())))
    runner = Runner(run.loaded, find_device(run.device))
    done = len(run.mixtures) - len(todo)
    progress(done, len(run.mixtures))
    jobs = _jobs(run, runner, todo, batch_size, out, before)
    for records in process_map(score_mixture, jobs, workers):
        part = {"hint_bits_per_chunk": runner.hint_bits_per_chunk, "records": records}
        folder.write_part(out, mixture_by_id[records[0]["mixture"]], part)
        done += 1
        progress(done, len(run.mixtures))


def _jobs(
    run: Run,
    runner: Runner,
    todo: Sequence[int],
    batch_size: int,
    out: Path,
    before: Beforehand,
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
        folder.begin(out, run, before)
        for place, index in enumerate(indices):
            if index in listened & missing:
                estimates = {condition.name: values[place] for condition, values in outputs}
                _keep_audio(run, out, index, batch, place, estimates)
        for place, index in enumerate(indices):
            if index not in missing:
                continue
            yield ScoringJob(
                id=run.mixtures[index].id,
                delays_chunks={condition.name: condition.delay_chunks for condition, _ in outputs},
                estimates={condition.name: values[place] for condition, values in outputs},
                references=batch.references[place].numpy(),
                ordered=run.loaded.triple.task != "separation",
                talkers=read_talkers(run.mixtures[index]),
                extras=run.extras,
            )


def _batches(todo: Sequence[int], batch_size: int, count: int) -> Iterator[list[int]]:
    """The batches that hold anything to do, cut alike whatever is done: the same last bits."""
    for number in sorted({index // batch_size for index in todo}):
        yield list(range(number * batch_size, min((number + 1) * batch_size, count)))


def _keep_audio(
    run: Run, out: Path, index: int, batch: Batch, place: int, estimates: dict[str, Any]
) -> None:
    """Write what the page lets one hear, estimates in the order of the references."""
    audio = out / "audio" / f"{index:05d}"
    audio.mkdir(parents=True, exist_ok=True)
    references = batch.references[place]
    write_flac(audio / "mixture.flac", to_pcm(batch.mixture[place].numpy()))
    signals = {"reference": references.numpy()}
    for label in ("small", f"boosted@{run.headline}", "large"):
        values = torch.from_numpy(estimates[label])
        order = tuple(range(len(references)))
        if run.loaded.triple.task == "separation":
            order = best_permutation(values, references)
        signals[label.partition("@")[0]] = values[list(order)].numpy()
    for label, sources in signals.items():
        for number, source in enumerate(sources):
            write_flac(audio / f"{label}-{number}.flac", to_pcm(source))


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
