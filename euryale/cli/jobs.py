"""`euryale list` and `euryale check`: what the job files say."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from euryale.cli.options import AddressOption, AppOption, NamespaceOption, OutputOption
from euryale.cli.screen import FAILED, error_line, reporting

if TYPE_CHECKING:
    from euryale.cli.job_table import JobLine
    from euryale.errors import EuryaleError
    from euryale.jobs.job import Job
    from euryale.project import Project
    from euryale.registry import Registry


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
        lines = job_lines(project.registry, datetime.now(UTC))
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
    from euryale.errors import EuryaleError  # noqa: PLC0415
    from euryale.server.connection import connect, translate  # noqa: PLC0415

    try:
        client = await connect(address=address, namespace=namespace)
        return await with_held(lines, client, project), None
    except EuryaleError as error:
        return lines, error
    except RPCError as error:
        return lines, translate(error)


def check(*, app: AppOption = None, output: OutputOption = "text") -> None:
    """Import and validate every job file, without a server; fail if anything is wrong."""
    with reporting(output) as screen:
        from euryale.jobs.durability import check_durability  # noqa: PLC0415 -- slow to import
        from euryale.plugin import EuryalePlugin  # noqa: PLC0415
        from euryale.project import load_project  # noqa: PLC0415

        project = load_project(app)
        # The plugin refuses whatever a worker would refuse at its start.
        EuryalePlugin(project.app, root=project.root)
        replaced = project.registry.replaced
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
                "jobs": [
                    {
                        "name": job.name,
                        "where": job.where,
                        "plugin": job.source.plugin or None,
                        "replaces": [each.as_dict() for each in replaced.get(job.name, ())],
                    }
                    for job in good
                ],
                "errors": [problem.as_dict() for problem in problems],
            },
            *(_good_line(job, project.registry) for job in good),
            *(error_line(problem) for problem in problems),
            Text(summary, style="bold red" if problems else "bold green"),
        )
        if problems:
            raise typer.Exit(FAILED)


def _good_line(job: "Job", registry: "Registry") -> Text:
    replacement = registry.replacement(job.name)
    told = f"{job.where}: {job.name}" + (f", {replacement}" if replacement else "")
    return Text.assemble(("ok    ", "green"), told)
