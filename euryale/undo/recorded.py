"""What a run did, as its history has it: calls and child workflows, and when each was under way.

A fold over events; nothing is decoded here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes

from euryale.sagas.reverse_order import Span
from euryale.sagas.step import UNDO_PREFIX
from euryale.services.call_ids import calls_carried
from euryale.services.local_call_record import local_record
from euryale.sweeps.messages import SWEEP_WORKFLOW

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
        result: What it returned, as it travelled; of many that timed out, the last heartbeat.
        failure: What it failed with.
        part: Which of the calls it is that its activity carried together, from 0; what was given
            and returned is theirs, and how it ended by itself is in there. None if there was one.
    """

    name: str
    id: str
    state: State = "cut off"
    given: Payload | None = None
    result: Payload | None = None
    failure: Failure | None = None
    part: int | None = None


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
        undone_together: What came of calls that were taken back together: their ids, and what the
            activity returned, as it travelled.
        continued_from: The id of the run that this one goes on from; empty if none.
        continued_in: The id of the run that goes on from this one; empty if none.
        open: Whether the run goes on.
    """

    work: tuple[Span[RecordedCall | RecordedChild], ...]
    undone: frozenset[str] = frozenset()
    undone_together: tuple[tuple[tuple[str, ...], Payload], ...] = ()
    continued_from: str = ""
    continued_in: str = ""
    open: bool = True


_STATES: Mapping[int, State] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "completed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "failed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "timed out",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "cancelled",
}

_CHILD_STARTED = EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED

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
    # By their ids: a call that was tried again in another activity counts as that one.
    calls: dict[str, Span[RecordedCall]] = {}
    carried: dict[int, tuple[str, ...]] = {}
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
            carried[last] = calls_carried(attributes.activity_id)
            calls |= {call.id: Span(last, 0, call) for call in _scheduled(attributes)}
        elif kind == EventType.EVENT_TYPE_MARKER_RECORDED and (local := _local_call(attributes)):
            calls[local.id] = Span(last, last + 1, local)
        elif kind in _STATES:
            for call_id in carried[attributes.scheduled_event_id]:
                calls[call_id] = _ended(calls[call_id], last, _STATES[kind], attributes)
        elif kind == _CHILD_STARTED and (child := _child(attributes)):
            begun = attributes.initiated_event_id
            children[begun] = Span(begun, 0, child)
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
    undone, undone_together = _taken_back(span.work for span in calls.values())
    return Record(
        work=tuple(span for span in work if not _is_undo(span.work)),
        undone=undone,
        undone_together=undone_together,
        continued_from=continued_from,
        continued_in=continued_in,
        open=still_open,
    )


def _child(attributes: Any) -> RecordedChild | None:
    """The child workflow that was started; None where it is the engine's own."""
    name, started = attributes.workflow_type.name, attributes.workflow_execution
    if name.startswith(ENGINE_PREFIX) and name != SWEEP_WORKFLOW:
        return None
    return RecordedChild(name, started.workflow_id, started.run_id)


def _scheduled(attributes: Any) -> Iterator[RecordedCall]:
    """The calls that an activity is to carry."""
    ids = calls_carried(attributes.activity_id)
    for part, call_id in enumerate(ids):
        yield RecordedCall(
            attributes.activity_type.name,
            call_id,
            given=_first(attributes.input),
            part=part if len(ids) > 1 else None,
        )


def _taken_back(
    calls: Iterable[RecordedCall],
) -> tuple[frozenset[str], tuple[tuple[tuple[str, ...], Payload], ...]]:
    """What was taken back, alone and together; see `Record`."""
    alone: set[str] = set()
    together: dict[int, tuple[Payload, dict[int, str]]] = {}
    for call in calls:
        if not _is_undo(call) or call.state != "completed":
            continue
        undone = call.id.removeprefix(UNDO_PREFIX)
        if call.part is None or call.result is None:
            alone.add(undone)
            continue
        _, ids = together.setdefault(id(call.result), (call.result, {}))
        ids[call.part] = undone
    # A call that was tried again in another activity counts as that one: here its place is empty.
    told = (
        (tuple(ids.get(part, "") for part in range(max(ids) + 1)), payload)
        for payload, ids in together.values()
    )
    return frozenset(alone), tuple(told)


def _local_call(marker: MarkerRecordedEventAttributes) -> RecordedCall | None:
    """The local activity that a marker is of; None for the engine's own and for other markers.

    What a durable call was given is in the metadata of its result.
    """
    record = local_record(marker)
    if record is None:
        return None
    # Where the code gave none, Temporal's own ids are those of ordinary activities, too.
    return RecordedCall(
        record.name,
        f"local {record.id}" if record.id.isdecimal() else record.id,
        "failed" if record.failed else "completed",
        result=_first(marker.details["result"]) if "result" in marker.details else None,
    )


def _is_undo(work: RecordedCall | RecordedChild) -> bool:
    return isinstance(work, RecordedCall) and work.id.startswith(UNDO_PREFIX)


def _ended(
    span: Span[RecordedCall], event: int, state: State, attributes: Any
) -> Span[RecordedCall]:
    failure = attributes.failure if state in ("failed", "timed out") else None
    result = None
    if state == "completed":
        result = _first(attributes.result)
    elif state == "timed out" and span.work.part is not None:
        result = _first(attributes.failure.timeout_failure_info.last_heartbeat_details)
    return Span(span.begun, event, replace(span.work, state=state, result=result, failure=failure))


def _first(payloads: Payloads) -> Payload | None:
    return payloads.payloads[0] if payloads.payloads else None
