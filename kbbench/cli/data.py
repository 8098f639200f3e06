"""Commands on data: what there is, making, proving and giving it away."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kbbench.cli import options
from kbbench.cli.progress import progress

if TYPE_CHECKING:
    from kbbench.corpora.download import Order
    from kbbench.scenes.store import Storage


@click.command()
def recipes() -> None:
    """List the recipes that come with kbbench."""
    from kbbench.report.terminal import show_recipes
    from kbbench.scenes.recipe import available, load_recipe

    show_recipes([load_recipe(name) for name in available()])


@click.command()
def corpora() -> None:
    """List the corpora that recipes can draw from."""
    from kbbench.corpora import CORPORA
    from kbbench.report.terminal import show_corpora

    show_corpora(list(CORPORA.values()))


@click.command("make-data")
@click.argument("recipe")
@click.option(
    "--out", type=options.FOLDER, required=True, help="Dataset folder: new, empty, or begun."
)
@options.workers
@options.corpus_folders()
@click.option(
    "--download", "store", type=options.FOLDER, help="Fetch what --corpus does not give, here."
)
@click.option(
    "--format",
    "storage",
    type=click.Choice(["flac", "tar"]),
    help="A folder of FLAC a mixture, or tar shards [flac, or what the folder holds].",
)
@click.option("--dask", metavar="ADDRESS", help="Of a Dask scheduler whose workers do the work.")
@click.option("--shard", type=options.Shard(), help="Make part I of N; then, without it, complete.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost, and write nothing.")
def make_data(
    recipe: str,
    out: Path,
    workers: int | None,
    folders: dict[str, Path],
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
    given = dict(folders)
    power: Workers = dask or workers or cores()
    if store is not None and not dry_run:
        missing = orders(loaded.corpora, given, store)
        _fetch(missing.values())
        given |= {name: order.folder for name, order in missing.items()}
    for line in restrictions(loaded.corpora):
        click.echo(f"note: {line}", err=True)
    if dry_run:
        with progress("mixtures sampled") as tell:
            estimate = estimate_dataset(loaded, workers or cores(), tell, given, storage or "flac")
        show_estimate(loaded, estimate)
        return
    if shard is not None:
        with progress(f"mixtures of {loaded.name}, shard {shard[0]}/{shard[1]}") as tell:
            count = make_shard(loaded, out.absolute(), power, shard, tell, given, storage)
        click.echo(f"{out}: {count} mixtures of shard {shard[0]}/{shard[1]} are there")
        return
    with progress(f"mixtures of {loaded.name}") as tell:
        dataset = make_dataset(loaded, out.absolute(), power, tell, given, storage)
    show_dataset(dataset)


@click.command("verify-data")
@click.argument("folder", type=options.FOLDER)
@options.workers
@click.option(
    "--render",
    type=options.Count(),
    metavar="N|all",
    help="Render so many mixtures again, and compare them with the files.",
)
@options.corpus_folders(", for --render")
@click.pass_context
def verify_data(
    ctx: click.Context,
    folder: Path,
    workers: int | None,
    render: int | None,
    folders: dict[str, Path],
) -> None:
    """Prove that the dataset in FOLDER is what its plan says; exit 1 names all that is not."""
    from kbbench.pool import cores
    from kbbench.report.terminal import show_rendered, show_verdict
    from kbbench.scenes.rerender import render_again
    from kbbench.scenes.verify import verify_dataset

    with progress("mixtures verified") as tell:
        verdict = verify_dataset(folder, workers or cores(), tell)
    show_verdict(folder, verdict)
    findings = verdict.findings
    if render is not None:
        with progress("mixtures rendered again") as tell:
            rendered = render_again(folder, render, workers or cores(), tell, folders)
        show_rendered(rendered)
        findings += rendered.findings
    ctx.exit(1 if findings else 0)


@click.command()
@click.argument("folder", type=options.FOLDER)
@click.option("--format", "form", required=True, metavar="lhotse|kaldi|webdataset|flac|card")
@click.option("--out", type=options.FOLDER, required=True, help="A new or empty folder.")
@click.option("--relative", is_flag=True, help="Paths relative to --out; else absolute.")
def export(folder: Path, form: str, out: Path, relative: bool) -> None:
    """Give the dataset in FOLDER to Lhotse, Kaldi or ESPnet, keep it as tars, or write a card."""
    from kbbench.scenes.export import export_dataset

    files = export_dataset(folder, form, out, relative)
    click.echo(f"{out}: {len(files)} files, {form}")


@click.command()
@click.argument("corpus")
@click.option("--to", "folder", type=options.FOLDER, required=True, help="New, empty, or begun.")
@click.option("--subset", "subsets", multiple=True, help="Only this part; once for each.")
def download(corpus: str, folder: Path, subsets: tuple[str, ...]) -> None:
    """Fetch CORPUS, a name from `kbbench corpora`, with its checksum; carries on when cut off."""
    from kbbench.corpora.download import order

    _fetch([order(corpus, folder, subsets)])
    click.echo(f"use it with: --corpus {corpus}={folder}")


def _fetch(orders: Iterable[Order]) -> None:
    """Say size and licence of each, then download it."""
    from kbbench.corpora.download import download as fetch

    for order in orders:
        click.echo(order.text, err=True)
        with progress(f"megabytes of {order.layout.name}") as tell:
            fetch(order, tell)


COMMANDS = (recipes, corpora, make_data, verify_data, export, download)
