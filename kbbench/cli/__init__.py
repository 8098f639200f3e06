"""The command line: one call each, no logic.

Heavy modules are imported by the commands that need them: ``kbbench --help`` stays quick, and
worker processes, which import this package anew, pin their threads before NumPy is loaded.
"""

from __future__ import annotations

import traceback
from typing import Any

import click

from kbbench import __version__
from kbbench.cli import data, leaderboard, live, models, training
from kbbench.cli.options import VERBOSE
from kbbench.errors import InputError, ModelError, one_line
from kbbench.memory import keep_freed_memory


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
    keep_freed_memory()


for area in (data, models, live, leaderboard, training):
    for command in area.COMMANDS:
        main.add_command(command)
