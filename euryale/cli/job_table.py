"""The jobs of an application as a table: when each runs, and what Temporal holds of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.table import Table
from rich.text import Text
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from euryale.cli.times import distance, moment
from euryale.jobs.job import Job
from euryale.jobs.job_names import ReplacedJob
from euryale.project import Project
from euryale.registry import Registry
from euryale.schedules.held import HeldSchedule, held_schedules
from euryale.schedules.mark import mark_of
from euryale.schedules.turn import read_ledger
from euryale.time.timetable import firings
from euryale.time.timetable_words import timetable_in_words, timetable_text

_SOON = timedelta(days=365)

_AT_ONCE = 10
"""Schedules that are asked for at once; a server describes about 65 a second."""

_DESCRIBED = 200
"""Up to how many schedules each one is described."""


@dataclass(frozen=True, slots=True)
class Held:
    """What Temporal holds of a job's schedule.

    Attributes:
        paused: Whether an operator or the job file paused it.
        note: What the operator wrote about it.
        executions_left: How many scheduled runs are left; None without a limit.
        executions: How many it was granted in all; None without a limit.
        horizon: When its calendars end, in a zone whose clocks are changed; None if they don't.
    """

    paused: bool
    note: str
    executions_left: int | None
    executions: int | None = None
    horizon: datetime | None = None

    @property
    def ends_soon(self) -> bool:
        """Whether the calendars end within a year, since no worker applied them anew for long."""
        return self.horizon is not None and self.horizon - datetime.now(UTC) < _SOON


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job, and what is known of its schedule.

    Attributes:
        job: The job.
        words: What its cron expression means.
        next_run: When it fires next by the rules, in its time zone; None if never again.
        replaced: The plugins' jobs that it takes the place of.
        asked: Whether Temporal was asked what it holds.
        held: What it holds; None if it wasn't asked, or holds no schedule of the job.
        used: How many executions of a job without a schedule are used up.
    """

    job: Job
    words: str
    next_run: datetime | None
    replaced: tuple[ReplacedJob, ...] = ()
    asked: bool = False
    held: Held | None = None
    used: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The line for programs."""
        config = self.job.config
        return {
            "name": config.name,
            "schedule": timetable_text(self.job.timetable),
            "time_zone": self.job.timetable.zone,
            "words": self.words,
            "next_run": self.next_run and self.next_run.isoformat(),
            "description": config.description,
            "where": self.job.where,
            "applied": self.held is not None if self.asked else None,
            "paused": self.held and self.held.paused,
            "note": self.held and self.held.note,
            "executions_left": self.held and self.held.executions_left,
            "horizon": self.held and self.held.horizon and self.held.horizon.isoformat(),
            "finished": self.finished is not None if self.asked else None,
            "replaces": [each.as_dict() for each in self.replaced],
        }

    @property
    def finished(self) -> str | None:
        """How many of how many executions ran, where none is left; None if the job goes on."""
        limit = self.job.config.number_of_executions
        if self.held is not None:
            over, limit = self.held.executions_left == 0, self.held.executions
            return f"{limit} of {limit}" if over else None
        # Temporal has deleted the schedule by now.
        return f"{self.used} of {limit}" if limit is not None and self.used >= limit else None

    @property
    def state(self) -> str:
        """What keeps it from running, limits it or is behind it; empty if nothing does."""
        told = (self._limits(), *map(str, self.replaced))
        return "; ".join(each for each in told if each)

    def _limits(self) -> str:
        held = self.held
        if held is not None and held.paused:
            return f"paused: {held.note}" if held.note else "paused"
        if self.finished is not None:
            return f"finished: {self.finished} executions ran"
        if held is None:
            return "not applied yet" if self.asked else ""
        if held.ends_soon and held.horizon is not None:
            return f"fires no more from {held.horizon:%Y-%m-%d} on: start a worker to renew it"
        if held.executions_left is not None:
            return f"{held.executions_left} of {held.executions} left"
        return ""

    @property
    def fires(self) -> bool:
        """Whether the next run will come, as far as is known."""
        paused = self.held is not None and self.held.paused
        return self.next_run is not None and not paused and self.finished is None


def job_lines(registry: Registry, now: datetime) -> tuple[JobLine, ...]:
    """The lines of an application's jobs, by their configs alone."""
    return tuple(
        JobLine(
            job=job,
            words=timetable_in_words(job.timetable),
            next_run=next(firings(job.timetable, after=now), None),
            replaced=registry.replaced.get(job.name, ()),
        )
        for job in registry.jobs.values()
    )


async def with_held(
    lines: Sequence[JobLine], client: Client, project: Project
) -> tuple[JobLine, ...]:
    """The same lines with what Temporal holds of each schedule.

    One list tells what is held. It lags behind by up to half a minute, so as long as that takes a
    moment only, each schedule is described too. The ledger tells of those that Temporal has deleted
    since they had nothing left to do.
    """
    app = project.app.name
    listed = await held_schedules(client, app)
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(line: JobLine) -> JobLine:
        entry = listed.get(line.job.name)
        limited = line.job.config.number_of_executions is not None
        if entry is not None and not limited and len(lines) > _DESCRIBED:
            return replace(line, asked=True, held=_listed(entry))
        async with places:
            return replace(line, asked=True, held=await _held(client, f"{app}/{line.job.name}"))

    found = await asyncio.gather(*(one(line) for line in lines))
    if all(line.held or line.job.config.number_of_executions is None for line in found):
        return tuple(found)
    used = (await read_ledger(client, app)).ledger.executions
    return tuple(replace(line, used=used.get(line.job.name, 0)) for line in found)


def _listed(entry: HeldSchedule) -> Held:
    return Held(
        paused=entry.paused,
        note=entry.note,
        executions_left=None,
        executions=None,
        horizon=entry.mark.horizon if entry.mark else None,
    )


async def _held(client: Client, schedule_id: str) -> Held | None:
    try:
        description = await client.get_schedule_handle(schedule_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    state = description.schedule.state
    mark = mark_of(description.raw_description.schedule.spec)
    return Held(
        paused=state.paused,
        note=state.note or "",
        executions_left=state.remaining_actions if state.limited_actions else None,
        executions=mark.executions if mark else None,
        horizon=mark.horizon if mark else None,
    )


def job_table(lines: Sequence[JobLine]) -> Table:
    """The lines as a table; a column for their state only if one has something to say."""
    now = datetime.now(UTC)
    with_state = any(line.state for line in lines)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("job", style="cyan", overflow="fold")
    table.add_column("schedule", no_wrap=True)
    table.add_column("in words")
    table.add_column("next run")
    if with_state:
        table.add_column("state", style="yellow")
    for line in lines:
        state = [line.state] if with_state else []
        timetable = line.job.timetable
        zone = "" if timetable.zone == "UTC" else f" {timetable.zone}"
        written = timetable_text(timetable) + zone
        table.add_row(line.job.name, written, line.words, _next_run(line, now), *state)
    return table


def _next_run(line: JobLine, now: datetime) -> Text:
    if line.next_run is None:
        return Text("never", style="yellow")
    if line.finished is not None:
        return Text("none", style="dim")
    if not line.fires:
        return Text("none while paused", style="dim")
    return Text.assemble(moment(line.next_run), (f" (in {distance(line.next_run - now)})", "dim"))
