"""The command line: one call each, no logic."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kbbench import __version__
from kbbench.errors import InputError, ModelError, one_line
from kbbench.units import HEADLINE_DELAY, OFFICIAL_DELAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from kbbench.corpora.download import Order
    from kbbench.scenes.store import Storage

# Heavy modules are imported by the commands that need them: `kbbench --help` stays quick, and
# worker processes, which import this module anew, pin their threads before NumPy is loaded.

FOLDER = click.Path(path_type=Path)
"""A folder that need not exist yet."""


class Delays(click.ParamType[tuple[int, ...]]):
    """Delays in chunks: ``0-6``, ``0,3,6``, or both."""

    name = "delays"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Text to ascending delays."""
        if not isinstance(value, str):
            return tuple(value)
        delays: set[int] = set()
        for piece in value.split(","):
            match = re.fullmatch(r"\s*([0-9]{1,6})(?:-([0-9]{1,6}))?\s*", piece)
            if not match:
                self.fail(f"{value!r}: expected chunks of 8 ms such as 0-6 or 0,3,6")
            first, last = int(match[1]), int(match[2] or match[1])
            if not first <= last <= LONGEST_DELAY:
                self.fail(f"{value!r}: expected ascending delays of at most {LONGEST_DELAY} chunks")
            delays.update(range(first, last + 1))
        return tuple(sorted(delays))


class Shard(click.ParamType[tuple[int, int]]):
    """``I/N``: which of how many shards."""

    name = "i/n"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """Text to (I, N)."""
        if not isinstance(value, str):
            number, count = value
            return int(number), int(count)
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            self.fail(f"{value!r}: expected I/N with I from 1 to N, such as 3/8")
        return int(match[1]), int(match[2])


class Count(click.ParamType[int]):
    """A number of mixtures, or ``all``."""

    name = "n|all"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Text to a number; ``all`` is one that no dataset has."""
        if value == "all":
            return sys.maxsize
        if not re.fullmatch(r"[1-9][0-9]{0,8}", str(value)):
            self.fail(f"{value!r}: expected a number of mixtures, or all")
        return int(value)


class NamedFolder(click.ParamType[tuple[str, Path]]):
    """``NAME=FOLDER``."""

    name = "name=folder"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Path]:
        """Text to name and folder."""
        if not isinstance(value, str):
            return tuple(value)
        name, separator, folder = value.partition("=")
        if not (name and separator and folder):
            self.fail(f"{value!r}: expected NAME=FOLDER such as librispeech=/data/LibriSpeech")
        return name, Path(folder)


LONGEST_DELAY = 1250
"""Ten seconds: later hints are no hints."""


VERBOSE = "kbbench.verbose"
"""Key in Click's shared memory of one invocation."""


