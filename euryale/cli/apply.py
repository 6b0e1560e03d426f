"""`euryale apply`: makes Temporal hold the schedules that the jobs ask for."""

import asyncio
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from euryale.cli.options import (
    AddressOption,
    AppOption,
    NamespaceOption,
    OutputOption,
    ReleaseOption,
    RollbackOption,
    SequenceOption,
)
from euryale.cli.plan import DeepOption
from euryale.cli.screen import FAILED, Screen, error_line, reporting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from euryale.schedules.apply import Applied, ApplyReport, Told, Wish

_MANY = 20
"""From how many schedules on it is told how far an apply is, where no bar can be shown."""


def apply(
    *,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            envvar="EURYALE_PRUNE",
            help="Remove the schedules whose job is gone, as the start of a worker does.",
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", envvar="EURYALE_YES", help="Don't show the plan and ask first."
        ),
    ] = False,
    deep: DeepOption = False,
    release: ReleaseOption = None,
    sequence: SequenceOption = None,
    rollback: RollbackOption = False,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Create, update, rename and remove schedules until Temporal holds what the jobs ask for."""
    with reporting(output) as screen:
        from euryale.project import given_release, load_project  # noqa: PLC0415
        from euryale.schedules.apply import wish_of  # noqa: PLC0415 -- slow to import

        project = load_project(app)
        given = given_release(project, release, sequence, rollback=rollback)
        wish = wish_of(project.app, project.registry, given, prune=prune, deep=deep)
        report = asyncio.run(_apply(screen, wish, address=address, namespace=namespace, yes=yes))
        errors = project.registry.errors
        if report is not None:
            screen.result(
                {
                    "app": project.app.name,
                    "release": report.release.name,
                    "sequence": report.sequence,
                    "schedules": [_as_dict(one) for one in report.applied],
                    "errors": [error.as_dict() for error in errors],
                },
                *(_line(one) for one in report.applied if one.outcome != "unchanged"),
                _summary(report),
                *(error_line(error) for error in errors),
            )
        if report is None or report.of("failed") or errors:
            raise typer.Exit(FAILED)


async def _apply(
    screen: Screen, wish: "Wish", *, address: str | None, namespace: str | None, yes: bool
) -> "ApplyReport | None":
    """Apply, once somebody has agreed where anybody can be asked.

    Returns:
        What it did; None where it was not agreed to.

    Raises:
        PruneRefused: Schedules would be removed, and nobody can be asked.
    """
    from euryale.schedules.apply import apply as apply_wish  # noqa: PLC0415 -- slow to import
    from euryale.server.connection import connect  # noqa: PLC0415

    _leave_output_to_result()
    client = await connect(address=address, namespace=namespace)
    asks = sys.stdin.isatty() and sys.stdout.isatty() and not screen.as_json
    if not yes and (asks or wish.prune):
        from euryale.cli.plan_report import plan_lines, plan_report  # noqa: PLC0415
        from euryale.errors import PruneRefused  # noqa: PLC0415

        report = await plan_report(client, wish)
        if asks:
            for line in plan_lines(report):
                screen.console.print(line, soft_wrap=True)
            if report.has_drift and not typer.confirm("Apply this?"):
                return None
        elif report.removed:
            schedules = "schedule" if len(report.removed) == 1 else "schedules"
            raise PruneRefused(
                f"the {schedules} of {', '.join(report.removed)} would be removed, and nobody can "
                "be asked",
                where="--prune",
                mend="add --yes, or look at `euryale plan` first",
            )
    with _shown(screen) as told:
        return await apply_wish(client, wish, told)


def _leave_output_to_result() -> None:
    """Keep what is logged out of the standard output, and what Temporal's core prints there."""
    import structlog  # noqa: PLC0415 -- slow to import
    from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig  # noqa: PLC0415

    # Where the standard error goes is looked up for each line: whoever calls this as a function
    # may have put something in its place.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    with suppress(RuntimeError):  # somebody in this process has connected already
        # What its warnings say of a server that is away, the command's error does.
        quiet = TelemetryConfig(logging=LoggingConfig(filter="ERROR"))
        Runtime.set_default(Runtime(telemetry=quiet))


@contextmanager
def _shown(screen: Screen) -> "Iterator[Told | None]":
    """Shows how far an apply is: a bar on a terminal, else a line now and then."""
    if screen.as_json:
        yield None
        return
    if not screen.console.is_terminal:
        yield lambda done, total, _: _tell_now_and_then(screen, done, total)
        return
    from rich.progress import Progress  # noqa: PLC0415 -- only where there is a terminal

    with Progress(console=screen.console, transient=True) as progress:
        task = progress.add_task("applying", total=None)
        yield lambda done, total, _: progress.update(task, completed=done, total=total)


def _tell_now_and_then(screen: Screen, done: int, total: int) -> None:
    if total >= _MANY and done * 10 // total > (done - 1) * 10 // total:
        screen.note(f"{done} of {total} schedules")


def _line(one: "Applied") -> Text:
    style = {"failed": "red", "removed": "red", "created": "green"}.get(one.outcome, "yellow")
    why = one.error or one.reason
    return Text.assemble((one.outcome.ljust(9), style), f" {one.id}", f": {why}" if why else "")


def _summary(report: "ApplyReport") -> Text:
    counts = Counter(one.outcome for one in report.applied)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    place = f"release {report.release.name}, number {report.sequence}"
    style = "bold red" if counts["failed"] else "bold green"
    return Text(f"{told or 'there are no jobs'} ({place})", style=style)


def _as_dict(one: "Applied") -> dict[str, str]:
    return {"id": one.id, "outcome": one.outcome, "error": one.error, "reason": one.reason}
