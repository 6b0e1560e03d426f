"""Schedules put off by a constant time, as the real server reads and keeps them."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from test_timetable_calendars import SINCE, TIMETABLES, WINDOWS, served, told

from euryale.time.timetable import parse_timetable
from euryale.time.timetable_calendars import compile_timetable

SPREADS = {
    "some minutes": timedelta(minutes=3, seconds=27),
    "nearly a day": timedelta(hours=23, minutes=59, seconds=59),
}


def desired(spread: timedelta, **said: object) -> Schedule:
    compiled = compile_timetable(parse_timetable(**said), since=SINCE)  # type: ignore[arg-type]
    return Schedule(
        action=ScheduleActionStartWorkflow("Never", id="never", task_queue="nobody"),
        spec=compiled.spec(spread=spread),
        state=ScheduleState(paused=True),
    )


@pytest.mark.parametrize("spread", SPREADS.values(), ids=list(SPREADS))
@pytest.mark.parametrize("name", TIMETABLES)
async def test_the_server_fires_that_much_later_than_the_timetable_and_at_no_other_time(
    client: Client, name: str, spread: timedelta
) -> None:
    schedule_id = f"spreads/{name}/{spread}"
    handle = await client.create_schedule(schedule_id, desired(spread, **TIMETABLES[name]))
    timetable = parse_timetable(**TIMETABLES[name])
    compared = 0
    for after, until in WINDOWS:
        expected = [each + spread for each in told(timetable, after, until)]
        assert await served(client, schedule_id, after + spread, until + spread) == expected
        compared += len(expected)
    await handle.delete()
    assert compared


async def test_a_spread_outlives_an_update_of_what_was_described(client: Client) -> None:
    spread = timedelta(minutes=3, seconds=27)
    handle = await client.create_schedule(
        "spreads/updated", desired(spread, schedule="0 0 * * *", zone="Asia/Kolkata")
    )
    day = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 2, tzinfo=UTC)
    before = await served(client, handle.id, *day)

    def changed(described: ScheduleUpdateInput) -> ScheduleUpdate:
        described.description.schedule.state.note = "looked at"
        return ScheduleUpdate(described.description.schedule)

    await handle.update(changed)
    assert await served(client, handle.id, *day) == before
    assert before == [datetime(2026, 7, 1, 18, 33, 27, tzinfo=UTC)]
    (calendar,) = (await handle.describe()).schedule.spec.calendars
    assert calendar.comment == "0 0 * * * put off by 0:03:27"
    await handle.delete()
