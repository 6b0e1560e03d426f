"""`euryale list`, `euryale next` and `euryale check`: what the job files say."""

import asyncio
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from euryale.cli.options import AddressOption, AppOption, NamespaceOption, OutputOption
from euryale.cli.screen import FAILED, error_line, reporting
from euryale.cli.times import distance, moment

if TYPE_CHECKING:
    from euryale.cli.job_table import JobLine
    from euryale.errors import EuryaleError
    from euryale.project import Project

_MOST_FIRINGS = 1_000


def list_jobs(
    *,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """List the jobs: when each runs next, and what Temporal holds of its schedule."""
    with reporting(output) as screen:
        from euryale.cli.job_table import job_lines, job_table  # noqa: PLC0415 -- slow to import
        from euryale.project import load_project  # noqa: PLC0415

        project = load_project(app)
        lines = job_lines(project.registry.jobs.values(), datetime.now(UTC))
        lines, away = asyncio.run(_ask(project, lines, address, namespace))
        screen.result(
            {
                "app": project.app.name,
                "task_queue": project.app.queue,
                "server_error": away and away.as_dict(),
                "jobs": [line.as_dict() for line in lines],
                "errors": [error.as_dict() for error in project.registry.errors],
            },
            *([job_table(lines)] if lines else ["there are no jobs"]),
            *(error_line(error) for error in project.registry.errors),
        )
        if away is not None:
            screen.note(f"what Temporal holds is not shown: {away}")


async def _ask(
    project: "Project",
    lines: "tuple[JobLine, ...]",
    address: str | None,
    namespace: str | None,
) -> "tuple[tuple[JobLine, ...], EuryaleError | None]":
    from temporalio.service import RPCError  # noqa: PLC0415 -- slow to import

    from euryale.cli.job_table import with_held  # noqa: PLC0415
    from euryale.connection import connect, translate  # noqa: PLC0415
    from euryale.errors import EuryaleError  # noqa: PLC0415

    try:
        client = await connect(address=address, namespace=namespace)
        return await with_held(lines, client, project), None
    except EuryaleError as error:
        return lines, error
    except RPCError as error:
        return lines, translate(error)


def next_firings(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.")],
    *,
    count: Annotated[
        int,
        typer.Option(
            "-n",
            "--count",
            envvar="EURYALE_COUNT",
            min=1,
            max=_MOST_FIRINGS,
            help="How many firings.",
        ),
    ] = 5,
    app: AppOption = None,
    output: OutputOption = "text",
) -> None:
    """Show when a job fires next, by its cron expression and time zone alone."""
    with reporting(output) as screen:
        from euryale.clock import firings  # noqa: PLC0415 -- slow to import
        from euryale.cron import CronExpression  # noqa: PLC0415
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.words import in_words  # noqa: PLC0415

        job = load_project(app).job(name)
        expression = CronExpression.parse(job.config.schedule, where=job.where, name=job.name)
        now = datetime.now(UTC)
        times = list(islice(firings(expression, job.config.time_zone, after=now), count))
        words = in_words(expression)
        table = Table.grid(padding=(0, 3, 0, 0))
        for time in times:
            table.add_row(moment(time), Text(f"in {distance(time - now)}", style="dim"))
        screen.result(
            {
                "name": job.name,
                "schedule": job.config.schedule,
                "time_zone": job.config.time_zone,
                "words": words,
                "times": [time.isoformat() for time in times],
            },
            Text.assemble((job.name, "cyan"), f"  {words} ({job.config.time_zone})"),
            table if times else "it never fires",
        )


def check(*, app: AppOption = None, output: OutputOption = "text") -> None:
    """Import and validate every job file, without a server; fail if anything is wrong."""
    with reporting(output) as screen:
        from euryale.durability import check_durability  # noqa: PLC0415 -- slow to import
        from euryale.plugin import EuryalePlugin  # noqa: PLC0415
        from euryale.project import load_project  # noqa: PLC0415

        project = load_project(app)
        # The plugin refuses whatever a worker would refuse at its start.
        EuryalePlugin(project.app, root=project.root)
        problems: list[EuryaleError] = list(project.registry.errors)
        good = []
        for job in project.registry.jobs.values():
            found = check_durability(job)
            problems.extend(found)
            if not found:
                good.append(job)
        jobs = "job" if len(good) == 1 else "jobs"
        summary = f"{len(good)} {jobs} ok, " + (
            f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}"
            if problems
            else "no problems"
        )
        screen.result(
            {
                "ok": not problems,
                "jobs": [{"name": job.name, "where": job.where} for job in good],
                "errors": [problem.as_dict() for problem in problems],
            },
            *(Text.assemble(("ok    ", "green"), f"{job.where}: {job.name}") for job in good),
            *(error_line(problem) for problem in problems),
            Text(summary, style="bold red" if problems else "bold green"),
        )
        if problems:
            raise typer.Exit(FAILED)
