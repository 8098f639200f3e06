"""The command that trains a reference network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kbbench.cli import options
from kbbench.cli.progress import progress

STAGES = ("small", "small2", "baseline", "large", "boosted", "film", "output", "distilled")


@click.command()
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True)
@click.option(
    "--stage",
    type=click.Choice(STAGES),
    required=True,
    help="What to train; large goes before boosted, film, output and distilled.",
)
@click.option(
    "--out", type=options.FOLDER, required=True, help="Folder of all stages: new, or begun."
)
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    help="Weights to begin with, of the same stage, or small ones for small2, distilled and a "
    "device with hints [random ones].",
)
@click.option(
    "--refine",
    type=click.Path(path_type=Path),
    help="Weights of a device without hints whose estimates the large network is to refine.",
)
@options.corpus_folders()
@click.option("--mixtures", type=click.IntRange(1), help="Of training [the recipe's number].")
@click.option("--steps", type=click.IntRange(1), help="Of the optimizer [100000].")
@click.option("--batch-size", type=click.IntRange(1), help="Clips a step [8].")
@click.option("--clip", "clip_s", type=click.FloatRange(0.1), help="Seconds of each clip [4].")
@click.option(
    "--speed", "speeds_percent", type=options.Speeds(), help="Of each clip, such as 0.9-1.1 [1]."
)
@click.option(
    "--gain", "gain_db", type=click.FloatRange(0), help="Louder or quieter by up to so many dB [0]."
)
@click.option("--mirror", is_flag=True, default=None, help="Swap the ears of every other clip.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="[0.001]")
@click.option(
    "--optimizer",
    type=click.Choice(("adamw", "muon")),
    help="AdamW, or Muon for the matrices of layers and AdamW for the rest [adamw].",
)
@click.option(
    "--average",
    "average_steps",
    type=click.IntRange(0),
    help="Validate and keep the mean of the weights after about so many last steps [0].",
)
@click.option("--warm-up", "warm_up_steps", type=click.IntRange(0), help="Steps [500].")
@click.option(
    "--delays", "delays_chunks", type=options.Delays(), help="Of hints, drawn a clip [0-6]."
)
@click.option("--hint-loss", type=click.FloatRange(0, 0.99), help="Chance that one is lost [0].")
@click.option("--compression", type=int, help="Of the large network's hints: 1, 2 or 4 [4].")
@click.option(
    "--cache-hints",
    is_flag=True,
    default=None,
    help="Compute the frozen large network's hints once, 2 MB a mixture of 5 s.",
)
@click.option("--tune-large", is_flag=True, default=None, help="Train it with the device.")
@click.option(
    "--talker-steps",
    type=click.IntRange(0),
    help="In which talkers are learnt to be told apart, before the rest [0].",
)
@click.option(
    "--d-vector",
    is_flag=True,
    default=None,
    help="Let the large network know voices by a pretrained one too.",
)
@click.option("--validate-every", type=click.IntRange(1), help="Steps [1000].")
@click.option("--validation-mixtures", type=click.IntRange(1), help="[50]")
@click.option("--patience", type=click.IntRange(0), help="Validations without a better one [0].")
@click.option("--seed", type=int, help="[0; 1 for small2]")
@click.option("--bf16", is_flag=True, default=None, help="Compute in bfloat16.")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda")
@click.option("--workers", type=click.IntRange(0), default=None, help="Processes [all cores].")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="That share each step: GPUs, or parts of the cores.",
)
@click.option(
    "--decoded",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the mixtures as plain samples here, 1 MB each: a GPU does not wait for FLAC.",
)
@click.option("--minutes", type=click.FloatRange(0), help="Stop then; the same command carries on.")
@click.option(
    "--tensorboard", is_flag=True, help="Curves for it beside log.csv; needs kbbench[tensorboard]."
)
def train(
    recipes: tuple[str, ...],
    out: Path,
    start: Path | None,
    refine: Path | None,
    folders: dict[str, Path],
    mixtures: int | None,
    device: str,
    workers: int | None,
    processes: int,
    decoded: Path | None,
    minutes: float | None,
    tensorboard: bool,
    **settings: Any,
) -> None:
    """Train a reference network on RECIPE: a recipe, rendered as it goes, or a dataset folder.

    Of several it hears the mixtures of all.
    """
    from kbbench.baselines.training import Settings, decoded_in, joined, open_data, train
    from kbbench.pool import cores

    given = {name: value for name, value in settings.items() if value is not None}
    parts = [open_data(recipe, folders, mixtures) for recipe in recipes]
    if decoded is not None:
        with progress("mixtures decoded") as tell:
            parts = [decoded_in(decoded, data, tell) for data in parts]
    data = joined(parts)
    outcome = train(
        Settings.of(**given),
        data,
        out,
        start=start,
        refine=refine,
        device=device,
        workers=cores() // processes if workers is None else workers,
        processes=processes,
        minutes=minutes,
        tensorboard=tensorboard,
        show=progress,
    )
    click.echo(outcome.text)


COMMANDS = (train,)
