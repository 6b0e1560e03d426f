"""`euryale plan`: what applying the schedules would change, without changing anything."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from euryale.cli.options import (
    AddressOption,
    AppOption,
    NamespaceOption,
    OutputOption,
    ReleaseOption,
    SequenceOption,
)
from euryale.cli.screen import error_line, reporting

if TYPE_CHECKING:
    from euryale.cli.plan_report import PlanReport

DRIFT = 2
"""The exit code of `--check` where Temporal doesn't hold what the jobs ask for."""

DeepOption = Annotated[
    bool,
    typer.Option(
        "--deep",
        envvar="EURYALE_DEEP",
        help="Describe each schedule, some 65 a second: finds also what was changed by hand where "
        "a list doesn't show it, which is the data, the task queue and the policies.",
    ),
]


def plan(
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            envvar="EURYALE_CHECK",
            help="Exit 2 if there is anything to change, as a build wants it.",
        ),
    ] = False,
    deep: DeepOption = False,
    release: ReleaseOption = None,
    sequence: SequenceOption = None,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Show what `apply --prune`, or the start of a worker, would change; change nothing."""
    with reporting(output) as screen:
        from euryale.cli.plan_report import plan_lines, plan_report  # noqa: PLC0415
        from euryale.project import given_release, load_project  # noqa: PLC0415
        from euryale.schedules.apply import wish_of  # noqa: PLC0415 -- slow to import
        from euryale.server.connection import connect  # noqa: PLC0415

        project = load_project(app)
        given = given_release(project, release, sequence)

        async def report() -> "PlanReport":
            client = await connect(address=address, namespace=namespace)
            return await plan_report(
                client, wish_of(project.app, project.registry, given, deep=deep)
            )

        report_made = asyncio.run(report())
        errors = project.registry.errors
        screen.result(
            report_made.as_dict() | {"errors": [error.as_dict() for error in errors]},
            *plan_lines(report_made),
            *(error_line(error) for error in errors),
        )
        if check and (report_made.has_drift or errors):
            raise typer.Exit(DRIFT)
