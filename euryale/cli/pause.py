"""`euryale pause` and `euryale resume`: whether schedules fire, and whether sweeps go on."""

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
    from euryale.cli.sweep_pauses import Asked
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

_RunOption = Annotated[
    str | None,
    typer.Option(
        "--run",
        envvar="EURYALE_RUN",
        metavar="RUN",
        help="Instead of schedules, the sweeps of one run: its workflow id, what of that comes "
        "after the application's name, or its run id.",
    ),
]


def pause(
    names: _NamesArgument = None,
    *,
    every: _AllOption = False,
    run: _RunOption = None,
    note: NoteOption = "",
    operator: OperatorOption = None,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Pause the schedules of some jobs, which start no runs then, or the sweeps of one run."""
    with reporting(output) as screen:
        patterns = _patterns(names, every=every, run=run)
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.runs.operators import operator_name  # noqa: PLC0415
        from euryale.schedules import pauses  # noqa: PLC0415 -- slow to import

        said = pauses.PauseNote(operator or operator_name(), datetime.now(UTC), note)
        if run is not None:
            _change_sweeps(
                screen, app, run, "pause", (str(said), note), server=(address, namespace)
            )
            return
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
    run: _RunOption = None,
    note: NoteOption = "",
    operator: OperatorOption = None,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Resume the schedules of some jobs or the sweeps of one run, whoever paused them."""
    with reporting(output) as screen:
        patterns = _patterns(names, every=every, run=run)
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.runs.operators import operator_name  # noqa: PLC0415
        from euryale.schedules import pauses  # noqa: PLC0415 -- slow to import

        said = pauses.resume_note(operator or operator_name(), datetime.now(UTC), note)
        if run is not None:
            _change_sweeps(screen, app, run, "resume", (said, note), server=(address, namespace))
            return
        asyncio.run(
            _change(
                screen,
                load_project(app),
                patterns,
                lambda held: pauses.resume(held, said),
                server=(address, namespace),
            )
        )


def _patterns(names: Sequence[str] | None, *, every: bool, run: str | None) -> tuple[str, ...]:
    if run is not None and (every or names):
        raise typer.BadParameter("give jobs, or the --run whose sweeps are meant, not both")
    if every and names:
        raise typer.BadParameter("give names and patterns, or --all, not both")
    if not every and not names and run is None:
        raise typer.BadParameter("name the jobs, or give --all")
    return ("*",) if every else tuple(names or ())


def _change_sweeps(
    screen: Screen,
    app: str | None,
    run: str,
    asked: "Asked",
    said: tuple[str, str],
    *,
    server: tuple[str | None, str | None],
) -> None:
    from euryale.cli.sweep_pauses import change_sweeps  # noqa: PLC0415 -- slow to import
    from euryale.project import load_project  # noqa: PLC0415

    name = load_project(app).app.name
    line, why = said[0], bool(said[1].strip())
    asyncio.run(change_sweeps(screen, name, run, asked, line, said=why, server=server))


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
