"""What happened in a run, line by line, folded from the events of its history.

Attempts that failed are in a history only once the call has ended, and then only as a number; what
the last of them failed with is told with it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo

from euryale.services.local_call_record import local_record

_START = 1
"""The number of the event that starts a run."""

Kind = Literal["start", "call", "child workflow", "timer", "cancel", "signal", "stuck", "end"]
State = Literal["under way", "completed", "failed", "cancelled", "timed out", "terminated"]


@dataclass(frozen=True, slots=True)
class StoryLine:
    """Something that happened in a run.

    Attributes:
        time: When it began.
        kind: What it is.
        name: The call's, the child workflow's or the signal's name; empty for the others.
        state: How it ended; `completed` for what takes no time.
        took: How long it took, its repetitions and waits included; None while it goes on. Of the
            start: how long the run waited for its first worker.
        attempts: How often a call was tried; 0 while no worker has taken it.
        by: Who did it: the client that asked for a cancellation or a termination.
        text: The reason or the failure in words.
        summary: What a call is about, as Temporal carries it.
        sent: The bytes of its arguments, or of the run's data.
        received: The bytes of its result.
        workflow_id: A child workflow's id.
        activity_id: A call's id in the run.
    """

    time: datetime
    kind: Kind
    name: str = ""
    state: State = "completed"
    took: timedelta | None = None
    attempts: int = 0
    by: str = ""
    text: str = ""
    summary: Payload | None = None
    sent: int = 0
    received: int = 0
    workflow_id: str = ""
    activity_id: str = ""


def story(events: Iterable[HistoryEvent]) -> tuple[StoryLine, ...]:
    """The lines of a run's history, by the time at which each began.

    Args:
        events: The history's events, in their order.
    """
    lines: dict[int, StoryLine] = {}
    for event in events:
        begun = _beginning(event)
        if begun is not None:
            lines[event.event_id] = begun
            continue
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            start = lines.get(_START)
            if start is not None and start.took is None:
                lines[_START] = replace(start, took=_time(event) - start.time)
        change = _change(event)
        if change is not None and change[0] in lines:
            number, fields = change
            lines[number] = _changed(lines[number], event, fields)
    return tuple(lines.values())


def with_retries(
    lines: Iterable[StoryLine], pending: Iterable[PendingActivityInfo]
) -> tuple[StoryLine, ...]:
    """The same lines with the attempts that failed so far, which are in no history yet.

    Args:
        lines: The lines of a run that goes on.
        pending: The calls that the run's description says are under way.
    """
    failed = {each.activity_id: each for each in pending if each.HasField("last_failure")}
    return tuple(
        line
        if line.state != "under way" or (call := failed.get(line.activity_id)) is None
        else replace(
            line, attempts=call.attempt, text=f"tried again after {_told(call.last_failure)}"
        )
        for line in lines
    )


def _changed(line: StoryLine, event: HistoryEvent, fields: Mapping[str, Any]) -> StoryLine:
    if "state" in fields:
        return replace(line, took=_time(event) - line.time, **fields)
    return replace(line, **fields)


def _beginning(event: HistoryEvent) -> StoryLine | None:
    """The line that an event begins; None if it begins none."""
    if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
        return _local_call(event)
    read = _BEGINNINGS.get(event.event_type)
    if read is None:
        return None
    return StoryLine(_time(event), **read(_attributes(event)), summary=_summary(event))


def _local_call(event: HistoryEvent) -> StoryLine | None:
    """The line of a call that was carried out where the run is held."""
    marker = event.marker_recorded_event_attributes
    record = local_record(marker)
    if record is None:
        return None
    return StoryLine(
        _time(event),
        kind="call",
        name=record.name,
        state="failed" if record.failed else "completed",
        took=timedelta(0),
        attempts=1,
        text=_told(marker.failure) if record.failed else "",
        summary=_summary(event),
        received=_size(marker.details["result"]) if "result" in marker.details else 0,
        activity_id=record.id,
    )


_BEGINNINGS: Mapping[int, Callable[[Any], dict[str, Any]]] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: lambda attributes: {
        "kind": "start",
        "sent": _size(attributes.input),
    },
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: lambda attributes: {
        "kind": "call",
        "name": attributes.activity_type.name,
        "state": "under way",
        "sent": _size(attributes.input),
        "activity_id": attributes.activity_id,
    },
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: lambda attributes: {
        "kind": "child workflow",
        "name": attributes.workflow_type.name,
        "state": "under way",
        "sent": _size(attributes.input),
        "workflow_id": attributes.workflow_id,
    },
    EventType.EVENT_TYPE_TIMER_STARTED: lambda attributes: {
        "kind": "timer",
        "state": "under way",
        "text": f"{attributes.start_to_fire_timeout.ToTimedelta().total_seconds():g} s",
    },
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: lambda attributes: {
        "kind": "cancel",
        "by": attributes.identity,
        "text": attributes.cause,
    },
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: lambda attributes: {
        "kind": "signal",
        "name": attributes.signal_name,
        "by": attributes.identity,
        "sent": _size(attributes.input),
    },
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: lambda attributes: {
        "kind": "stuck",
        "state": "failed",
        "by": attributes.identity,
        "text": _first_line(attributes.failure.message),
    },
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: lambda attributes: {
        "kind": "end",
        "received": _size(attributes.result),
    },
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: lambda attributes: {
        "kind": "end",
        "state": "failed",
        "text": _told(attributes.failure),
    },
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: lambda _: {
        "kind": "end",
        "state": "cancelled",
    },
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: lambda attributes: {
        "kind": "end",
        "state": "terminated",
        "by": attributes.identity,
        "text": attributes.reason,
    },
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: lambda _: {
        "kind": "end",
        "state": "timed out",
    },
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: lambda attributes: {
        "kind": "end",
        "text": f"goes on as another run, {attributes.new_execution_run_id}",
    },
}


_STATES: Mapping[int, State] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "completed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "failed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "timed out",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "cancelled",
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: "completed",
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT: "timed out",
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED: "cancelled",
    EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED: "terminated",
    EventType.EVENT_TYPE_TIMER_FIRED: "completed",
    EventType.EVENT_TYPE_TIMER_CANCELED: "cancelled",
}


def _change(event: HistoryEvent) -> tuple[int, Mapping[str, Any]] | None:
    """The line that an event changes, by the number of the event that began it, and how."""
    attributes = _attributes(event)
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        fields: dict[str, Any] = {"attempts": attributes.attempt}
        if attributes.HasField("last_failure"):
            fields["text"] = f"tried again after {_told(attributes.last_failure)}"
        return attributes.scheduled_event_id, fields
    state = _STATES.get(event.event_type)
    if state is None:
        return None
    begun = (
        getattr(attributes, "scheduled_event_id", 0)
        or getattr(attributes, "initiated_event_id", 0)
        or attributes.started_event_id
    )
    fields = {"state": state}
    if state == "completed" and hasattr(attributes, "result"):
        fields["received"] = _size(attributes.result)
    if hasattr(attributes, "failure"):
        fields["text"] = _told(attributes.failure)
    return begun, fields


def _told(failure: Failure) -> str:
    """What failed first, in one line: an activity or a child workflow stands around it."""
    while failure.HasField("cause") and not failure.HasField("application_failure_info"):
        failure = failure.cause
    kind = failure.application_failure_info.type
    return ": ".join(part for part in (kind, _first_line(failure.message)) if part)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _summary(event: HistoryEvent) -> Payload | None:
    return event.user_metadata.summary if event.user_metadata.HasField("summary") else None


def _size(payloads: Payloads) -> int:
    return sum(len(payload.data) for payload in payloads.payloads)


def _attributes(event: HistoryEvent) -> Any:
    return getattr(event, event.WhichOneof("attributes") or "")


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)
