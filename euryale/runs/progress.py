"""What the history of a run tells of it: a fold over its events, and how it ended.

`progress.after(event)` is the progress one event later.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, FailureError

from euryale.runs.runs import Status
from euryale.sagas.saga_failed import report_in
from euryale.sagas.undo_report import UndoReport
from euryale.services.call_ids import count_carried
from euryale.services.call_outcome import ends_told
from euryale.services.local_call_record import local_record
from euryale.sweeps.messages import SWEEP_WORKFLOW

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


_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+), in (\S+)', re.MULTILINE)

_CALLER = "_run_handler"
"""The function of `euryale.runs.job_workflow` that calls the handler."""


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


def retrying_in(pending: Iterable[PendingActivityInfo]) -> tuple[Retrying, ...]:
    """The calls that are tried again, from those that a run's description says are under way."""
    return tuple(
        Retrying(each.activity_type.name, each.attempt, each.last_failure.message)
        for each in pending
        if each.HasField("last_failure")
    )


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
        together: How many calls that event began, where it's several.
        sweeps: The workflow ids of the sweeps that it has begun.
        retrying: The calls that are tried again, as of the last quiet moment.
        stuck: Why no worker can go on with it at the moment; empty if one can.
        result: What the handler returned, as Temporal carries it.
        failure: Why it failed, as Temporal carries it.
        reason: Why it was cancelled or terminated, as whoever did it said.
        continued_in: The id of the run that goes on with its work, if it ended for that.
        event: The number of the last event of its history that is counted.
    """

    status: Status = "running"
    started: datetime | None = None
    ended: datetime | None = None
    finished: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    under_way: Mapping[int, str] = field(default_factory=dict)
    together: Mapping[int, int] = field(default_factory=dict)
    sweeps: tuple[str, ...] = ()
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
        return _begun(progress, event)
    if kind == EventType.EVENT_TYPE_MARKER_RECORDED:
        return _local_call_ended(progress, event)
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
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
            return {"reason": event.workflow_execution_cancel_requested_event_attributes.cause}
        case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return {"stuck": ""}
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
            continued = event.workflow_execution_continued_as_new_event_attributes
            return {"continued_in": continued.new_execution_run_id}
        case _:
            return {}


def _attributes(event: HistoryEvent) -> Any:
    return getattr(event, event.WhichOneof("attributes") or "")


def _begun(progress: Progress, event: HistoryEvent) -> Progress:
    attributes = _attributes(event)
    together, sweeps = progress.together, progress.sweeps
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
        name = str(attributes.activity_type.name)
        count = count_carried(attributes.activity_id)
        together = {**together, event.event_id: count} if count > 1 else together
    else:
        name = str(attributes.workflow_type.name)
        sweeps = (*sweeps, attributes.workflow_id) if name == SWEEP_WORKFLOW else sweeps
    under_way = {**progress.under_way, event.event_id: name}
    return replace(progress, under_way=under_way, together=together, sweeps=sweeps)


def _local_call_ended(progress: Progress, event: HistoryEvent) -> Progress:
    """A call that was carried out where the run is held; one that failed may be made again."""
    record = local_record(event.marker_recorded_event_attributes)
    if record is None or (record.failed and not record.for_good):
        return progress
    if record.failed:
        return replace(progress, failed=_more(progress.failed, record.name, 1))
    return replace(progress, finished=_more(progress.finished, record.name, 1))


def _call_ended(progress: Progress, event: HistoryEvent, *, succeeded: bool) -> Progress:
    attributes = _attributes(event)
    begun = getattr(attributes, "scheduled_event_id", 0) or attributes.initiated_event_id
    under_way, together = dict(progress.under_way), dict(progress.together)
    name, count = under_way.pop(begun, ""), together.pop(begun, 1)
    retrying = tuple(one for one in progress.retrying if one.call != name)
    done, failed = (count, 0) if succeeded else (0, count)
    if succeeded and count > 1 and attributes.result.payloads:
        done, failed = ends_told(attributes.result.payloads[0]) or (done, failed)
    return replace(
        progress,
        under_way=under_way,
        together=together,
        retrying=retrying,
        finished=_more(progress.finished, name, done),
        failed=_more(progress.failed, name, failed),
    )


def _more(counts: Mapping[str, int], name: str, number: int) -> Mapping[str, int]:
    return {**counts, name: counts.get(name, 0) + number} if number else counts


def _ended(progress: Progress, event: HistoryEvent, status: Status) -> Progress:
    attributes = _attributes(event)
    reasons = {
        "cancelled": progress.reason,
        "terminated": getattr(attributes, "reason", ""),
    }
    return replace(
        progress,
        status=status,
        ended=_time(event),
        retrying=(),
        stuck="",
        result=attributes.result if status == "completed" else None,
        failure=attributes.failure if status == "failed" else None,
        reason=reasons.get(status, ""),
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
        failure_where: The line of the job's file that it came through, as `file:line`, with the
            file's path on the worker; empty where the failure doesn't tell.
        undo: What was taken back because of the failure; None where nothing had to be.
    """

    succeeded: bool
    result: Any = None
    failure_type: str = ""
    failure_message: str = ""
    failure_where: str = ""
    undo: UndoReport | None = None


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
    where = failing_line(_stack_trace(error))
    undo = report_in(error)
    # An activity or a child workflow that failed stands around what it failed with.
    while not isinstance(error, ApplicationError) and isinstance(error.__cause__, FailureError):
        error = error.__cause__
    named = error.type if isinstance(error, ApplicationError) else None
    message = error.message if isinstance(error, FailureError) else str(error)
    return Outcome(
        succeeded=False,
        failure_type=named or type(error).__name__,
        failure_message=message,
        failure_where=where,
        undo=undo,
    )


def _stack_trace(error: BaseException) -> str:
    failure = error.failure if isinstance(error, FailureError) else None
    return failure.stack_trace if failure is not None else ""


def failing_line(stack_trace: str) -> str:
    """The last line of a job's own file in the stack trace of its run's failure.

    Example:
        >>> failing_line('''
        ...   File "/app/euryale/runs/job_workflow.py", line 132, in _run_handler
        ...   File "/app/jobs/publish.py", line 17, in handler
        ...   File "/app/jobs/publish.py", line 25, in each
        ...   File "/app/euryale/services/durable_service.py", line 86, in call
        ... ''')
        '/app/jobs/publish.py:25'
    """
    frames = _FRAME.findall(stack_trace)
    starts = [number for number, (_, _, name) in enumerate(frames) if name == _CALLER]
    if not starts or starts[0] + 1 >= len(frames):
        return ""
    inside = frames[starts[0] + 1 :]
    # The handler's own file: what it calls may lie anywhere.
    file = inside[0][0]
    return f"{file}:{[line for each, line, _ in inside if each == file][-1]}"
