"""The command `euryale`.

What is slow to import (Temporal's SDK, the application) is imported by the command that needs it,
so that `--help` answers at once.
"""

import atexit
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from euryale.cli.apply import apply
from euryale.cli.backfill import backfill
from euryale.cli.calendar import calendar
from euryale.cli.cancel import cancel
from euryale.cli.dev import dev
from euryale.cli.dst import dst
from euryale.cli.freeze import freeze, thaw
from euryale.cli.imports import imports
from euryale.cli.jobs import check, list_jobs
from euryale.cli.next import next_firings
from euryale.cli.pause import pause, resume
from euryale.cli.plan import plan
from euryale.cli.rehearse import rehearse
from euryale.cli.run import run
from euryale.cli.run_logs import logs
from euryale.cli.runs import runs
from euryale.cli.show import show
from euryale.cli.simulate import simulate
from euryale.cli.undo import undo
from euryale.cli.why import why
from euryale.cli.worker import worker

cli = typer.Typer(
    name="euryale",
    help="Medusa-style scheduled jobs as Temporal schedules and durable workflows.",
    no_args_is_help=True,
    add_completion=False,
    # Errors are printed as sentences; see `screen.reporting`.
    pretty_exceptions_enable=False,
    # Boxes around the help would cost as much time as all the rest: they bring a Markdown parser.
    rich_markup_mode=None,
    # A wide terminal shows what a command does without cutting it off.
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
cli.command("dev")(dev)
cli.command("worker")(worker)
cli.command("list")(list_jobs)
cli.command("show")(show)
cli.command("plan")(plan)
cli.command("apply")(apply)
cli.command("run")(run)
cli.command("rehearse")(rehearse)
cli.command("cancel")(cancel)
cli.command("undo")(undo)
cli.command("runs")(runs)
cli.command("logs")(logs)
cli.command("pause")(pause)
cli.command("resume")(resume)
cli.command("freeze")(freeze)
cli.command("thaw")(thaw)
cli.command("backfill")(backfill)
cli.command("why")(why)
cli.command("next")(next_firings)
cli.command("calendar")(calendar)
cli.command("dst")(dst)
cli.command("simulate")(simulate)
cli.command("check")(check)
cli.add_typer(imports, name="import")


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


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process.

    The exit code is 0, 1 if the command failed, or 2 if it was called wrongly.

    Args:
        arguments: The command and its options; by default those of the process.
    """
    try:
        cli(args=None if arguments is None else list(arguments), prog_name="euryale")
    except SystemExit as done:
        _leave(done.code if isinstance(done.code, int) else int(done.code is not None))
    _leave(0)


def _leave(code: int) -> NoReturn:
    """End the process without tearing the interpreter down.

    The threads of Temporal's core may still answer a poll that was given up, and a process that
    is being torn down crashes on that, with an exit code of its own.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 -- what libraries asked to be done at the end
    for stream in (sys.stdout, sys.stderr):
        # The reader of a pipe may have seen enough and gone, as `head` does.
        with suppress(BrokenPipeError, AttributeError):  # None, where the stream is closed
            stream.flush()
    os._exit(code)
