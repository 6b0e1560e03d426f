"""What the history of a schedule tells: when it was paused and by whom, and when it was awake.

A description of a schedule says how it is now. Temporal's scheduler is a workflow of its own, whose
history tells the rest: each pause, change and backfill with its time and the client that asked for
it, and each time that the scheduler woke up to look at what was due. Nothing of this is part of
Temporal's public API (it was seen with server 1.32), so whoever uses it has to do without where a
server tells none.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.schedule.v1 import Schedule, SchedulePatch
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

SCHEDULER = "temporal-sys-scheduler:"
"""What the workflow id of a schedule's scheduler begins with."""

_MOST_RUNS = 10
"""How many runs of a scheduler are read; a new one begins after some hundreds of firings."""

_UNTOLD = (
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNIMPLEMENTED,
    RPCStatusCode.INVALID_ARGUMENT,
)
"""How a server refuses that doesn't tell, or that holds no such scheduler."""

ChangeKind = Literal["first", "updated", "paused", "resumed", "backfilled", "triggered"]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was done to a schedule.

    Attributes:
        kind: What; `first` is where the record begins, which needn't be a change.
        at: When.
        by: The client that asked for it, as it names itself: often `process@machine`.
        paused: Whether the schedule is paused from then on.
        note: The schedule's note from then on.
        spans: For a backfill: the stretches of time whose firings it runs.
    """

    kind: ChangeKind
    at: datetime
    by: str = ""
    paused: bool = False
    note: str = ""
    spans: tuple[tuple[datetime, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch of time in which a schedule was paused.

    Attributes:
        begun: The change that began it; where the record begins, if it began before.
        ended: The change that ended it; None if it goes on.
    """

    begun: Change
    ended: Change | None


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """What the history of a schedule tells.

    Attributes:
        changes: What was done to it, the oldest first.
        awake: When its scheduler woke up, ascending.
        deleted: When it was deleted; None if it is still there.
        finished: Whether Temporal deleted it by itself, having nothing left to do.
    """

    changes: tuple[Change, ...] = ()
    awake: tuple[datetime, ...] = ()
    deleted: datetime | None = None
    finished: bool = False

    @property
    def since(self) -> datetime | None:
        """From when on it is complete; None if nothing is known."""
        return self.changes[0].at if self.changes else None

    def pause_at(self, moment: datetime) -> Pause | None:
        """The pause that a moment lies in, as far as the record tells.

        Example:
            >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
            >>> record = ScheduleRecord((Change("first", noon, paused=True),))
            >>> record.pause_at(noon).begun.at == noon, ScheduleRecord().pause_at(noon)
            (True, None)
        """
        begun: Change | None = None
        for change in self.changes:
            if change.at > moment:
                if begun is not None and not change.paused:
                    return Pause(begun, change)
                continue
            if not change.paused:
                begun = None
            elif begun is None:
                begun = change
        return None if begun is None else Pause(begun, None)

    def looked_at(self, moment: datetime) -> datetime | None:
        """When the scheduler first woke up at a moment or after it; None if that isn't told."""
        if self.since is None or self.since > moment:
            return None
        return next((time for time in self.awake if time >= moment), None)

    def backfill_of(self, fire_time: datetime, due: datetime) -> Change | None:
        """The last backfill that ran a firing, whose jitter puts it off until it is due."""
        found = None
        for change in self.changes:
            if any(start <= due and fire_time <= end for start, end in change.spans):
                found = change
        return found


def record_of(events: Iterable[HistoryEvent]) -> ScheduleRecord:
    """The record that the events of a scheduler's history make, oldest first."""
    changes: list[Change] = []
    awake: list[datetime] = []
    begun: datetime | None = None
    for event in events:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                begun = _time(event)
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED if begun is not None:
                # By the time at which the task began it decides what is due.
                awake.append(begun)
            case _:
                change = _change(event, changes[-1] if changes else None)
                changes += [] if change is None else [change]
    return ScheduleRecord(tuple(changes), tuple(awake))


