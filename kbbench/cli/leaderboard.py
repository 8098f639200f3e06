"""Commands of the leaderboard: submit a run, check submissions, run one again."""

from __future__ import annotations

from pathlib import Path

import click

from kbbench.cli import options
from kbbench.cli.progress import progress

SUBMISSIONS = Path("leaderboard/submissions")
REPRODUCTIONS = Path("leaderboard/reproductions")
OUT = Path("leaderboard")


@click.command()
@click.argument("run", type=options.FOLDER)
@click.option("--name", required=True, help="Of the row: 2 to 60 letters, digits and -_.,+()/@:")
@click.option("--contact", required=True, help="Whom to ask: a mail address, a page, a handle.")
@click.option("--paper", metavar="URL", help="https address of a paper.")
@click.option("--code", metavar="URL", help="https address of the code.")
@click.option(
    "--card",
    type=click.Path(path_type=Path),
    help="A text file: what it is, what it was trained on, what to know.",
)
@click.option(
    "--bound", is_flag=True, help="Shown without a rank: an oracle, or the mixture as it is."
)
@click.option(
    "--out", type=options.FOLDER, default=SUBMISSIONS, show_default=True, help="Folder of the file."
)
def submit(
    run: Path,
    name: str,
    contact: str,
    paper: str | None,
    code: str | None,
    card: Path | None,
    bound: bool,
    out: Path,
) -> None:
    """Make of a finished RUN the one JSON file that is submitted by pull request.

    What does not rank is refused, with all reasons: a run whose audit failed or was left out, other
    data or splits than the recipe's, delays that are missing.
    """
    from kbbench.leaderboard import make_submission, write_submission
    from kbbench.leaderboard.submit import read_card

    submission = make_submission(
        run,
        name=name,
        contact=contact,
        paper=paper,
        code=code,
        card="" if card is None else read_card(card),
        kind="bound" if bound else "entry",
    )
    path = write_submission(submission, out)
    click.echo(f"{path}: add it in a pull request; leaderboard/README.md says how")


@click.group()
def leaderboard() -> None:
    """Check submissions, run one again, build the tables and the site."""


@leaderboard.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1)
@click.option("--submissions", type=options.FOLDER, default=SUBMISSIONS, show_default=True)
@click.pass_context
def validate(ctx: click.Context, files: tuple[Path, ...], submissions: Path) -> None:
    """Check FILES, or every submission, against all that must hold; exit 1 names what does not."""
    from kbbench.leaderboard import validate_folder

    checked = validate_folder(submissions, files)
    for one in checked:
        for problem in one.problems:
            click.echo(f"{one.path.name}: {problem.check}: {problem.text}", err=True)
    wrong = sum(bool(one.problems) for one in checked)
    click.echo(f"{len(checked)} submissions, {wrong} with problems")
    ctx.exit(1 if wrong else 0)


@leaderboard.command()
@click.argument("submission", type=click.Path(path_type=Path))
@options.model
@click.option(
    "--data", type=options.FOLDER, required=True, help="A folder made by `kbbench make-data`."
)
@click.option("--mixtures", type=click.IntRange(1), default=12, show_default=True)
@options.workers
@click.option("--out", type=options.FOLDER, default=REPRODUCTIONS, show_default=True)
@options.verbose
@click.pass_context
def reproduce(
    ctx: click.Context,
    submission: Path,
    model: Path,
    data: Path,
    mixtures: int,
    workers: int | None,
    out: Path,
) -> None:
    """Run MODEL on a sample of SUBMISSION's mixtures, and compare; exit 1 where it differs.

    The sample is drawn from the submission's hash. What came of it is written to --out: the badge
    "reproduced" rests on that file.
    """
    from kbbench.leaderboard import read_submission, reproduce
    from kbbench.leaderboard.reproduce import write_reproduction
    from kbbench.pool import cores

    claimed = read_submission(submission)
    with progress(f"mixtures of {claimed.name} again") as tell:
        found = reproduce(
            claimed, model, data, mixtures=mixtures, workers=workers or cores(), progress=tell
        )
    path = write_reproduction(found, claimed, out)
    for name, difference in found.differences.items():
        click.echo(f"{name}: at most {difference:g} off, {found.tolerances[name]:g} allowed")
    model_says = "the same model" if found.same_model else "another model (file or weights differ)"
    verdict = "reproduced" if found.reproduced else "not reproduced"
    click.echo(
        f"{verdict}: {found.off} of {found.scores} scores of {len(found.mixtures)} mixtures are "
        f"off, {model_says}: {path}"
    )
    ctx.exit(0 if found.reproduced else 1)


@leaderboard.command()
@click.option("--submissions", type=options.FOLDER, default=SUBMISSIONS, show_default=True)
@click.option("--reproductions", type=options.FOLDER, default=REPRODUCTIONS, show_default=True)
@click.option(
    "--out",
    type=options.FOLDER,
    default=OUT,
    show_default=True,
    help="Folder of the tables, and of site/.",
)
def build(submissions: Path, reproductions: Path, out: Path) -> None:
    """Write the tables (CSV, Markdown) and the static site of all submissions.

    What an earlier build wrote is replaced, all at once; nothing else in the folder is touched.
    """
    from kbbench.leaderboard import build

    built = build(submissions, reproductions, out)
    click.echo(f"{built.rows} submissions in {built.tracks} tracks: {built.page}")


COMMANDS = (submit, leaderboard)
