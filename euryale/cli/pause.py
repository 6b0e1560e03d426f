"""`euryale pause` and `euryale resume`: whether some of the schedules fire."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from euryale.cli.options import (
    AddressOption,
    AppOption,
    NamespaceOption,
    OperatorOption,
    OutputOption,
)
from euryale.cli.screen import Screen, reporting

if TYPE_CHECKING:
    from euryale.project import Project
    from euryale.schedules.pausing import Rule

_NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME|PATTERN...",
        help="Jobs' names, or patterns such as 'report-*', in quotes.",
    ),
]

NoteOption = Annotated[
    str,
    typer.Option(
        "--note",
        envvar="EURYALE_NOTE",
        metavar="TEXT",
        help="Why, in a line; the Web UI shows it too.",
    ),
]

_AllOption = Annotated[
    bool, typer.Option("--all", envvar="EURYALE_ALL", help="All jobs of the application.")
]


def pause(
    names: _NamesArgument = None,
    *,
    every: _AllOption = False,
    note: NoteOption = "",
    operator: OperatorOption = None,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Pause the schedules of some jobs: they start no runs until they are resumed."""
    with reporting(output) as screen:
        patterns = _patterns(names, every=every)
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.runs.operators import operator_name  # noqa: PLC0415
        from euryale.schedules import pauses  # noqa: PLC0415 -- slow to import

        said = pauses.PauseNote(operator or operator_name(), datetime.now(UTC), note)
        asyncio.run(
            _change(
                screen,
                load_project(app),
                patterns,
                lambda held: pauses.pause(held, said),
                server=(address, namespace),
            )
        )


def resume(
    names: _NamesArgument = None,
    *,
    every: _AllOption = False,
    note: NoteOption = "",
    operator: OperatorOption = None,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Resume the schedules of some jobs, whoever paused them."""
    with reporting(output) as screen:
        patterns = _patterns(names, every=every)
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.runs.operators import operator_name  # noqa: PLC0415
        from euryale.schedules import pauses  # noqa: PLC0415 -- slow to import

        said = pauses.resume_note(operator or operator_name(), datetime.now(UTC), note)
        asyncio.run(
            _change(
                screen,
                load_project(app),
                patterns,
                lambda held: pauses.resume(held, said),
                server=(address, namespace),
            )
        )


def _patterns(names: Sequence[str] | None, *, every: bool) -> tuple[str, ...]:
    if every and names:
        raise typer.BadParameter("give names and patterns, or --all, not both")
    if not every and not names:
        raise typer.BadParameter("name the jobs, or give --all")
    return ("*",) if every else tuple(names or ())


async def _change(
    screen: Screen,
    project: "Project",
    patterns: Sequence[str],
    rule: "Rule",
    *,
    server: tuple[str | None, str | None],
) -> None:
    from euryale.cli.pause_report import counting, report  # noqa: PLC0415 -- slow to import
    from euryale.schedules.pausing import change_pauses, choose, not_applied  # noqa: PLC0415
    from euryale.server.connection import connect  # noqa: PLC0415

    address, namespace = server
    client = await connect(address=address, namespace=namespace)
    app = project.app.name
    names = await choose(client, app, project.registry.jobs, patterns)
    with counting(screen) as told:
        changed = await change_pauses(client, app, names, rule, told)
    if all(each.outcome == "not applied yet" for each in changed):
        raise not_applied(app, *names[:3])
    report(screen, {"app": app}, changed)