async def schedule_record(client: Client, schedule_id: str, since: datetime) -> ScheduleRecord:
    """Read the record of a schedule, also of one that was deleted lately.

    Args:
        client: A connected client.
        schedule_id: The schedule's id.
        since: What is older than this needn't be read.

    Returns:
        The record; an empty one where the server tells none.

    Raises:
        RPCError: The server can't be reached.
    """
    workflow_id = f"{SCHEDULER}{schedule_id}"
    runs: list[list[HistoryEvent]] = []
    try:
        described = await client.get_workflow_handle(workflow_id).describe()
        run_id: str | None = described.run_id
        while run_id and len(runs) < _MOST_RUNS:
            events = [event async for event in _events(client, workflow_id, run_id)]
            runs.append(events)
            run_id = _run_before(events, since)
    except RPCError as error:
        if error.status not in _UNTOLD:
            raise
        if not runs:
            return ScheduleRecord()
    record = record_of(event for events in reversed(runs) for event in events)
    return replace(
        record,
        deleted=described.close_time,
        finished=described.status is WorkflowExecutionStatus.COMPLETED,
    )


async def _events(client: Client, workflow_id: str, run_id: str) -> AsyncIterator[HistoryEvent]:
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    async for event in handle.fetch_history_events():
        yield event


def _run_before(events: list[HistoryEvent], since: datetime) -> str:
    """The id of the run that went on as this one, unless this one is old enough."""
    if not events or _time(events[0]) <= since:
        return ""
    return events[0].workflow_execution_started_event_attributes.continued_execution_run_id


def _change(event: HistoryEvent, last: Change | None) -> Change | None:
    """What an event did to the schedule, as the change before left it."""
    at = _time(event)
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED and last is None:
        started = event.workflow_execution_started_event_attributes
        return _whole(Change("first", at, started.identity), started.input)
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED and last is not None:
        signal = event.workflow_execution_signaled_event_attributes
        same = replace(last, kind="updated", at=at, by=signal.identity, spans=())
        if signal.signal_name == "update":
            return _whole(same, signal.input)
        if signal.signal_name == "patch":
            return _patched(same, signal.input)
    return None


def _whole(change: Change, payloads: Any) -> Change | None:
    """The change that makes a schedule what a message of the server's own holds."""
    schedule = Schedule()
    if not _read(schedule, _first_field(payloads)):
        return None
    state = schedule.state
    kind = change.kind
    if kind == "updated" and state.paused != change.paused:
        kind = "paused" if state.paused else "resumed"
    return replace(change, kind=kind, paused=state.paused, note=state.notes)


def _first_field(payloads: Any) -> bytes:
    """The schedule in a message that no library describes: its first field."""
    message = Empty()
    if not _read(message, _data(payloads)):
        return b""
    found = UnknownFieldSet(message)
    fields = (found[place] for place in range(len(found)))
    return next((each.data for each in fields if each.field_number == 1), b"")


def _patched(change: Change, payloads: Any) -> Change | None:
    patch = SchedulePatch()
    if not _read(patch, _data(payloads)):
        return None
    if patch.pause:
        return replace(change, kind="paused", paused=True, note=patch.pause)
    if patch.unpause:
        return replace(change, kind="resumed", paused=False, note=patch.unpause)
    if patch.backfill_request:
        spans = tuple(
            (each.start_time.ToDatetime(tzinfo=UTC), each.end_time.ToDatetime(tzinfo=UTC))
            for each in patch.backfill_request
        )
        return replace(change, kind="backfilled", spans=spans)
    return replace(change, kind="triggered")


def _data(payloads: Any) -> bytes:
    return bytes(payloads.payloads[0].data) if payloads.payloads else b""


def _read(message: Any, data: bytes) -> bool:
    try:
        message.ParseFromString(data)
    except DecodeError:
        return False
    return bool(data)


def _time(event: HistoryEvent) -> datetime:
    moment: datetime = event.event_time.ToDatetime(tzinfo=UTC)
    return moment
