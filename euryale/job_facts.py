"""What the watchdog looks at: the jobs' schedules, from one list, and their last runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from temporalio.client import Client

from euryale.expectation import expectation_of
from euryale.held import HeldSchedule, held_schedules
from euryale.job import Job
from euryale.registry import Registry
from euryale.runs import Run, runs_of
from euryale.spread import spread_of
from euryale.watch import JobFacts

AT_ONCE = 10
"""Jobs whose runs are read at once."""

_RUNS = 10
"""Runs that are read beyond those that may have failed in a row: some may be no failures."""

_COMPLETED = 2
"""Completed runs that tell whether an expectation is fulfilled."""


async def read_facts(
    client: Client, registry: Registry, *, now: datetime, failures: int
) -> tuple[tuple[JobFacts, ...], tuple[str, ...]]:
    """Read what is known of each job of an application.

    Args:
        client: A connected client.
        registry: The application's jobs.
        now: The time of the look; runs that started later aren't read.
        failures: How many failed runs in a row are looked for.

    Returns:
        What is known of each job, and the names of jobs of which Temporal holds a schedule and
        whose file this worker doesn't have.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    held = await held_schedules(client, registry.app)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(job: Job) -> JobFacts:
        async with places:
            runs = await runs_of(client, registry.app, job.name, until=now, limit=failures + _RUNS)
            completed: tuple[Run, ...] = ()
            if job.config.expect is not None:
                completed = await runs_of(
                    client,
                    registry.app,
                    job.name,
                    until=now,
                    statuses=["completed"],
                    limit=_COMPLETED,
                )
        return _facts(registry.app, job, held.get(job.name), runs, completed)

    facts = await asyncio.gather(*(one(job) for job in registry.jobs.values()))
    others = [name for name in held if name not in registry.jobs and not name.startswith(".")]
    return tuple(facts), tuple(others)


def _facts(
    app: str, job: Job, held: HeldSchedule | None, runs: Sequence[Run], completed: Sequence[Run]
) -> JobFacts:
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
        runs=tuple(_not_before_it_was_due(run) for run in runs),
        completed=tuple(
            run.ended for run in map(_not_before_it_was_due, completed) if run.ended is not None
        ),
    )


def _not_before_it_was_due(run: Run) -> Run:
    """A run with times no earlier than that of its firing.

    The host that fires and the one that starts may have clocks that differ.
    """
    if run.fire_time is None:
        return run
    ended = run.ended and max(run.ended, run.fire_time)
    return replace(run, started=max(run.started, run.fire_time), ended=ended)
