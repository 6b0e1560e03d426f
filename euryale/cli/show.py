"""`euryale show`: a job whole: what its file says, what Temporal holds of it, and its last runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from euryale.cli.options import AddressOption, AppOption, NamespaceOption, OutputOption
from euryale.cli.screen import reporting

if TYPE_CHECKING:
    from temporalio.client import Client

    from euryale.cli.run_table import RunLine
    from euryale.errors import EuryaleError
    from euryale.jobs.job import Job
    from euryale.project import Project
    from euryale.runs.runs import Run
    from euryale.schedules.schedule_state import ScheduleState

_FIRINGS = 5
_RUNS = 5

_MEASURED = 50
"""Runs from whose times the averages are taken."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What Temporal knows of a job."""

    state: "ScheduleState | None"
    lines: "tuple[RunLine, ...]"
    measured: "tuple[Run, ...]"
    web_ui: str | None


@dataclass(frozen=True, slots=True)
class _Page:
    """All that is told of a job: its firings as nominal times and starts."""

    project: "Project"
    job: "Job"
    words: tuple[tuple[str, str], ...]
    times: tuple[tuple[datetime, datetime], ...]
    known: _Known | None
    now: datetime


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.")],
    *,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Show a job whole: its config, its next firings, what Temporal holds, and its last runs."""
    with reporting(output) as screen:
        from euryale.cli.job_words import job_in_words  # noqa: PLC0415 -- slow to import
        from euryale.project import load_project  # noqa: PLC0415

        project = load_project(app)
        job = project.job(name)
        known, away = asyncio.run(_ask(project, job, address, namespace))
        now = datetime.now(UTC)
        page = _Page(
            project=project,
            job=job,
            words=tuple(job_in_words(job)),
            times=_next(project.app.name, job, now),
            known=known,
            now=now,
        )
        screen.result(
            _as_dict(page) | {"server_error": away and away.as_dict()},
            *_text(page),
        )
        if away is not None:
            screen.note(f"what Temporal holds is not shown: {away}")


async def _ask(
    project: "Project", job: "Job", address: str | None, namespace: str | None
) -> "tuple[_Known | None, EuryaleError | None]":
    from temporalio.service import RPCError  # noqa: PLC0415 -- slow to import

    from euryale.errors import EuryaleError  # noqa: PLC0415
    from euryale.server.connection import connect, translate  # noqa: PLC0415

    try:
        client = await connect(address=address, namespace=namespace)
        return await _known(client, project, job), None
    except EuryaleError as error:
        return None, error
    except RPCError as error:
        return None, translate(error)


async def _known(client: "Client", project: "Project", job: "Job") -> _Known:
    from euryale.cli.run import web_ui  # noqa: PLC0415 -- slow to import
    from euryale.cli.run_table import run_lines  # noqa: PLC0415
    from euryale.runs.run_details import details_of  # noqa: PLC0415
    from euryale.runs.runs import runs_by_all_names  # noqa: PLC0415
    from euryale.runs.sweep_progress import sweeps_of  # noqa: PLC0415
    from euryale.schedules.schedule_state import schedule_state  # noqa: PLC0415

    app = project.app.name
    schedule_id = f"{app}/{job.name}"
    state, runs, ui = await asyncio.gather(
        schedule_state(client, schedule_id),
        runs_by_all_names(client, app, job.name, limit=_MEASURED),
        web_ui(client),
    )
    details, sweeps = await asyncio.gather(
        details_of(client, runs[:_RUNS]), sweeps_of(client, runs[:_RUNS])
    )
    quoted = [quote(part, safe="") for part in (client.namespace, schedule_id)]
    return _Known(
        state=state,
        lines=run_lines(app, details, project.registry.jobs, sweeps=sweeps),
        measured=runs,
        web_ui=ui and f"{ui}/namespaces/{quoted[0]}/schedules/{quoted[1]}",
    )


def _next(app: str, job: "Job", now: datetime) -> tuple[tuple[datetime, datetime], ...]:
    """The next firings: their nominal times, and when the schedule starts their runs."""
    from euryale.time.spread import spread_of  # noqa: PLC0415 -- slow to import
    from euryale.time.timetable import firings, nominal  # noqa: PLC0415

    spread = spread_of(f"{app}/{job.name}", job.config.window)
    times = islice(firings(job.timetable, after=now - spread), _FIRINGS)
    return tuple(
        (nominal(job.timetable, time), (time.astimezone(UTC) + spread).astimezone(time.tzinfo))
        for time in times
    )


def measures(runs: "Sequence[Run]") -> dict[str, Any]:
    """How some runs of a job went: how many completed, and how long those took."""
    ended = [run for run in runs if run.ended is not None]
    took = sorted(
        run.elapsed(run.ended) for run in ended if run.status == "completed" and run.ended
    )
    average = sum(took, timedelta(0)) / len(took) if took else None
    return {
        "ended": len(ended),
        "completed": len(took),
        "average_seconds": average and round(average.total_seconds(), 3),
        "longest_seconds": round(took[-1].total_seconds(), 3) if took else None,
    }


def _as_dict(page: _Page) -> dict[str, Any]:
    project, job, known = page.project, page.job, page.known
    state = known.state if known else None
    return {
        "name": job.name,
        "description": job.config.description,
        "where": job.where,
        "app": project.app.name,
        "task_queue": project.app.queue,
        "config": job.config.model_dump(mode="json", by_alias=True),
        "words": dict(page.words),
        "next": [
            {"nominal": nominal.isoformat(), "starts": starts.isoformat()}
            for nominal, starts in page.times
        ],
        "applied": state is not None if known else None,
        "paused": state and state.paused,
        "note": state and state.note,
        "executions_left": state and state.executions_left,
        "started": state and state.starts,
        "skipped": state and state.skipped,
        "missed": state and state.missed,
        "web_ui": known and known.web_ui,
        "runs": [line.as_dict(page.now) for line in known.lines] if known else None,
        "measures": measures(known.measured) if known else None,
    }


def _text(page: _Page) -> list[RenderableType]:
    from euryale.cli.run_table import run_table  # noqa: PLC0415 -- slow to import

    project, job, known = page.project, page.job, page.known
    title = Text.assemble((job.name, "bold cyan"), f"  {job.config.description}".rstrip())
    rows = [*page.words, ("where", job.where), ("task queue", project.app.queue)]
    if known is not None:
        rows.append(("state", _state(known.state)))
        if known.web_ui:
            rows.append(("Web UI", known.web_ui))
    parts: list[RenderableType] = [title, _grid(rows), Text("next firings", style="bold")]
    parts += [Text(f"  {line}") for line in _firing_lines(page)]
    if known is not None:
        parts.append(Text("last runs", style="bold"))
        if known.lines:
            parts += [
                run_table(known.lines, (), project.app.name, page.now),
                _measured(known.measured),
            ]
        else:
            parts.append("  none")
    return parts


def _grid(rows: Sequence[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(f"  {label}", text)
    return grid


def _firing_lines(page: _Page) -> list[str]:
    from euryale.cli.times import distance, moment  # noqa: PLC0415 -- slow to import

    lines = [
        moment(nominal)
        + (f", starts {starts:%H:%M:%S}" if starts.timestamp() != nominal.timestamp() else "")
        + f" (in {distance(starts - page.now)})"
        for nominal, starts in page.times
    ]
    return lines or ["it fires no more"]


def _state(state: "ScheduleState | None") -> str:
    if state is None:
        return "not applied yet"
    parts = [f"paused: {state.note}" if state.note else "paused"] if state.paused else ["active"]
    if state.executions_left is not None:
        parts.append(f"{state.executions_left:,} executions left")
    parts.append(f"{state.starts:,} runs started")
    if state.skipped:
        parts.append(f"{state.skipped:,} firings skipped since a run was under way")
    if state.missed:
        parts.append(f"{state.missed:,} firings missed by more than catch_up allows")
    return "; ".join(parts)


def _measured(runs: "Sequence[Run]") -> Text:
    from euryale.cli.times import took  # noqa: PLC0415 -- slow to import

    told = measures(runs)
    text = f"  {told['completed']} of the last {told['ended']} completed"
    if told["completed"]:
        average, longest = (
            took(timedelta(seconds=told[f"{key}_seconds"])) for key in ("average", "longest")
        )
        text += f", in {average} on average, {longest} at the longest"
    return Text(text, style="dim")
