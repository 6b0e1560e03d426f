"""Collecting what Temporal knows of a firing: the schedule, the schedule's history, the runs."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import get_args

from temporalio.api.enums.v1 import EventType, TaskQueueType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    ListScheduleMatchingTimesRequest,
)
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleDescription,
    WorkflowExecutionDescription,
)
from temporalio.service import RPCError, RPCStatusCode

from euryale.app import Euryale
from euryale.catch_up import Turn, catch_up_window
from euryale.config import Overlap
from euryale.evidence import Facts, FailureFacts, RetryFacts, RunFacts, ScheduleFacts
from euryale.job import Job
from euryale.late_run import turn_taken
from euryale.mark import mark_of, spec_digest
from euryale.progress import Progress, outcome_of
from euryale.runs import Run, run_of, runs_of
from euryale.schedule import OVERLAP
from euryale.schedule_record import schedule_record
from euryale.spread import spread_of
from euryale.turn import read_ledger

_SECOND = timedelta(seconds=1)

_AROUND = timedelta(days=7)
"""How long before and after a firing the schedule's runs are looked at, beside those under way."""

_MOST_RUNS = 200
_POLICIES: dict[int, Overlap] = {OVERLAP[name].value: name for name in get_args(Overlap)}


async def collect_facts(client: Client, app: Euryale, job: Job, firing: datetime) -> Facts:
    """Ask Temporal for all that it knows of a firing.

    Args:
        client: A connected client.
        app: The application that the job is one of.
        job: The job.
        firing: When it fires by the policy clock.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    now = datetime.now(UTC)
    spread = spread_of(f"{app.name}/{job.name}", job.config.window)
    fire_time = firing.astimezone(UTC) + spread
    (schedule, jitter), run, runs, record = await asyncio.gather(
        _schedule(client, app, job, fire_time),
        _run(client, app, job, fire_time),
        _runs(client, app, job, fire_time),
        schedule_record(client, f"{app.name}/{job.name}", fire_time),
    )
    held, retention, polled = await asyncio.gather(
        read_ledger(client, app.name), _retention(client), _last_poll(client, app.queue)
    )
    stand_in = None
    if run is None and job.config.catch_up == "latest":
        stand_in = await _stand_in(client, runs, fire_time, firing)
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


async def _run(client: Client, app: Euryale, job: Job, fire_time: datetime) -> RunFacts | None:
    handle = client.get_workflow_handle(f"{app.name}/{job.name}-{fire_time:%Y-%m-%dT%H:%M:%SZ}")
    try:
        described = await handle.describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return await _run_facts(client, job, described)


async def _run_facts(client: Client, job: Job, described: WorkflowExecutionDescription) -> RunFacts:
    history = await _history(client, described.id, described.run_id)
    progress = Progress()
    for event in history:
        progress = progress.after(event)
    offered, taken = _offered_and_taken(history)
    by, reason = _ended_by(history)
    return RunFacts(
        run=await run_of(described),
        offered=offered,
        taken=taken,
        failure=await _failure(client, job, progress, history),
        ended_by=by,
        reason=reason,
        stuck=progress.stuck,
        retrying=tuple(
            RetryFacts(each.activity_type.name, each.attempt, each.last_failure.message)
            for each in described.raw_description.pending_activities
            if each.HasField("last_failure")
        ),
        turn=await turn_taken(client, history),
    )


async def _history(client: Client, workflow_id: str, run_id: str | None) -> list[HistoryEvent]:
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    return [event async for event in handle.fetch_history_events()]


def _offered_and_taken(history: list[HistoryEvent]) -> tuple[datetime | None, datetime | None]:
    """When the run was first offered to the workers, and when one first took it."""
    offered, taken = (
        next((_time(event) for event in history if event.event_type == kind), None)
        for kind in (
            EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        )
    )
    return offered, taken


def _ended_by(history: list[HistoryEvent]) -> tuple[str, str]:
    """Who cancelled or terminated the run, and why; the last one who did."""
    for event in reversed(history):
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
                terminated = event.workflow_execution_terminated_event_attributes
                return terminated.identity, terminated.reason
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
                requested = event.workflow_execution_cancel_requested_event_attributes
                return requested.identity, requested.cause
    return "", ""


async def _failure(
    client: Client, job: Job, progress: Progress, history: list[HistoryEvent]
) -> FailureFacts | None:
    if progress.failure is None:
        return None
    outcome = await outcome_of(client, progress)
    call, attempts = _given_up(progress.failure, history)
    file = job.where.rpartition(":")[0]
    path, _, line = outcome.failure_where.rpartition(":")
    return FailureFacts(
        type=outcome.failure_type,
        message=outcome.failure_message,
        # On the worker, the project may lie in another folder.
        where=f"{file}:{line}" if path.endswith(file) else outcome.failure_where,
        call=call,
        attempts=attempts,
    )


def _given_up(failure: Failure, history: list[HistoryEvent]) -> tuple[str, int]:
    """The call whose failure failed the run, and how often it was tried."""
    while not failure.HasField("activity_failure_info"):
        if not failure.HasField("cause"):
            return "", 0
        failure = failure.cause
    info = failure.activity_failure_info
    attempts = [
        event.activity_task_started_event_attributes.attempt
        for event in history
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
        and event.activity_task_started_event_attributes.scheduled_event_id
        == info.scheduled_event_id
    ]
    return info.activity_type.name, max(attempts, default=0)


async def _runs(client: Client, app: Euryale, job: Job, fire_time: datetime) -> tuple[Run, ...]:
    """The schedule's runs around a firing, and those that were under way then or are now."""
    around, *under_way = await asyncio.gather(
        runs_of(
            client,
            app.name,
            job.name,
            since=fire_time - _AROUND,
            until=fire_time + _AROUND,
            limit=_MOST_RUNS,
        ),
        runs_of(client, app.name, job.name, statuses=["running"], limit=_MOST_RUNS),
    )
    found = {run.run_id: run for run in (*around, *(run for each in under_way for run in each))}
    ordered = sorted(found.values(), key=lambda run: run.started)
    return tuple(run for run in ordered if not run.by_hand)


async def _stand_in(
    client: Client, runs: tuple[Run, ...], fire_time: datetime, fired_at: datetime
) -> tuple[Run, Turn] | None:
    """The late run of an earlier firing that took over from the ones missed after it."""
    for run in reversed(runs):
        if run.fire_time is None or not run.fire_time < fire_time < run.started:
            continue
        turn = await turn_taken(client, await _history(client, run.workflow_id, run.run_id))
        stands_in = turn is not None and not turn.superseded and turn.fired_at >= fired_at
        return (run, turn) if turn is not None and stands_in else None
    return None


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


def _time(event: HistoryEvent) -> datetime:
    moment: datetime = event.event_time.ToDatetime(tzinfo=UTC)
    return moment
