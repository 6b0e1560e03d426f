"""What a run did, as its history has it: calls and child workflows, and when each was under way.

A fold over events; nothing is decoded here.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from euryale.sagas.reverse_order import Span
from euryale.sagas.step import UNDO_PREFIX

ENGINE_PREFIX = "euryale."
"""What the types of the engine's own workflows begin with: locks, and those that take runs back."""

State = Literal["completed", "failed", "timed out", "cancelled", "cut off"]
"""How a call ended; `cut off` where its run ended before it."""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call of a run: an activity.

    Attributes:
        name: The activity's name.
        id: Its id, which no other of the run has.
        state: How it ended.
        given: Its first argument, as it travelled.
        result: What it returned, as it travelled.
        failure: What it failed with.
    """

    name: str
    id: str
    state: State = "cut off"
    given: Payload | None = None
    result: Payload | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RecordedChild:
    """A child workflow of a run that was started.

    Attributes:
        name: Its type.
        workflow_id: Its workflow id.
        run_id: The id of its first run.
    """

    name: str
    workflow_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Record:
    """What a run did.

    Attributes:
        work: Its calls and child workflows, each with the events between which it was under way.
        undone: The ids of the calls that a saga took back.
        continued_from: The id of the run that this one goes on from; empty if none.
        continued_in: The id of the run that goes on from this one; empty if none.
        open: Whether the run goes on.
    """

    work: tuple[Span[RecordedCall | RecordedChild], ...]
    undone: frozenset[str] = frozenset()
    continued_from: str = ""
    continued_in: str = ""
    open: bool = True


_STATES: Mapping[int, State] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "completed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "failed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "timed out",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "cancelled",
}

_CHILD_ENDS = frozenset(
    {
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
    }
)

_ENDS = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)


def record_of(events: Iterable[HistoryEvent]) -> Record:
    """Read what a run did from the events of its history, in their order."""
    calls: dict[int, Span[RecordedCall]] = {}
    children: dict[int, Span[RecordedChild]] = {}
    continued_from = continued_in = ""
    still_open = True
    last = 0
    for event in events:
        last = event.event_id
        attributes: Any = getattr(event, event.WhichOneof("attributes") or "")
        kind = event.event_type
        if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            continued_from = attributes.continued_execution_run_id
        elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            call = RecordedCall(
                attributes.activity_type.name,
                attributes.activity_id,
                given=_first(attributes.input),
            )
            calls[last] = Span(last, 0, call)
        elif kind == EventType.EVENT_TYPE_MARKER_RECORDED and (local := _local_call(attributes)):
            calls[last] = Span(last, last + 1, local)
        elif kind in _STATES:
            begun = attributes.scheduled_event_id
            calls[begun] = _ended(calls[begun], last, _STATES[kind], attributes)
        elif kind == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
            if attributes.workflow_type.name.startswith(ENGINE_PREFIX):
                continue
            started = attributes.workflow_execution
            child = RecordedChild(
                attributes.workflow_type.name, started.workflow_id, started.run_id
            )
            children[attributes.initiated_event_id] = Span(attributes.initiated_event_id, 0, child)
        elif kind in _CHILD_ENDS and attributes.initiated_event_id in children:
            begun = attributes.initiated_event_id
            children[begun] = Span(begun, last, children[begun].work)
        elif kind in _ENDS:
            still_open = False
            # A run that failed or timed out is gone on from by its retry policy.
            continued_in = getattr(attributes, "new_execution_run_id", "")
    # What hadn't ended when the history did was under way to its end, beside each other.
    every: list[Span[RecordedCall | RecordedChild]] = [*calls.values(), *children.values()]
    work = [
        span if span.ended else Span(span.begun, last + 1 + number, span.work)
        for number, span in enumerate(every)
    ]
    return Record(
        work=tuple(span for span in work if not _is_undo(span.work)),
        undone=frozenset(
            span.work.id.removeprefix(UNDO_PREFIX)
            for span in calls.values()
            if _is_undo(span.work) and span.work.state == "completed"
        ),
        continued_from=continued_from,
        continued_in=continued_in,
        open=still_open,
    )


def _local_call(marker: Any) -> RecordedCall | None:
    """The local activity that a marker is of; None for the engine's own and for other markers."""
    if marker.marker_name != "core_local_activity":
        return None
    told = json.loads(marker.details["data"].payloads[0].data)
    name = str(told["activity_type"])
    if name.startswith(ENGINE_PREFIX):
        return None
    return RecordedCall(name, f"local {told['activity_id']}", "completed")


def _is_undo(work: RecordedCall | RecordedChild) -> bool:
    return isinstance(work, RecordedCall) and work.id.startswith(UNDO_PREFIX)


def _ended(
    span: Span[RecordedCall], event: int, state: State, attributes: Any
) -> Span[RecordedCall]:
    result = _first(attributes.result) if state == "completed" else None
    failure = attributes.failure if state in ("failed", "timed out") else None
    return Span(span.begun, event, replace(span.work, state=state, result=result, failure=failure))


def _first(payloads: Payloads) -> Payload | None:
    return payloads.payloads[0] if payloads.payloads else None
