"""Commands on a user's triple and its runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kbbench.cli import options
from kbbench.cli.live import live_options
from kbbench.cli.progress import progress
from kbbench.errors import InputError
from kbbench.units import HEADLINE_DELAY, OFFICIAL_DELAYS

BATCH_SIZES = {"cpu": 8, "cuda": 16}
"""Mixtures at a time: enough that a model that goes chunk by chunk is not all Python, and few
enough that each core has memory for its own."""


@click.command()
@options.model
@click.option(
    "--data", type=options.FOLDER, required=True, help="A folder made by `kbbench make-data`."
)
@click.option("--out", type=options.FOLDER, required=True, help="Run folder: new, empty, or begun.")
@click.option(
    "--delays", type=options.Delays(), default=OFFICIAL_DELAYS, help="In chunks of 8 ms [0-6]."
)
@click.option(
    "--channel",
    "links",
    multiple=True,
    metavar="NAME[:options]",
    help="A link beside the delays, such as jitter:mean_ms=24,std_ms=8, "
    "gilbert-elliott:to_bad=0.02,to_good=0.3 or trace:file=lte.csv; once for each.",
)
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True
)
@options.workers
@click.option("--dask", metavar="ADDRESS", help="Of a Dask scheduler whose workers do the work.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Of the models [cpu]."
)
@click.option(
    "--batch-size", type=click.IntRange(1), help="Mixtures at a time [8 on cpu, 16 on cuda]."
)
@click.option(
    "--metric",
    "optional",
    type=click.Choice(["dnsmos", "speaker_similarity"]),
    multiple=True,
    help="Beside the suite; needs kbbench[metrics], kbbench[speaker].",
)
@click.option(
    "--recognizer",
    type=click.Path(path_type=Path),
    help="A Python file with recognize(samples, sample_rate) -> str, for word error rates.",
)
@click.option("--skip-audit", is_flag=True, help="Do not audit first; the run is marked so.")
@live_options
@options.verbose
def evaluate(
    model: Path,
    data: Path,
    out: Path,
    delays: tuple[int, ...],
    links: tuple[str, ...],
    split: str,
    workers: int | None,
    dask: str | None,
    device: str,
    batch_size: int | None,
    optional: tuple[str, ...],
    recognizer: Path | None,
    skip_audit: bool,
    live: Any,
) -> None:
    """Evaluate the triple in MODEL, a file or a built-in name, at each delay of its hints."""
    from kbbench import evaluation
    from kbbench.channel import parse_channel
    from kbbench.metrics import Extras
    from kbbench.pool import cores
    from kbbench.report.page import write_report
    from kbbench.report.terminal import show_live, show_summary

    target, settings = live or (None, None)
    if live and dask:
        raise InputError("--live with --dask: what came over the link lies on this machine alone")
    channels = [parse_channel(text) for text in links]
    extras = Extras(tuple(sorted(set(optional))), recognizer and recognizer.absolute())
    run = evaluation.prepare(
        model, data, split, delays, channels, device, not skip_audit, extras, settings, out
    )
    if target is not None:
        evaluation.met(run, out, target)
    with progress(f"probes of the audit on {run.loaded.triple.name}") as tell:
        audit = evaluation.audited(run, out, tell)
    with progress(f"measurements of {run.loaded.triple.name}") as tell:
        cost = evaluation.priced(run, out, tell)
    before = evaluation.Beforehand(audit, cost)
    if target is not None:
        with progress(f"mixtures over {target.name}") as tell:
            evaluation.go_live(run, out, target, before, tell)
    with progress(f"mixtures through {run.loaded.triple.name}") as tell:
        power = dask or workers or cores()
        size = batch_size or BATCH_SIZES[device]
        summary = evaluation.evaluate(run, out, power, size, tell, before)
    page = write_report(summary, out, run.dataset.header.attribution, before)
    show_summary(summary)
    show_live(out)
    click.echo(f"page: {page}")


@click.command()
@options.model
@options.task
@click.option(
    "--delay",
    type=click.IntRange(0, options.LONGEST_DELAY),
    default=HEADLINE_DELAY,
    help="Of the hints, in chunks [6].",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=10.0,
    show_default=True,
    help="Of sound to time chunk by chunk.",
)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the figures here too.")
@options.verbose
def profile(model: Path, task: str | None, delay: int, seconds: float, file: Path | None) -> None:
    """Say what the triple in MODEL costs: MACs, parameters, state, chunk time, link."""
    from kbbench.cost import profile_triple
    from kbbench.models.loading import load_triple
    from kbbench.report.profile import show_cost, write_cost

    loaded = load_triple(model, task)
    with progress(f"measurements of {loaded.triple.name}") as tell:
        cost = profile_triple(loaded, delay_chunks=delay, seconds=seconds, progress=tell)
    show_cost(cost)
    if file is not None:
        write_cost(cost, file)


@click.command()
@options.model
@options.task
@click.option(
    "--delays", type=options.Delays(), default=(HEADLINE_DELAY,), help="In chunks of 8 ms [6]."
)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the result here too.")
@options.verbose
@click.pass_context
def audit(
    ctx: click.Context, model: Path, task: str | None, delays: tuple[int, ...], out: Path | None
) -> None:
    """Measure whether the triple in MODEL could run live; exit 1 names all that says it could not.

    Look-ahead, hints before they arrive, side roads from remote to device, streaming against
    offline, repeatability, and input that is silent, loud, odd or long. Says too whether the device
    part costs what the small model costs.
    """
    from kbbench.audit import audit_triple
    from kbbench.cost import fair_cost
    from kbbench.models.loading import load_triple
    from kbbench.report.audit import show_audit, write_audit

    loaded = load_triple(model, task)
    with progress(f"families of probes on {loaded.triple.name}") as tell:
        result = audit_triple(loaded, delays, progress=tell)
    cost = fair_cost(loaded, delays)
    if out is not None:
        write_audit(result, cost, out)
    show_audit(result, cost)
    ctx.exit(0 if result.verdict == "honest" else 1)


@click.command()
@click.argument("runs", type=options.FOLDER, nargs=-1, required=True)
@click.option("--metric", default="si_sdr_i", show_default=True, help="A column of scores.parquet.")
@click.option(
    "--against", metavar="CONDITION", help="Of the first run, such as small: all others beside it."
)
@click.option("--page", type=click.Path(path_type=Path), help="Write a page with plots: new HTML.")
def compare(runs: tuple[Path, ...], metric: str, against: str | None, page: Path | None) -> None:
    """Compare RUNS on the same mixtures, pair by pair, and say what cannot be told apart.

    With --against, every condition of every run is set beside one condition of the first; one run
    is enough then.
    """
    from kbbench import evaluation
    from kbbench.report.compare import show_differences, write_comparison
    from kbbench.results import compare as differences
    from kbbench.results import compare_with

    found = [evaluation.read(run) for run in runs]
    pairs = differences(found, metric) if against is None else compare_with(found, against, metric)
    show_differences(pairs, metric, found)
    if page is not None:
        write_comparison(pairs, metric, found, page)
        click.echo(f"page: {page}")


@click.command()
def schema() -> None:
    """Print the JSON Schema of summary.json."""
    from kbbench.results.schema import schema_text

    click.echo(schema_text(), nl=False)


@click.command("models")
@click.argument("name", required=False)
def list_models(name: str | None) -> None:
    """List the trained triples that come with kbbench: MODEL may be one of their names.

    With NAME, also what each network of that one was trained on.
    """
    from kbbench.baselines.shipped.show import show_models

    show_models(name)


@click.command("new-model")
@click.argument("name")
@click.option("--task", type=click.Choice(options.TASKS), default="enhancement", show_default=True)
def new_model(name: str, task: str) -> None:
    """Write NAME.py: a commented triple that works, to be changed into yours."""
    from kbbench.models.template import new_model

    path = new_model(name, task, Path())
    click.echo(f"{path}: a triple for {task}; try it with `kbbench check {path}`")


@click.command()
@options.model
@options.task
@options.verbose
@click.pass_context
def check(ctx: click.Context, model: Path, task: str | None) -> None:
    """Try the triple in MODEL on two seconds of sound; exit 1 names everything that is wrong."""
    from kbbench.check import check_file
    from kbbench.report.check import show_report

    report = check_file(model, task)
    show_report(model, report)
    ctx.exit(0 if report.right else 1)


COMMANDS = (list_models, new_model, check, evaluate, profile, audit, compare, schema)
