"""The command `euryale`.

What is slow to import (Temporal's SDK, the application) is imported by the command that needs it,
so that `--help` answers at once.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from euryale.cli.dev import dev
from euryale.cli.jobs import check, list_jobs, next_firings
from euryale.cli.run import run
from euryale.cli.worker import worker

cli = typer.Typer(
    name="euryale",
    help="Medusa-style scheduled jobs as Temporal schedules and durable workflows.",
    no_args_is_help=True,
    add_completion=False,
    # Errors are printed as sentences; see `screen.reporting`.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.command("dev")(dev)
cli.command("worker")(worker)
cli.command("list")(list_jobs)
cli.command("run")(run)
cli.command("next")(next_firings)
cli.command("check")(check)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 -- slow, and rarely wanted

        print(f"euryale {version('euryale')}")  # noqa: T201 -- it is the command's output
        raise typer.Exit


@cli.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Stand before every command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: The command and its options; by default those of the process.

    Raises:
        SystemExit: Always: 0, 1 if the command failed, 2 if it was called wrongly.
    """
    try:
        cli(args=None if arguments is None else list(arguments), prog_name="euryale")
    except BrokenPipeError:
        # The reader of a pipe has seen enough, as `head` does. Python would complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
