"""Compiled timetables, as the real server reads them, beside the policy clock."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleState

from euryale.time.timetable import Timetable, firings, parse_timetable
from euryale.time.timetable_calendars import CompiledTimetable, compile_timetable

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 1_000  # as many times as the server gives at once
BERLIN = ZoneInfo("Europe/Berlin")

TIMETABLES: dict[str, dict[str, Any]] = {
    "an interval": {"schedule": timedelta(hours=7, seconds=3)},
    "an interval in words": {"schedule": "every 90 minutes", "zone": "Asia/Kolkata"},
    "one-off times": {
        "schedule": [
            datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN),
            datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
            datetime(2026, 7, 1, 12, 0, 59, tzinfo=timezone(timedelta(hours=5, minutes=45))),
            datetime(2020, 1, 1, tzinfo=UTC),
        ]
    },
    "a list of all": {
        "schedule": [
            "0 9 * * MON",
            "30 2 L * *",
            timedelta(days=2, hours=1),
            datetime(2026, 2, 28, 7, 5, tzinfo=UTC),
        ],
        "zone": "Asia/Kathmandu",
    },
    "a list of all where clocks are changed": {
        "schedule": [
            "0 9 * * MON",
            "30 2 * * *",
            timedelta(hours=12),
            datetime(2026, 2, 28, 7, 5, tzinfo=UTC),
        ],
        "zone": "Europe/Berlin",
    },
    "holidays": {
        "schedule": "*/30 8-17 * * MON-FRI",
        "zone": "Asia/Kolkata",
        "exceptions": [date(2026, 1, 26), date(2026, 8, 14), date(2026, 12, 25)],
    },
    "holidays where clocks are changed": {
        "schedule": "0 * * * *",
        "zone": "Europe/Berlin",
        "exceptions": [date(2026, 3, 29), date(2026, 7, 1), date(2026, 7, 2), date(2026, 10, 25)],
    },
    "holidays by another half hour": {
        "schedule": "*/15 * * * *",
        "zone": "Australia/Lord_Howe",
        "exceptions": [date(2026, 4, 5), date(2026, 6, 30), date(2026, 10, 4)],
    },
    "a day that begins in a gap": {
        "schedule": "*/20 * * * *",
        "zone": "Africa/Cairo",
        "exceptions": [date(2026, 4, 24), date(2026, 10, 29)],
    },
    "an interval on weekdays alone": {
        "schedule": timedelta(minutes=40, seconds=30),
        "zone": "America/New_York",
        "exceptions": "* * * * SAT,SUN",
    },
    "an exception with seconds": {
        "schedule": "*/20 0 12 * * *",
        "exceptions": "40 * * * * *",
    },
    "an exception for a time in the gap": {
        "schedule": "30 2 * * *",
        "zone": "Europe/Berlin",
        "exceptions": ["30 2 29 3 *", "* * 1-7 * *"],
    },
    "an exception for the end of a gap at midnight": {
        "schedule": ["30 23 * * *", "0 0 * * *"],
        "zone": "America/Scoresbysund",
        "exceptions": "30 23 28 3 *",
    },
    "start and end": {
        "schedule": "0 */4 * * *",
        "zone": "Europe/Berlin",
        "start_at": datetime(2026, 3, 28, 20, tzinfo=BERLIN),
        "end_at": datetime(2026, 10, 25, 12, tzinfo=BERLIN),
    },
    "start and end of an interval with an exception": {
        "schedule": timedelta(hours=1),
        "start_at": datetime(2026, 5, 1, 0, 0, 1, tzinfo=UTC),
        "end_at": datetime(2026, 5, 4, 23, 59, 59, tzinfo=UTC),
        "exceptions": date(2026, 5, 2),
    },
}  # fmt: skip

WINDOWS = (
    (SINCE, datetime(2026, 2, 1, tzinfo=UTC)),
    (datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 4, 7, tzinfo=UTC)),
    (datetime(2026, 4, 22, tzinfo=UTC), datetime(2026, 5, 6, tzinfo=UTC)),
    (datetime(2026, 6, 28, tzinfo=UTC), datetime(2026, 7, 5, tzinfo=UTC)),
    (datetime(2026, 10, 2, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)),
    (datetime(2026, 12, 20, tzinfo=UTC), datetime(2027, 1, 5, tzinfo=UTC)),
)


def desired(compiled: CompiledTimetable) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow("Never", id="never", task_queue="nobody"),
        spec=compiled.spec(),
        state=ScheduleState(paused=True),
    )


async def served(
    client: Client, schedule_id: str, after: datetime, until: datetime
) -> list[datetime]:
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=schedule_id)
    request.end_time.FromDatetime(until)
    times: list[datetime] = []
    page = [after]
    while page:
        request.start_time.FromDatetime(page[-1])
        response = await client.workflow_service.list_schedule_matching_times(request)
        page = [time.ToDatetime(UTC) for time in response.start_time]
        times += page
        if len(page) < PAGE:
            break
    return times


def told(timetable: Timetable, after: datetime, until: datetime) -> list[datetime]:
    times = takewhile(lambda time: time <= until, firings(timetable, after=after))
    return [time.astimezone(UTC) for time in times]


@pytest.mark.parametrize("name", TIMETABLES)
async def test_the_server_fires_at_every_time_of_a_timetable_and_at_no_other(
    client: Client, name: str
) -> None:
    timetable = parse_timetable(**TIMETABLES[name])
    compiled = compile_timetable(timetable, since=SINCE)
    schedule_id = f"timetables/{name}"
    handle = await client.create_schedule(schedule_id, desired(compiled))
    compared = 0
    for after, until in WINDOWS:
        expected = told(timetable, after, until)
        assert await served(client, schedule_id, after, until) == expected
        compared += len(expected)
    await handle.delete()
    print(  # noqa: T201 - read with -s
        f"{name}: {compared} firings compared, {len(compiled.calendars)} calendars,"
        f" {len(compiled.skip)} skipped"
    )
    assert compared


async def test_a_timetable_without_a_start_or_an_end_fires_to_the_end_of_2100(
    client: Client,
) -> None:
    timetable = parse_timetable(timedelta(hours=5))
    schedule_id = "timetables/last"
    handle = await client.create_schedule(schedule_id, desired(compile_timetable(timetable)))
    after, until = datetime(2100, 12, 30, tzinfo=UTC), datetime(2101, 1, 5, tzinfo=UTC)
    times = await served(client, schedule_id, after, until)
    await handle.delete()
    assert times == list(firings(timetable, after=after))
