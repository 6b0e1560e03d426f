"""The history of a schedule, read: pauses with who and when, backfills, and when it was awake.

`tests/integration/test_why_command.py` reads the histories of a real server.
"""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.schedule.v1 import (
    BackfillRequest,
    Schedule,
    SchedulePatch,
    ScheduleState,
    TriggerImmediatelyRequest,
)

from euryale.schedules.schedule_record import ScheduleRecord, record_of

START = datetime(2026, 1, 5, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def event(kind: int, minutes: float) -> HistoryEvent:
    made = HistoryEvent(event_type=kind)  # type: ignore[arg-type]
    made.event_time.FromDatetime(at(minutes))
    return made


def whole(*, paused: bool, note: str = "") -> Payloads:
    """A message whose first field is a schedule, as the server's own are."""
    schedule = Schedule(state=ScheduleState(paused=paused, notes=note)).SerializeToString()
    return Payloads(
        payloads=[Payload(data=b"\n" + bytes([len(schedule)]) + schedule + b"\x10\x02")]
    )


def started(minutes: float, *, paused: bool = False, note: str = "") -> HistoryEvent:
    made = event(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, minutes)
    made.workflow_execution_started_event_attributes.identity = "1@worker"
    made.workflow_execution_started_event_attributes.input.CopyFrom(whole(paused=paused, note=note))
    return made


def signalled(minutes: float, name: str, payloads: Payloads) -> HistoryEvent:
    made = event(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, minutes)
    attributes = made.workflow_execution_signaled_event_attributes
    attributes.signal_name, attributes.identity = name, "7@laptop"
    attributes.input.CopyFrom(payloads)
    return made


def patched(minutes: float, patch: SchedulePatch) -> HistoryEvent:
    data = Payloads(payloads=[Payload(data=patch.SerializeToString())])
    return signalled(minutes, "patch", data)


def pause(minutes: float, note: str = "inventory") -> HistoryEvent:
    return patched(minutes, SchedulePatch(pause=note))


def resume(minutes: float) -> HistoryEvent:
    return patched(minutes, SchedulePatch(unpause="go on"))


def test_a_pause_lasts_from_its_beginning_to_its_end() -> None:
    record = record_of([started(0), pause(10), resume(20), pause(30)])
    assert record.since == START
    assert [record.pause_at(at(minutes)) is not None for minutes in (5, 10, 15, 20, 25, 35)] == [
        False,
        True,
        True,
        False,
        False,
        True,
    ]
    first, last = record.pause_at(at(15)), record.pause_at(at(35))
    assert first is not None
    assert (first.begun.at, first.begun.by, first.begun.note) == (at(10), "7@laptop", "inventory")
    assert first.ended is not None
    assert first.ended.at == at(20)
    assert last is not None
    assert last.ended is None


def test_a_note_that_is_written_during_a_pause_begins_no_other_pause() -> None:
    record = record_of([started(0), pause(10), pause(12, "longer than thought"), resume(20)])
    pauses = [record.pause_at(at(11)), record.pause_at(at(15))]
    assert [found and found.begun.at for found in pauses] == [at(10), at(10)]
    assert [found and found.ended and found.ended.at for found in pauses] == [at(20), at(20)]


def test_a_pause_that_was_there_before_the_record_is_known() -> None:
    pause_before = record_of([started(0, paused=True, note="starts paused")]).pause_at(at(1))
    assert pause_before is not None
    assert (pause_before.begun.kind, pause_before.begun.note) == ("first", "starts paused")


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [(False, True, "paused"), (True, False, "resumed"), (True, True, "updated")],
)
def test_an_update_that_pauses_or_resumes_is_told_from_others(
    before: bool, after: bool, kind: str
) -> None:
    update = signalled(5, "update", whole(paused=after))
    assert record_of([started(0, paused=before), update]).changes[-1].kind == kind


def test_a_backfill_tells_the_stretches_that_it_runs() -> None:
    request = BackfillRequest()
    request.start_time.FromDatetime(at(-60))
    request.end_time.FromDatetime(at(-30))
    record = record_of(
        [
            started(0),
            patched(1, SchedulePatch(backfill_request=[request])),
            patched(2, SchedulePatch(trigger_immediately=TriggerImmediatelyRequest())),
        ]
    )
    assert [change.kind for change in record.changes] == ["first", "backfilled", "triggered"]
    found = record.backfill_of(at(-45), at(-45))
    assert found is not None
    assert (found.at, found.by) == (at(1), "7@laptop")
    assert record.backfill_of(at(-10), at(-10)) is None
    assert record.backfill_of(at(-61), at(-60)) == found


def test_the_scheduler_looked_at_a_firing_when_it_next_woke_up_for_good() -> None:
    awake = [
        event(EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED, 1),
        event(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 1.5),
        event(EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED, 3),
        event(EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, 4),
        event(EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED, 5),
        event(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 5.5),
    ]
    record = record_of([started(0), *awake])
    assert [record.looked_at(at(minutes)) for minutes in (1, 2, 6)] == [at(1), at(5), None]
    assert record.looked_at(at(-1)) is None


def test_a_run_that_goes_on_with_the_scheduler_begins_no_new_record() -> None:
    record = record_of([started(0), pause(10), started(15, paused=True), resume(20)])
    assert [change.kind for change in record.changes] == ["first", "paused", "resumed"]


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"\n\x05ab"])
def test_what_can_not_be_read_tells_nothing(data: bytes) -> None:
    made = event(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, 0)
    made.workflow_execution_started_event_attributes.input.payloads.add(data=data)
    assert record_of([made, pause(1)]) == ScheduleRecord()
