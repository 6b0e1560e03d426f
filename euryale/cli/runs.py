"""`euryale runs`: the runs of a job or of all jobs, what they did, and the firings without one."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euryale.cli.options import AddressOption, AppOption, NamespaceOption, OutputOption
from euryale.cli.screen import Screen, reporting

if TYPE_CHECKING:
    from temporalio.client import Client

    from euryale.jobs.job import Job
    from euryale.project import Project
    from euryale.runs.run_details import RunDetails
    from euryale.runs.runless import RunlessFirings
    from euryale.schedules.schedule_state import ScheduleState

_MOST_RUNS = 1000

_JUST_DUE = timedelta(seconds=10)
"""How long a firing may go without a run before that counts: Temporal starts one a moment later
and lists it another moment later."""


class _Status(StrEnum):
    """A status as it is given: in one word, since its variable is split at spaces."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed-out"


def runs(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The job's name; all jobs without one.")
    ] = None,
    *,
    status: Annotated[
        list[_Status] | None,
        typer.Option(
            "--status",
            envvar="EURYALE_STATUS",
            help="Only runs of this status; repeatable.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            envvar="EURYALE_SINCE",
            metavar="TIME",
            help="Only runs that started then or later.",
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            "-n",
            envvar="EURYALE_LIMIT",
            min=1,
            max=_MOST_RUNS,
            help="How many runs at the most.",
        ),
    ] = 20,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """List runs, the latest first: how each ended, what it did, and who started it by hand."""
    with reporting(output) as screen:
        from euryale.project import load_project  # noqa: PLC0415 -- slow to import

        project = load_project(app)
        asyncio.run(
            _runs(
                screen,
                project,
                name,
                since=since,
                statuses=[each.value.replace("-", " ") for each in status or ()],
                limit=limit,
                address=address,
                namespace=namespace,
            )
        )


async def _runs(
    screen: Screen,
    project: "Project",
    name: str | None,
    *,
    since: str | None,
    statuses: Sequence[Any],
    limit: int,
    address: str | None,
    namespace: str | None,
) -> None:
    from euryale.cli.given import given_time  # noqa: PLC0415 -- slow to import
    from euryale.cli.run_table import run_lines, run_table, runless_as_dict  # noqa: PLC0415
    from euryale.runs.run_details import details_of  # noqa: PLC0415
    from euryale.runs.runs import runs_by_all_names, runs_of  # noqa: PLC0415
    from euryale.runs.sweep_progress import sweeps_of  # noqa: PLC0415
    from euryale.schedules.schedule_state import schedule_state  # noqa: PLC0415
    from euryale.server.connection import connect  # noqa: PLC0415
    from euryale.time.zones import time_zone  # noqa: PLC0415
    from euryale.undo.undone_runs import undone_runs  # noqa: PLC0415

    app, jobs = project.app.name, project.registry.jobs
    job = None if name is None else jobs.get(name)
    zone = time_zone(job.timetable.zone if job else "UTC")
    start = None if since is None else given_time(since, zone, "--since")
    client = await connect(address=address, namespace=namespace)
    if name is None:
        found = await runs_of(client, app, since=start, statuses=statuses, limit=limit)
    else:
        found = await runs_by_all_names(
            client, app, name, since=start, statuses=statuses, limit=limit
        )
    if name is not None and job is None and not found:
        # A job whose file is gone has runs for some time.
        project.job(name)
    state = None if name is None else await schedule_state(client, f"{app}/{name}")
    details = await details_of(client, found)
    runless: tuple[RunlessFirings, ...] = ()
    if job is not None and state is not None and not statuses:
        runless = await _runless(
            client, app, job, state, details, since=start, cut=len(found) == limit
        )
    now = datetime.now(UTC)
    first = min((each.started for each in found), default=now)
    undone = await undone_runs(client, app, since=first) if found else {}
    lines = run_lines(app, details, jobs, undone, await sweeps_of(client, found))
    screen.result(
        {
            "app": app,
            "name": name,
            "runs": [line.as_dict(now) for line in lines],
            "without_run": [runless_as_dict(each) for each in runless],
            "skipped": state and state.skipped,
            "missed": state and state.missed,
        },
        run_table(lines, runless, app, now) if lines or runless else "there are no runs",
        *([_totals(state)] if state and (state.skipped or state.missed) else []),
    )
    if runless:
        screen.note("`euryale why NAME TIME` tells more about one firing")


def _totals(state: "ScheduleState") -> str:
    parts = []
    if state.skipped:
        parts.append(f"{state.skipped:,} skipped since a run was under way")
    if state.missed:
        parts.append(f"{state.missed:,} missed by more than catch_up allows")
    return f"firings without a run since the schedule was made: {', '.join(parts)}"


async def _runless(
    client: "Client",
    app: str,
    job: "Job",
    state: "ScheduleState",
    details: "Sequence[RunDetails]",
    *,
    since: datetime | None,
    cut: bool,
) -> "tuple[RunlessFirings, ...]":
    """The firings without a run of the time that the runs are of, as far as it can be known."""
    from euryale.runs.runless import runless_firings  # noqa: PLC0415 -- slow to import
    from euryale.runs.runs import remembered_since  # noqa: PLC0415
    from euryale.time.spread import spread_of  # noqa: PLC0415

    now = datetime.now(UTC)
    found = [each.run for each in details]
    fired = [run.fire_time for run in found if run.fire_time is not None]
    # Before that it may have fired at other times, or Temporal may have forgotten the runs.
    starts = [state.since, await remembered_since(client, now)]
    if since is not None:
        starts.append(since)
    if cut and found:
        starts.append(min(fired, default=min(run.started for run in found)))
    until = now - _JUST_DUE - job.config.jitter
    if state.executions_left == 0:
        # It fires no more.
        until = max(fired, default=state.since)
    return runless_firings(
        job.timetable,
        found,
        since=max(starts),
        until=until,
        overlap=state.overlap,
        spread=spread_of(f"{app}/{job.name}", job.config.window),
        paused=state.paused,
        caught_up={
            each.run.workflow_id: each.turn.fired_at
            for each in details
            if each.turn and not each.turn.superseded
        },
    )
