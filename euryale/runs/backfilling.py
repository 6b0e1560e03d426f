"""Backfilling in Temporal: asking which firings have a run, and starting those that have none."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    ListScheduleMatchingTimesRequest,
)
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from euryale.errors import TemporalRefused
from euryale.runs.backfill import (
    PastFiring,
    Stretch,
    refuse_under_way,
    refuse_unknown,
    requests,
)
from euryale.runs.late_run import turn_taken
from euryale.runs.runs import STATUSES, Run, Status, runs_of
from euryale.schedules.apply import AT_ONCE
from euryale.schedules.pausing import not_applied

_TOGETHER = 10
"""Firings that are handed to Temporal together. It starts or buffers as many at one stroke; of the
rest of a longer stretch, nobody but the server would know for a while."""

_DECIDED = 10
"""Events of a history within which a late run has decided what it is for."""

_PATIENCE = timedelta(seconds=30)
_POLL = timedelta(seconds=0.1)

Told = Callable[[int, int], None]
"""Told how many firings are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a schedule has started and what waits, as of one moment.

    Attributes:
        started: The runs that it has started in all.
        waiting: The runs that wait for another one to end.
    """

    started: int
    waiting: int


async def backlog(client: Client, app: str, name: str) -> Backlog:
    """What a job's schedule has started, and what waits.

    Raises:
        NothingMatches: Temporal holds no schedule of the job.
        RPCError: The server can't be reached or refuses.
    """
    try:
        description = await client.get_schedule_handle(f"{app}/{name}").describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise not_applied(app, name) from None
        raise
    info = description.raw_description.info
    return Backlog(info.action_count, info.buffer_size)


async def with_statuses(client: Client, stretch: Stretch, told: Told | None = None) -> Stretch:
    """The firings with what became of their runs, asked for each of them.

    Visibility lags behind, so that it could miss a run that has just started.

    Args:
        client: A connected client.
        stretch: The firings.
        told: Told after each firing.

    Raises:
        ScheduleInvalid: Temporal's schedule doesn't know some of the firings.
        RPCError: The server can't be reached or refuses.
    """
    if not stretch.firings:
        return stretch
    refuse_unknown(stretch, await _matching_times(client, stretch))
    stretch = replace(stretch, firings=await _asked(client, stretch.firings, told))
    if not (stretch.taken_over and stretch.missing):
        return stretch
    taken = await _taken_over(client, stretch)
    firings = (replace(each, status=each.status or taken.get(each)) for each in stretch.firings)
    return replace(stretch, firings=tuple(firings))


async def _taken_over(client: Client, stretch: Stretch) -> dict[PastFiring, Status]:
    """The firings without a run of their own that a late run of an earlier one was for."""
    app, _, name = stretch.schedule_id.partition("/")
    missing = {each.fire_time.astimezone(UTC): each for each in stretch.missing}
    places = asyncio.Semaphore(AT_ONCE)

    async def one(run: Run) -> tuple[datetime, Status] | None:
        async with places:
            handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
            history = handle.fetch_history_events(page_size=_DECIDED)
            first = [event async for event in _first(history)]
        turn = await turn_taken(client, first)
        return None if turn is None else (turn.fired_at.astimezone(UTC), run.status)

    runs = await runs_of(client, app, name, since=min(missing))
    late = (
        run
        for run in runs
        if run.fire_time is not None
        and any(run.fire_time < moment <= run.started for moment in missing)
    )
    found = await asyncio.gather(*(one(run) for run in late))
    return {missing[each[0]]: each[1] for each in found if each is not None and each[0] in missing}


async def _first(history: AsyncIterator[HistoryEvent]) -> AsyncIterator[HistoryEvent]:
    """The events up to the end of the first workflow task, and what it decided."""
    count = 0
    async for event in history:
        yield event
        count += 1
        if count == _DECIDED:
            return


async def backfill(client: Client, app: str, name: str, stretch: Stretch, told: Told) -> Stretch:
    """Start runs of the firings that have none.

    Args:
        client: A connected client.
        app: The application's name.
        name: The job's name.
        stretch: The firings, with what became of their runs.
        told: Told how many firings Temporal has taken.

    Returns:
        The firings that were handed to Temporal; those that got a run meanwhile aren't.

    Raises:
        BackfillUnderWay: Runs of the job wait already.
        TemporalRefused: Temporal doesn't take them.
        RPCError: The server can't be reached or refuses.
    """
    missing, sent = stretch.missing, list[PastFiring]()
    refuse_under_way(stretch, (await backlog(client, app, name)).waiting)
    handle = client.get_schedule_handle(stretch.schedule_id)
    for at in range(0, len(missing), _TOGETHER):
        # Somebody else may backfill the same firings.
        asked = await _asked(client, missing[at : at + _TOGETHER])
        wanted = [firing for firing in asked if firing.status is None]
        if wanted:
            before = await backlog(client, app, name)
            await handle.backfill(*requests(wanted, stretch.overlap))
            await _taken(client, app, name, before.started + before.waiting + len(wanted))
        sent += wanted
        told(at + len(asked), len(missing))
    return replace(stretch, firings=tuple(sent))


async def _taken(client: Client, app: str, name: str, count: int) -> None:
    """Wait until the schedule has started or buffered so many runs in all."""
    since = time.monotonic()
    while time.monotonic() - since < _PATIENCE.total_seconds():
        now = await backlog(client, app, name)
        if now.started + now.waiting >= count:
            return
        await asyncio.sleep(_POLL.total_seconds())
    raise TemporalRefused(
        f"Temporal has taken less firings than it was given within {_PATIENCE.seconds} seconds",
        where=f"{app}/{name}",
        mend="repeat the command; what has run by then is not run again",
    )


async def kept_since(client: Client, now: datetime) -> datetime | None:
    """Runs that ended before are deleted; None if the namespace's settings may not be read."""
    try:
        described = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace)
        )
    except RPCError as error:
        if error.status is RPCStatusCode.PERMISSION_DENIED:
            return None
        raise
    return now - described.config.workflow_execution_retention_ttl.ToTimedelta()


async def _matching_times(client: Client, stretch: Stretch) -> list[datetime]:
    request = ListScheduleMatchingTimesRequest(
        namespace=client.namespace, schedule_id=stretch.schedule_id
    )
    request.start_time.FromDatetime(stretch.firings[0].request_start)
    request.end_time.FromDatetime(stretch.firings[-1].request_end)
    found = await client.workflow_service.list_schedule_matching_times(request, retry=True)
    return [time.ToDatetime(tzinfo=UTC) for time in found.start_time]


async def _asked(
    client: Client, firings: Iterable[PastFiring], told: Told | None = None
) -> tuple[PastFiring, ...]:
    firings = tuple(firings)
    places = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(firing: PastFiring) -> PastFiring:
        nonlocal done
        async with places:
            status = await _status(client, firing.workflow_id)
            if status is None and firing.former_id != firing.workflow_id:
                status = await _status(client, firing.former_id)
        done += 1
        if told is not None:
            told(done, len(firings))
        return replace(firing, status=status)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(firing)) for firing in firings]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return tuple(task.result() for task in tasks)


async def _status(client: Client, workflow_id: str) -> Status | None:
    try:
        described = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return STATUSES[described.status or WorkflowExecutionStatus.RUNNING]
