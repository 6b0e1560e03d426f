"""Collecting what Temporal knows of a firing: the schedule, the schedule's history, the runs."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import get_args

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    ListScheduleMatchingTimesRequest,
)
from temporalio.client import Client, ScheduleActionStartWorkflow, ScheduleDescription
from temporalio.service import RPCError, RPCStatusCode

from euryale.app import Euryale
from euryale.config import Overlap
from euryale.jobs.job import Job
from euryale.schedules.mark import mark_of, spec_digest
from euryale.schedules.schedule import OVERLAP
from euryale.schedules.schedule_record import schedule_record
from euryale.schedules.turn import read_ledger
from euryale.time.catch_up import catch_up_window
from euryale.time.spread import spread_of
from euryale.why.evidence import Facts, ScheduleFacts
from euryale.why.why_run_facts import read_run, read_runs_around, read_stand_in

_SECOND = timedelta(seconds=1)

_POLICIES: dict[int, Overlap] = {OVERLAP[name].value: name for name in get_args(Overlap)}


async def collect_facts(
    client: Client, app: Euryale, job: Job, firing: datetime, *, now: datetime | None = None
) -> Facts:
    """Ask Temporal for all that it knows of a firing.

    Args:
        client: A connected client.
        app: The application that the job is one of.
        job: The job.
        firing: When it fires by the policy clock.
        now: Whether the firing is still ahead is told by this; by default the time of the call.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    now = now or datetime.now(UTC)
    spread = spread_of(f"{app.name}/{job.name}", job.config.window)
    fire_time = firing.astimezone(UTC) + spread
    (schedule, jitter), run, record = await asyncio.gather(
        _schedule(client, app, job, fire_time),
        read_run(client, app.name, job, fire_time),
        schedule_record(client, f"{app.name}/{job.name}", fire_time),
    )
    due = fire_time + jitter
    runs, held, retention, polled = await asyncio.gather(
        read_runs_around(client, app.name, job.name, due, record.looked_at(due) or due),
        read_ledger(client, app.name),
        _retention(client),
        _last_poll(client, app.queue),
    )
    stand_in = None
    if run is None and job.config.catch_up == "latest":
        stand_in = await read_stand_in(client, app.name, job.name, fire_time, firing)
    return Facts(
        job=job.name,
        now=now,
        fire_time=fire_time,
        spread=spread,
        task_queue=app.queue,
        jitter=jitter,
        limit=job.config.number_of_executions,
        used=held.ledger.executions.get(job.name, 0),
        polled=polled,
        retention=retention,
        schedule=schedule,
        record=record,
        run=run,
        runs=runs,
        stand_in=stand_in,
    )


async def _schedule(
    client: Client, app: Euryale, job: Job, fire_time: datetime
) -> tuple[ScheduleFacts | None, timedelta]:
    """What Temporal holds of the schedule, and by how much its jitter puts the firing off."""
    handle = client.get_schedule_handle(f"{app.name}/{job.name}")
    try:
        described = await handle.describe()
        due = await _due(client, handle.id, fire_time, described.schedule.spec.jitter)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None, timedelta(0)
        raise
    jitter = timedelta(0) if due is None else due - fire_time
    return _schedule_facts(described, job, fires=due is not None), jitter


def _schedule_facts(described: ScheduleDescription, job: Job, *, fires: bool) -> ScheduleFacts:
    raw, state = described.raw_description, described.schedule.state
    spec, info, policy = raw.schedule.spec, raw.info, described.schedule.policy
    mark = mark_of(spec)
    action = described.schedule.action
    starts_job = isinstance(action, ScheduleActionStartWorkflow) and action.workflow == job.name
    return ScheduleFacts(
        created=described.info.created_at,
        updated=described.info.last_updated_at,
        paused=state.paused,
        note=state.note or "",
        overlap=_POLICIES[policy.overlap.value],
        catch_up=policy.catchup_window or catch_up_window(job.config, job.timetable),
        remaining=state.remaining_actions if state.limited_actions else None,
        fires=fires,
        changed_by_hand=mark is None or not starts_job or mark.spec != spec_digest(spec),
        horizon=None if mark is None else mark.horizon,
        skipped=info.overlap_skipped,
        missed=info.missed_catchup_window,
        dropped=info.buffer_dropped,
        waiting=info.buffer_size,
    )


async def _due(
    client: Client, schedule_id: str, fire_time: datetime, jitter: timedelta | None
) -> datetime | None:
    """When the schedule, as it is now, starts the run of a firing; None if it doesn't.

    Temporal tells times with their jitter, which is the same whenever it is asked.
    """
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=schedule_id)
    # The time where it starts is left out.
    request.start_time.FromDatetime(fire_time - _SECOND)
    request.end_time.FromDatetime(fire_time + (jitter or timedelta(0)))
    matching = await client.workflow_service.list_schedule_matching_times(request, retry=True)
    times = (each.ToDatetime(tzinfo=UTC) for each in matching.start_time)
    return min((time for time in times if time >= fire_time), default=None)


async def _retention(client: Client) -> timedelta | None:
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace), retry=True
    )
    kept = described.config.workflow_execution_retention_ttl
    return (
        kept.ToTimedelta()
        if described.config.HasField("workflow_execution_retention_ttl")
        else None
    )


async def _last_poll(client: Client, task_queue: str) -> datetime | None:
    """When a worker last asked for work; Temporal remembers it for some minutes."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        retry=True,
    )
    polls = [poller.last_access_time.ToDatetime(tzinfo=UTC) for poller in described.pollers]
    return max(polls, default=None)
