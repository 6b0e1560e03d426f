"""`euryale rehearse`: what a job would do, without doing it."""

import asyncio
import sys
from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from euryale.cli.options import AddressOption, AppOption, NamespaceOption, OutputOption
from euryale.cli.run import DATA_VARIABLE, data_texts
from euryale.cli.screen import FAILED, Screen, reporting

if TYPE_CHECKING:
    from euryale.jobs.job import Job
    from euryale.project import Project
    from euryale.rehearsal.rehearsal import Rehearsed
    from euryale.rehearsal.stage import FailAt, Stage


def rehearse(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.")],
    *,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            envvar=DATA_VARIABLE,
            metavar="JSON|FIELD=VALUE",
            help="What the handler gets as `data`: a JSON object instead of what the config says "
            "(`-` reads it from the standard input), or single fields over it; repeatable.",
        ),
    ] = None,
    fail_at: Annotated[
        str | None,
        typer.Option(
            "--fail-at",
            envvar="EURYALE_FAIL_AT",
            metavar="STEP[#N]",
            help="Let a step, mutation or read fail, or its Nth call, and show what would follow.",
        ),
    ] = None,
    patience: Annotated[
        float,
        typer.Option(
            "--patience",
            envvar="EURYALE_PATIENCE",
            metavar="SECONDS",
            min=1,
            help="How long nothing new may be seen.",
        ),
    ] = 60,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(
            "--log-level",
            envvar="EURYALE_LOG_LEVEL",
            help="Show what is logged from this level on, on the standard error.",
        ),
    ] = None,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Tell what a job would do now: its reads are real, and nothing is changed."""
    with reporting(output) as screen:
        from euryale.cli.rehearsal_report import as_dict, report  # noqa: PLC0415 -- slow to import
        from euryale.jobs.given_data import given_data  # noqa: PLC0415
        from euryale.logs import configure_logs, write_to  # noqa: PLC0415
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.rehearsal.rehearsal import parse_fail_at  # noqa: PLC0415

        configure_logs(
            level=log_level or "error",
            as_json=False,
            colors=sys.stderr.isatty(),
            # The lines of a handler say that something was done, where nothing is.
            write=write_to(sys.stderr) if log_level else lambda _: None,
        )
        project = load_project(app)
        job = project.job(name)
        given = given_data(data_texts(context, data or ()), job)
        failing = None if fail_at is None else parse_fail_at(fail_at, project.registry)
        rehearsed = asyncio.run(
            _rehearse(
                screen,
                project,
                job,
                given,
                failing,
                patience=timedelta(seconds=patience),
                address=address,
                namespace=namespace,
            )
        )
        screen.result(as_dict(rehearsed), *report(rehearsed))
        if not rehearsed.answered:
            raise typer.Exit(FAILED)


async def _rehearse(
    screen: Screen,
    project: "Project",
    job: "Job",
    data: dict[str, Any],
    fail_at: "FailAt | None",
    *,
    patience: timedelta,
    address: str | None,
    namespace: str | None,
) -> "Rehearsed":
    from temporalio.runtime import Runtime, TelemetryConfig  # noqa: PLC0415 -- slow to import

    from euryale.rehearsal.rehearsal import rehearse as carry_out  # noqa: PLC0415 -- slow to import
    from euryale.server.connection import connect  # noqa: PLC0415

    # Temporal's core would write its own lines among the answer: it has no other place for them.
    Runtime.set_default(
        Runtime(telemetry=TelemetryConfig(logging=None)), error_if_already_set=False
    )
    client = await connect(address=address, namespace=namespace)
    live = not screen.as_json and screen.console.is_terminal
    status = screen.console.status(f"rehearsing {job.name}") if live else None

    def tell(stage: "Stage") -> None:
        if status is not None:
            status.update(f"rehearsing {job.name}: {len(stage.noted):,} calls noted")

    with status or nullcontext():
        return await carry_out(
            client,
            project.app,
            project.registry,
            job,
            data,
            root=project.root,
            fail_at=fail_at,
            patience=patience,
            tell=tell,
        )