def _remember_verbose(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[VERBOSE] = value


_verbose = click.option(
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_remember_verbose,
    help="Show where in the model's code an error was raised.",
)
_task = click.option(
    "--task",
    type=click.Choice(["separation", "target_speech", "enhancement"]),
    help="Of a file for several tasks [its own default].",
)


class Commands(click.Group):
    """Errors of the user are one line and exit 2; a broken-off run exits 130 and carries on."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            if ctx.meta.get(VERBOSE) and isinstance(error, ModelError) and error.__cause__:
                traceback.print_exception(error.__cause__)
            click.echo(f"error: {one_line(error)}", err=True)
            ctx.exit(2)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "kbbench"
            message = one_line(click.ClickException(error.format_message()))
            click.echo(f"error: {message} See `{command} --help`.", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo("interrupted; the same command carries on from here", err=True)
            ctx.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kbbench")
def main() -> None:
    """The benchmark for knowledge boosting: small speech models helped by late hints."""


@main.command()
def recipes() -> None:
    """List the recipes that come with kbbench."""
    from kbbench.report.terminal import show_recipes
    from kbbench.scenes.recipe import available, load_recipe

    show_recipes([load_recipe(name) for name in available()])


@main.command()
def corpora() -> None:
    """List the corpora that recipes can draw from."""
    from kbbench.corpora import CORPORA
    from kbbench.report.terminal import show_corpora

    show_corpora(list(CORPORA.values()))


@main.command("make-data")
@click.argument("recipe")
@click.option("--out", type=FOLDER, required=True, help="Dataset folder: new, empty, or begun.")
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes [all cores].")
@click.option(
    "--corpus",
    "folders",
    type=NamedFolder(),
    multiple=True,
    metavar="NAME=FOLDER",
    help="Where a corpus of the recipe lies; once for each.",
)
@click.option("--download", "store", type=FOLDER, help="Fetch what --corpus does not give, here.")
@click.option(
    "--format",
    "storage",
    type=click.Choice(["flac", "tar"]),
    help="A folder of FLAC a mixture, or tar shards [flac, or what the folder holds].",
)
@click.option("--dask", metavar="ADDRESS", help="Of a Dask scheduler whose workers do the work.")
@click.option("--shard", type=Shard(), help="Make part I of N; then, without it, complete.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost, and write nothing.")
def make_data(
    recipe: str,
    out: Path,
    workers: int | None,
    folders: tuple[tuple[str, Path], ...],
    store: Path | None,
    storage: Storage | None,
    dask: str | None,
    shard: tuple[int, int] | None,
    dry_run: bool,
) -> None:
    """Make the mixtures of RECIPE: a name from `kbbench recipes`, or a TOML file."""
    from kbbench.corpora import restrictions
    from kbbench.corpora.download import orders
    from kbbench.pool import Workers, cores
    from kbbench.report.terminal import show_dataset, show_estimate
    from kbbench.scenes.estimate import estimate_dataset
    from kbbench.scenes.make import make_dataset, make_shard
    from kbbench.scenes.recipe import load_recipe

    loaded = load_recipe(recipe)
    given = {name: folder.absolute() for name, folder in _each_once(folders).items()}
    power: Workers = dask or workers or cores()
    if store is not None and not dry_run:
        missing = orders(loaded.corpora, given, store)
        _fetch(missing.values())
        given |= {name: order.folder for name, order in missing.items()}
    for line in restrictions(loaded.corpora):
        click.echo(f"note: {line}", err=True)
    if dry_run:
        with _progress("mixtures sampled") as progress:
            estimate = estimate_dataset(
                loaded, workers or cores(), progress, given, storage or "flac"
            )
        show_estimate(loaded, estimate)
        return
    if shard is not None:
        with _progress(f"mixtures of {loaded.name}, shard {shard[0]}/{shard[1]}") as progress:
            count = make_shard(loaded, out.absolute(), power, shard, progress, given, storage)
        click.echo(f"{out}: {count} mixtures of shard {shard[0]}/{shard[1]} are there")
        return
    with _progress(f"mixtures of {loaded.name}") as progress:
        dataset = make_dataset(loaded, out.absolute(), power, progress, given, storage)
    show_dataset(dataset)


@main.command("verify-data")
@click.argument("folder", type=FOLDER)
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes [all cores].")
@click.option(
    "--render",
    type=Count(),
    metavar="N|all",
    help="Render so many mixtures again, and compare them with the files.",
)
@click.option(
    "--corpus",
    "folders",
    type=NamedFolder(),
    multiple=True,
    metavar="NAME=FOLDER",
    help="Where a corpus of the recipe lies, for --render; once for each.",
)
@click.pass_context
def verify_data(
    ctx: click.Context,
    folder: Path,
    workers: int | None,
    render: int | None,
    folders: tuple[tuple[str, Path], ...],
) -> None:
    """Prove that the dataset in FOLDER is what its plan says; exit 1 names all that is not."""
    from kbbench.pool import cores
    from kbbench.report.terminal import show_rendered, show_verdict
    from kbbench.scenes.rerender import render_again
    from kbbench.scenes.verify import verify_dataset

    given = {name: path.absolute() for name, path in _each_once(folders).items()}
    with _progress("mixtures verified") as progress:
        verdict = verify_dataset(folder, workers or cores(), progress)
    show_verdict(folder, verdict)
    findings = verdict.findings
    if render is not None:
        with _progress("mixtures rendered again") as progress:
            rendered = render_again(folder, render, workers or cores(), progress, given)
        show_rendered(rendered)
        findings += rendered.findings
    ctx.exit(1 if findings else 0)


@main.command()
@click.argument("folder", type=FOLDER)
@click.option("--format", "form", required=True, metavar="lhotse|kaldi|webdataset|flac|card")
@click.option("--out", type=FOLDER, required=True, help="A new or empty folder.")
@click.option("--relative", is_flag=True, help="Paths relative to --out; else absolute.")
def export(folder: Path, form: str, out: Path, relative: bool) -> None:
    """Give the dataset in FOLDER to Lhotse, Kaldi or ESPnet, keep it as tars, or write a card."""
    from kbbench.scenes.export import export_dataset

    files = export_dataset(folder, form, out, relative)
    click.echo(f"{out}: {len(files)} files, {form}")


@main.command()
@click.argument("corpus")
@click.option("--to", "folder", type=FOLDER, required=True, help="New, empty, or begun.")
@click.option("--subset", "subsets", multiple=True, help="Only this part; once for each.")
def download(corpus: str, folder: Path, subsets: tuple[str, ...]) -> None:
    """Fetch CORPUS, a name from `kbbench corpora`, with its checksum; carries on when cut off."""
    from kbbench.corpora.download import order

    _fetch([order(corpus, folder, subsets)])
    click.echo(f"use it with: --corpus {corpus}={folder}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=FOLDER, required=True, help="A folder made by `kbbench make-data`.")
@click.option("--out", type=FOLDER, required=True, help="Run folder: new, empty, or begun.")
@click.option("--delays", type=Delays(), default=OFFICIAL_DELAYS, help="In chunks of 8 ms [0-6].")
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
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes [all cores].")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="Of the models [cpu]."
)
@click.option("--batch-size", type=click.IntRange(1), default=10, show_default=True)
@click.option("--skip-audit", is_flag=True, help="Do not audit first; the run is marked so.")
@_verbose
def evaluate(
    model: Path,
    data: Path,
    out: Path,
    delays: tuple[int, ...],
    links: tuple[str, ...],
    split: str,
    workers: int | None,
    device: str,
    batch_size: int,
    skip_audit: bool,
) -> None:
    """Evaluate the triple in MODEL, a Python file, at each delay of its hints."""
    from kbbench import evaluation
    from kbbench.channel import parse_channel
    from kbbench.pool import cores
    from kbbench.report.page import write_report
    from kbbench.report.terminal import show_summary

    channels = [parse_channel(text) for text in links]
    run = evaluation.prepare(model, data, split, delays, channels, device, not skip_audit)
    with _progress(f"probes of the audit on {run.loaded.triple.name}") as progress:
        audit = evaluation.audited(run, out, progress)
    with _progress(f"mixtures through {run.loaded.triple.name}") as progress:
        summary = evaluation.evaluate(run, out, workers or cores(), batch_size, progress, audit)
    page = write_report(summary, out, run.dataset.header.attribution, audit)
    show_summary(summary)
    click.echo(f"page: {page}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@_task
@click.option(
    "--delay",
    type=click.IntRange(0, LONGEST_DELAY),
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
@_verbose
def profile(model: Path, task: str | None, delay: int, seconds: float, file: Path | None) -> None:
    """Say what the triple in MODEL costs: MACs, parameters, state, chunk time, link."""
    from kbbench.cost import profile_triple
    from kbbench.models.loading import load_triple
    from kbbench.report.profile import show_cost, write_cost

    loaded = load_triple(model, task)
    with _progress(f"measurements of {loaded.triple.name}") as progress:
        cost = profile_triple(loaded, delay_chunks=delay, seconds=seconds, progress=progress)
    show_cost(cost)
    if file is not None:
        write_cost(cost, file)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@_task
@click.option("--delays", type=Delays(), default=(HEADLINE_DELAY,), help="In chunks of 8 ms [6].")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the result here too.")
@_verbose
@click.pass_context
def audit(
    ctx: click.Context, model: Path, task: str | None, delays: tuple[int, ...], out: Path | None
) -> None:
    """Measure whether the triple in MODEL could run live; exit 1 names all that says it could not.

    Look-ahead, hints before they arrive, side roads from remote to device, streaming against
    offline, repeatability, and input that is silent, loud, odd or long.
    """
    from kbbench.audit import audit_triple
    from kbbench.files import write_text
    from kbbench.models.loading import load_triple
    from kbbench.report.audit import show_audit

    loaded = load_triple(model, task)
    with _progress(f"families of probes on {loaded.triple.name}") as progress:
        result = audit_triple(loaded, delays, progress=progress)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, result.model_dump_json(indent=2) + "\n")
    show_audit(result)
    ctx.exit(0 if result.verdict == "honest" else 1)


@main.command()
@click.argument("runs", type=FOLDER, nargs=-1, required=True)
@click.option("--metric", default="si_sdr_i", show_default=True, help="A column of scores.parquet.")
def compare(runs: tuple[Path, ...], metric: str) -> None:
    """Compare RUNS on the same mixtures, pair by pair, and say what cannot be told apart."""
    from kbbench import evaluation
    from kbbench.report.compare import show_differences
    from kbbench.results import compare as differences

    found = [evaluation.read(run) for run in runs]
    marks = {run.name: run.summary.honesty.mark for run in found}
    show_differences(differences(found, metric), metric, marks)


@main.command()
@click.argument("recipe")
@click.option(
    "--stage",
    type=click.Choice(["small", "baseline", "large", "boosted", "film", "output", "distilled"]),
    required=True,
    help="What to train; large goes before boosted, film, output and distilled.",
)
@click.option("--out", type=FOLDER, required=True, help="Folder of all stages: new, or begun.")
@click.option(
    "--corpus",
    "folders",
    type=NamedFolder(),
    multiple=True,
    metavar="NAME=FOLDER",
    help="Where a corpus of the recipe lies; once for each.",
)
@click.option("--mixtures", type=click.IntRange(1), help="Of training [the recipe's number].")
@click.option("--steps", type=click.IntRange(1), help="Of the optimizer [100000].")
@click.option("--batch-size", type=click.IntRange(1), help="Clips a step [8].")
@click.option("--clip", "clip_s", type=click.FloatRange(0.1), help="Seconds of each clip [4].")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="[0.001]")
@click.option("--warm-up", "warm_up_steps", type=click.IntRange(0), help="Steps [500].")
@click.option("--delays", "delays_chunks", type=Delays(), help="Of hints, drawn a clip [0-6].")
@click.option("--hint-loss", type=click.FloatRange(0, 0.99), help="Chance that one is lost [0].")
@click.option("--compression", type=int, help="Of the large network's hints: 1, 2 or 4 [4].")
@click.option("--tune-large", is_flag=True, default=None, help="Train it with the device.")
@click.option("--validate-every", type=click.IntRange(1), help="Steps [1000].")
@click.option("--validation-mixtures", type=click.IntRange(1), help="[50]")
@click.option("--patience", type=click.IntRange(0), help="Validations without a better one [0].")
@click.option("--seed", type=int, help="[0]")
@click.option("--bf16", is_flag=True, default=None, help="Compute in bfloat16.")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda")
@click.option("--workers", type=click.IntRange(0), default=None, help="Processes [all cores].")
@click.option("--minutes", type=click.FloatRange(0), help="Stop then; the same command carries on.")
def train(
    recipe: str,
    out: Path,
    folders: tuple[tuple[str, Path], ...],
    mixtures: int | None,
    device: str,
    workers: int | None,
    minutes: float | None,
    **settings: Any,
) -> None:
    """Train a reference network on RECIPE: a recipe, rendered as it goes, or a dataset folder."""
    from kbbench.baselines.training import Settings, open_data, train
    from kbbench.pool import cores

    given = {name: value for name, value in settings.items() if value is not None}
    data = open_data(recipe, _each_once(folders), mixtures)
    with _progress(f"steps of {settings['stage']}") as progress:
        outcome = train(
            Settings.of(**given),
            data,
            out,
            device=device,
            workers=cores() if workers is None else workers,
            minutes=minutes,
            tell=progress,
        )
    click.echo(outcome.text)


def _each_once(folders: tuple[tuple[str, Path], ...]) -> dict[str, Path]:
    names = [name for name, _ in folders]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"--corpus {twice[0]}: given twice, expected one folder a corpus")
    return dict(folders)


def _fetch(orders: Iterable[Order]) -> None:
    """Say size and licence of each, then download it."""
    from kbbench.corpora.download import download as fetch

    for order in orders:
        click.echo(order.text, err=True)
        with _progress(f"megabytes of {order.layout.name}") as progress:
            fetch(order, progress)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with an estimate on a terminal; a line now and then elsewhere."""
    from kbbench.report.terminal import ProgressLine

    with ProgressLine(what) as line:
        yield line.update


@main.command("new-model")
@click.argument("name")
@click.option(
    "--task",
    type=click.Choice(["separation", "target_speech", "enhancement"]),
    default="enhancement",
    show_default=True,
)
def new_model(name: str, task: str) -> None:
    """Write NAME.py: a commented triple that works, to be changed into yours."""
    from kbbench.models.template import new_model

    path = new_model(name, task, Path())
    click.echo(f"{path}: a triple for {task}; try it with `kbbench check {path}`")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@_task
@click.pass_context
def check(ctx: click.Context, model: Path, task: str | None) -> None:
    """Try the triple in MODEL on two seconds of sound; exit 1 names everything that is wrong."""
    from kbbench.check import check_file
    from kbbench.report.check import show_report

    report = check_file(model, task)
    show_report(model, report)
    ctx.exit(0 if report.right else 1)
