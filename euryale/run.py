"""A run: starting one by hand, and what its history tells of it while it goes on.

`Progress` is a fold over the events of a run's history: `progress.after(event)` is the progress
one event later. `follow` feeds it from the server until the run ends.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError, RPCStatusCode

from euryale.app import Euryale
from euryale.errors import DataInvalid
from euryale.job import Job
from euryale.memo import MEMO, run_memo

Status = Literal["running", "completed", "failed", "cancelled", "terminated", "timed out"]

QUIET = timedelta(seconds=2)
"""How long a history may be quiet before the server is asked what is being tried again: attempts
that failed are in no history until the last one."""

_RECONNECT = timedelta(seconds=1)

_AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)

_STARTED = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
)
_SUCCEEDED = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
)
_FAILED = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
)
_ENDS: Mapping[int, Status] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "completed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "terminated",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "timed out",
}


@dataclass(frozen=True, slots=True)
class Retrying:
    """A call that failed and is tried again.

    Attributes:
        call: The call's name, such as `product.update`.
        attempt: The attempt that is under way or comes next, from 1.
        reason: The message of the last failure.
    """

    call: str
    attempt: int
    reason: str


@dataclass(frozen=True)
class Progress:
    """What is known of a run.

    Attributes:
        status: Whether it runs, or how it ended.
        started: When it started.
        ended: When it ended; None while it runs.
        finished: How many calls and child workflows finished, by name, in the order of their first.
        failed: The same for those that failed for good.
        under_way: The names of the calls under way, by the number of the event that began them.
        retrying: The calls that are tried again, as of the last quiet moment.
        stuck: Why no worker can go on with it at the moment; empty if one can.
        result: What the handler returned, as Temporal carries it.
        failure: Why it failed, as Temporal carries it.
        reason: Why it was terminated, as whoever did it said.
        continued_in: The id of the run that goes on with its work, if it ended for that.
        event: The number of the last event of its history that is counted.
    """

    status: Status = "running"
    started: datetime | None = None
    ended: datetime | None = None
    finished: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    under_way: Mapping[int, str] = field(default_factory=dict)
    retrying: tuple[Retrying, ...] = ()
    stuck: str = ""
    result: Payloads | None = field(default=None, repr=False)
    failure: Failure | None = field(default=None, repr=False)
    reason: str = ""
    continued_in: str = ""
    event: int = 0

    @property
    def elapsed(self) -> timedelta:
        """How long it took, or has taken until now."""
        if self.started is None:
            return timedelta(0)
        return (self.ended or datetime.now(UTC)) - self.started

    def after(self, event: HistoryEvent) -> "Progress":
        """The progress once this event has happened; the same where it is counted already."""
        if event.event_id <= self.event:
            return self
        return _after(replace(self, event=event.event_id), event)


def _after(progress: Progress, event: HistoryEvent) -> Progress:
    kind = event.event_type
    if kind in _STARTED:
        return replace(
            progress, under_way={**progress.under_way, event.event_id: _name_of_call(event)}
        )
    if kind in _SUCCEEDED:
        return _call_ended(progress, event, succeeded=True)
    if kind in _FAILED:
        return _call_ended(progress, event, succeeded=False)
    if kind in _ENDS:
        return _ended(progress, event, _ENDS[kind])
    return replace(progress, **_of_the_run(progress, event))


def _of_the_run(progress: Progress, event: HistoryEvent) -> dict[str, Any]:
    """What an event changes that is about the run itself, not about its calls or its end."""
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            return {"started": progress.started or _time(event)}
        case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failure = event.workflow_task_failed_event_attributes.failure
            return {"stuck": failure.message or "a worker failed to go on with it"}
        case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return {"stuck": ""}
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
            continued = event.workflow_execution_continued_as_new_event_attributes
            return {"continued_in": continued.new_execution_run_id}
        case _:
            return {}


def _attributes(event: HistoryEvent) -> Any:
    return getattr(event, event.WhichOneof("attributes") or "")


def _name_of_call(event: HistoryEvent) -> str:
    attributes = _attributes(event)
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
        return str(attributes.activity_type.name)
    return str(attributes.workflow_type.name)


def _call_ended(progress: Progress, event: HistoryEvent, *, succeeded: bool) -> Progress:
    attributes = _attributes(event)
    begun = getattr(attributes, "scheduled_event_id", 0) or attributes.initiated_event_id
    under_way = dict(progress.under_way)
    name = under_way.pop(begun, "")
    retrying = tuple(one for one in progress.retrying if one.call != name)
    progress = replace(progress, under_way=under_way, retrying=retrying)
    if succeeded:
        return replace(progress, finished=_one_more(progress.finished, name))
    return replace(progress, failed=_one_more(progress.failed, name))


def _one_more(counts: Mapping[str, int], name: str) -> Mapping[str, int]:
    return {**counts, name: counts.get(name, 0) + 1}


def _ended(progress: Progress, event: HistoryEvent, status: Status) -> Progress:
    attributes = _attributes(event)
    return replace(
        progress,
        status=status,
        ended=_time(event),
        retrying=(),
        stuck="",
        result=attributes.result if status == "completed" else None,
        failure=attributes.failure if status == "failed" else None,
        reason=attributes.reason if status == "terminated" else "",
    )


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        succeeded: Whether its handler returned.
        result: What the handler returned, as plain values.
        failure_type: The type of the exception that failed it, or how else it ended.
        failure_message: The exception's message, or the reason that was given.
    """

    succeeded: bool
    result: Any = None
    failure_type: str = ""
    failure_message: str = ""


