"""Reading the run of a firing, and the runs around it."""

import asyncio
from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from euryale.jobs.job import Job
from euryale.runs.late_run import turn_taken
from euryale.runs.progress import Progress, outcome_of
from euryale.runs.runs import Run, run_of, runs_of, runs_query
from euryale.time.catch_up import Turn
from euryale.why.evidence import CLOSE, FailureFacts, RetryFacts, RunFacts

_MOST_BESIDE = 20
_MOST_UNDER_WAY = 100


async def read_run(client: Client, app: str, job: Job, fire_time: datetime) -> RunFacts | None:
    """What is known of the run of a firing; None if there is none.

    Args:
        client: A connected client.
        app: The application's name.
        job: The job.
        fire_time: When the schedule is to start the run, in UTC, without its jitter.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    handle = client.get_workflow_handle(f"{app}/{job.name}-{fire_time:%Y-%m-%dT%H:%M:%SZ}")
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


async def read_runs_around(
    client: Client, app: str, job: str, due: datetime, looked: datetime
) -> tuple[Run, ...]:
    """The runs of a schedule that tell something of one of its firings.

    Args:
        client: A connected client.
        app: The application's name.
        job: The job's name.
        due: When the firing was due, its jitter included.
        looked: When Temporal came to it.

    Returns:
        Those that were under way when it was due or looked at, some before and some after it; by
        their start.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    under_way, before, after = await asyncio.gather(
        _found(
            client,
            f"{runs_query(app, job, until=looked + CLOSE)} AND "
            f"(CloseTime > '{_written(due)}' OR ExecutionStatus = 'Running')",
        ),
        runs_of(client, app, job, until=due, limit=_MOST_BESIDE),
        runs_of(client, app, job, since=due, limit=_MOST_BESIDE),
    )
    found = {run.run_id: run for run in (*under_way, *before, *after) if not run.by_hand}
    return tuple(sorted(found.values(), key=lambda run: run.started))


async def read_stand_in(
    client: Client, app: str, job: str, fire_time: datetime, fired_at: datetime
) -> tuple[Run, Turn] | None:
    """The run that was started late for an earlier firing, and took this one or a later one over.

    Args:
        client: A connected client.
        app: The application's name.
        job: The job's name, of which only the latest missed firing is caught up.
        fire_time: When the schedule is to start the firing's run, in UTC.
        fired_at: The firing by the policy clock.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    earlier = f"TemporalScheduledStartTime < '{_written(fire_time)}'"
    late = await _found(client, f"{runs_query(app, job, since=fire_time)} AND {earlier}")
    for run in sorted(late, key=lambda run: run.started):
        turn = await turn_taken(client, await _history(client, run.workflow_id, run.run_id))
        if turn is not None and not turn.superseded and turn.fired_at >= fired_at:
            return run, turn
    return None


async def _found(client: Client, query: str) -> tuple[Run, ...]:
    found = client.list_workflows(query, limit=_MOST_UNDER_WAY)
    return tuple([await run_of(execution) async for execution in found])


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(event: HistoryEvent) -> datetime:
    moment: datetime = event.event_time.ToDatetime(tzinfo=UTC)
    return moment
