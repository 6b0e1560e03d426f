"""Expressions by the thousand: the calendars fire when the policy clock does, and never else.

`make test` takes a sample, the same one each time. `EURYALE_DIFFERENTIAL=full` takes all; run it
with `-n 2` and with `-rA`, which shows how much was compared; it takes half an hour.
"""

import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from differential_cases import (
    DAY,
    MANY_A_DAY,
    ZONES,
    Case,
    Window,
    around_transitions,
    make_case,
    read,
    times_a_day,
    told,
    windows,
)
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    ScheduleState,
)

from euryale.config import Dst
from euryale.time.calendars import CompiledSchedule, compile_calendars
from euryale.time.cron import CronExpression

FULL = os.environ.get("EURYALE_DIFFERENTIAL") == "full"
EXPRESSIONS = 1_000 if FULL else 10  # in each zone
SERVED_EXPRESSIONS = 300 if FULL else 3

POLICIES: Sequence[Dst] = ("once", "skip", "twice")
PAGE = 1_000  # as many times as the server gives at once
WRITTEN_AHEAD = 10  # years

pytestmark = pytest.mark.timeout(0 if FULL else 60)


@pytest.mark.parametrize("zone", ZONES)
def test_calendars_match_when_the_clock_fires_over_four_years_under_each_policy(
    zone: str,
) -> None:
    compared = 0
    for number in range(EXPRESSIONS):
        case, chance = make_case(zone, number)
        compared_windows = windows(case, chance)
        for dst in POLICIES:
            compiled = compile_calendars(case.expression, zone, dst=dst, since=case.since)
            for window in compared_windows:
                expected = told(case, dst, window)
                assert_same(read(compiled, window), expected, f"{case}, dst={dst}")
                compared += len(expected)
    print(f"{zone}: {EXPRESSIONS} expressions, {compared:,} firings compared")  # noqa: T201 - read with -rA
    assert compared > 100 * EXPRESSIONS


@pytest.mark.parametrize("zone", ZONES)
async def test_the_server_fires_when_the_clock_does_around_transitions_and_in_a_year(
    client: Client, zone: str
) -> None:
    compared = 0
    for number in range(SERVED_EXPRESSIONS):
        # Others than in the test above.
        case, chance = make_case(zone, -1 - number)
        year = case.since.replace(year=case.year + chance.randrange(WRITTEN_AHEAD))
        days = 365 if times_a_day(case.expression) < MANY_A_DAY else 10
        dst = POLICIES[number % len(POLICIES)]
        compiled = compile_calendars(case.expression, zone, dst=dst, since=case.since)
        handle = await client.create_schedule(
            f"differential/{zone}/{number}", schedule_of(compiled)
        )
        for window in (*around_transitions(case), (year, year + days * DAY)):
            expected = told(case, dst, window)
            served = await matching_times(client, handle.id, window)
            assert_same(served, expected, f"{case}, dst={dst}")
            compared += len(expected)
        await handle.delete()
    print(f"{zone}: {SERVED_EXPRESSIONS} schedules, {compared:,} firings compared")  # noqa: T201 - read with -rA
    assert compared > SERVED_EXPRESSIONS


def test_a_calendar_too_few_and_another_policy_are_seen() -> None:
    case = Case(CronExpression.parse("30 2 * * *"), "Europe/Berlin", 2026)
    (window,) = windows(case, random.Random(1))  # noqa: S311 - no secret
    compiled = compile_calendars(case.expression, case.zone, since=case.since)
    too_few = CompiledSchedule(compiled.calendars[1:], compiled.time_zone_name)
    skipping = compile_calendars(case.expression, case.zone, dst="skip", since=case.since)
    expected = told(case, "once", window)
    assert read(compiled, window) == expected
    assert read(too_few, window) != expected
    assert len(read(skipping, window)) == len(expected) - 4  # one in each year


def assert_same(actual: list[int], expected: list[int], what: str) -> None:
    """Fail with the first few differences; a list of a year's firings would hide them."""
    if actual != expected:
        missing = [shown(time) for time in sorted({*expected} - {*actual})[:5]]
        surplus = [shown(time) for time in sorted({*actual} - {*expected})[:5]]
        pytest.fail(f"{what}: doesn't fire at {missing}, but at {surplus}")


def shown(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def schedule_of(compiled: CompiledSchedule) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow("Never", id="never", task_queue="nobody"),
        spec=ScheduleSpec(calendars=compiled.calendars, time_zone_name=compiled.time_zone_name),
        state=ScheduleState(paused=True),
    )


async def matching_times(client: Client, schedule_id: str, window: Window) -> list[int]:
    """When the server would fire, in seconds since 1970."""
    start, end = (moment - timedelta(seconds=1) for moment in window)
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=schedule_id)
    request.start_time.FromDatetime(start)
    request.end_time.FromDatetime(end)
    times: list[int] = []
    while True:
        response = await client.workflow_service.list_schedule_matching_times(request)
        times += [time.seconds for time in response.start_time]
        if len(response.start_time) < PAGE:
            return times
        request.start_time.CopyFrom(response.start_time[-1])
