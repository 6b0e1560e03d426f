"""What the watchdog looks at: the jobs' schedules, from one list, and their last runs."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from euryale.jobs.job import Job
from euryale.registry import Registry
from euryale.runs.runs import Run, belongs, runs_of, runs_query
from euryale.schedules.held import HeldSchedule, held_schedules
from euryale.time.spread import spread_of
from euryale.watchdog.expectation import expectation_of
from euryale.watchdog.judgement import JobFacts
from euryale.watchdog.watch import Memory, may_have_changed

AT_ONCE = 10
"""Jobs whose runs are read at once."""

_RUNS = 10
"""Runs that are read beyond those that may have failed in a row: some may be no failures."""

_LAG = timedelta(minutes=2)
"""How long visibility may lag behind what happens: a second or so, but rather too long."""

_COMPLETED = 2
"""Completed runs that tell whether an expectation is fulfilled."""


async def read_facts(
    client: Client, registry: Registry, memory: Memory, *, now: datetime, failures: int
) -> tuple[tuple[JobFacts, ...], tuple[str, ...]]:
    """Read what is known of each job of an application.

    The runs of a job are read only where they may have changed since the look before.

    Args:
        client: A connected client.
        registry: The application's jobs.
        memory: What the look before left.
        now: The time of the look; runs that started later aren't read.
        failures: How many failed runs in a row are looked for.

    Returns:
        What is known of each job, and the names of jobs of which Temporal holds a schedule and
        whose file this worker doesn't have.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    app = registry.app
    held = await held_schedules(client, app)
    busy = set() if memory.looked is None else await _busy(client, app, memory.looked)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(job: Job) -> JobFacts:
        facts = _facts(app, job, held.get(job.name))
        if not may_have_changed(facts, memory, now=now, busy=job.name in busy):
            return replace(facts, stirred=False)
        async with places:
            runs = await runs_of(client, app, job.name, until=now, limit=failures + _RUNS)
            completed: tuple[Run, ...] = ()
            if facts.expectation is not None:
                completed = await runs_of(
                    client, app, job.name, until=now, statuses=["completed"], limit=_COMPLETED
                )
        ends = (run.ended for run in map(_not_before_it_was_due, completed))
        return replace(
            facts,
            runs=tuple(map(_not_before_it_was_due, runs)),
            completed=tuple(end for end in ends if end is not None),
        )

    facts = await asyncio.gather(*(one(job) for job in registry.jobs.values()))
    others = [name for name in held if name not in registry.jobs and not name.startswith(".")]
    return tuple(facts), tuple(others)


async def _busy(client: Client, app: str, looked: datetime) -> set[str]:
    """The jobs of which a run goes on, or has ended since about the look before."""
    since = (looked - _LAG).astimezone(UTC).isoformat().replace("+00:00", "Z")
    query = runs_query(app)
    ways = ("ExecutionStatus = 'Running'", f"CloseTime >= '{since}'")
    return {
        execution.workflow_type
        for way in ways
        async for execution in client.list_workflows(f"{query} AND {way}")
        if belongs(app, execution.workflow_type, execution.id)
    }


def _facts(app: str, job: Job, held: HeldSchedule | None) -> JobFacts:
    """What is known of a job without its runs."""
    config = job.config
    limited = config.number_of_executions is not None
    return JobFacts(
        job=job.name,
        timetable=job.timetable,
        version=held.mark.hash if held and held.mark else "",
        expectation=expectation_of(config, where=job.where),
        timeout=config.timeout,
        spread=spread_of(f"{app}/{job.name}", config.window),
        jitter=config.jitter,
        held=held is not None,
        paused=held is not None and held.paused,
        exhausted=limited and (held is None or not held.next),
    )


def _not_before_it_was_due(run: Run) -> Run:
    """A run with times no earlier than that of its firing.

    The host that fires and the one that starts may have clocks that differ.
    """
    if run.fire_time is None:
        return run
    ended = run.ended and max(run.ended, run.fire_time)
    return replace(run, started=max(run.started, run.fire_time), ended=ended)