def parse_data(text: str) -> dict[str, Any]:
    """Read a run's data as a user types it.

    Raises:
        DataInvalid: It is no JSON object.

    Example:
        >>> parse_data('{"limit": 10}')
        {'limit': 10}
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataInvalid(
            f"the data is no JSON: {error}", where="--data", mend="write it as '{\"limit\": 10}'"
        ) from None
    if not isinstance(value, dict):
        raise DataInvalid(
            f"the data is a JSON {type(value).__name__}, not an object",
            where="--data",
            mend="write it as '{\"limit\": 10}'",
        )
    return value


async def start_run(
    client: Client, app: Euryale, job: Job, data: Mapping[str, Any] | None = None
) -> WorkflowHandle[Any, Any]:
    """Start a run of a job now, beside its schedule.

    Args:
        client: A connected client.
        app: The application that the job is one of.
        job: The job.
        data: What the handler gets as `data`; by default what the job's config says.

    Raises:
        DataInvalid: The data is not what the handler declares; nothing is started.
        RPCError: The server can't be reached or refuses.
    """
    given = dict(job.config.data if data is None else data)
    job.validate_data(given)
    return await client.start_workflow(
        job.name,
        given,
        id=f"{app.name}/{job.name}/{uuid.uuid4().hex[:8]}",
        task_queue=app.queue,
        memo={MEMO: run_memo(job.config)},
        static_summary=job.config.description or None,
    )


async def follow(client: Client, handle: WorkflowHandle[Any, Any]) -> AsyncIterator[Progress]:
    """Follow a run until it ends, also over a restart of the server.

    Yields:
        The progress whenever it changed; the last one has an `ended`.

    Raises:
        RPCError: The server answers, but refuses: it doesn't know the run, for example.
    """
    progress = Progress()
    run_id = handle.first_execution_run_id or handle.run_id
    while progress.ended is None:
        run = client.get_workflow_handle(handle.id, run_id=run_id)
        try:
            async for latest in _pages(run, progress):
                progress = latest
                yield progress
        except RPCError as error:
            if error.status not in _AWAY:
                raise
            await asyncio.sleep(_RECONNECT.total_seconds())
        if progress.continued_in:
            # The next run counts its events from one again.
            run_id = progress.continued_in
            progress = replace(progress, continued_in="", event=0, under_way={})


async def _pages(run: WorkflowHandle[Any, Any], progress: Progress) -> AsyncIterator[Progress]:
    """Fold one page of the history after the other; a page is what happened since the last one."""
    events = run.fetch_history_events(wait_new_event=True)
    while progress.ended is None and not progress.continued_in:
        poll = asyncio.ensure_future(events.fetch_next_page())
        try:
            while not (await asyncio.wait({poll}, timeout=QUIET.total_seconds()))[0]:
                retrying = await _retrying(run, progress)
                if retrying != progress.retrying:
                    progress = replace(progress, retrying=retrying)
                    yield progress
            await poll
        finally:
            poll.cancel()
        for event in events.current_page or ():
            progress = progress.after(event)
        yield progress
        if events.next_page_token is None:
            return


async def _retrying(run: WorkflowHandle[Any, Any], progress: Progress) -> tuple[Retrying, ...]:
    try:
        description = await run.describe()
    except RPCError as error:
        if error.status not in _AWAY:
            raise
        return progress.retrying
    return tuple(
        Retrying(pending.activity_type.name, pending.attempt, pending.last_failure.message)
        for pending in description.raw_description.pending_activities
        if pending.HasField("last_failure")
    )


async def outcome_of(client: Client, progress: Progress) -> Outcome:
    """Decode how a run ended, with the client's data converter.

    Args:
        client: The client whose data converter reads what the run's worker wrote.
        progress: The progress of a run that has ended.
    """
    if progress.status == "completed":
        payloads: Iterable[Any] = progress.result.payloads if progress.result else ()
        values = await client.data_converter.decode(list(payloads))
        return Outcome(succeeded=True, result=values[0] if values else None)
    if progress.failure is None:
        return Outcome(
            succeeded=False, failure_type=progress.status, failure_message=progress.reason
        )
    error = await client.data_converter.decode_failure(progress.failure)
    # An activity or a child workflow that failed stands around what it failed with.
    while not isinstance(error, ApplicationError) and isinstance(error.__cause__, FailureError):
        error = error.__cause__
    named = error.type if isinstance(error, ApplicationError) else None
    message = error.message if isinstance(error, FailureError) else str(error)
    return Outcome(
        succeeded=False, failure_type=named or type(error).__name__, failure_message=message
    )
