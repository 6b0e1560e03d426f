"""The compiled calendars, as the real server reads them, beside the policy clock."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.testing import WorkflowEnvironment

from euryale.server.dynamic_config import dynamic_config_arguments
from euryale.time.calendars import CompiledSchedule, compile_calendars
from euryale.time.clock import firings
from euryale.time.cron import CronExpression

START = datetime(2027, 7, 1, 0, 0, tzinfo=UTC) - timedelta(seconds=1)
YEAR = timedelta(days=366)  # over 29 February 2028
PAGE = 1_000  # as many times as the server gives at once
PAGES = 2  # a firing a minute for a year would be 527 pages, all alike

ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Etc/GMT+5",
    "Africa/Lagos",
    "Pacific/Kiritimati",
    "Pacific/Marquesas",
)

EXPRESSIONS = """
* * * * *
*/5 * * * *
0 * * * *
0 0 * * *
30 2 * * *
0 0 * * 0
0 9 * * 1
0 0 1 * *
0 18 * * 1-5
0 */6 * * *
@yearly
@annually
@monthly
@weekly
@daily
@midnight
@hourly
*/2 * * * *
1-59/2 * * * *
*/7 * * * *
*/40 * * * *
*/90 * * * *
5/10 * * * *
0,15,30,45 * * * *
3,5,8,13,21,34,55 * * * *
0 */2 * * *
0 */5 * * *
0 */24 * * *
23 0-20/2 * * *
5 0 * 8 *
15 14 1 * *
0 22 * * 1-5
5 4 * * sun
0 0,12 1 */2 *
0 4 8-14 * *
0 0 1,15 * 3
0 0 13 * 5
0 0 13 * FRI
0 0 1-7 * 1
0 0 */2 * 1
0 0 13 * */2
0 0 */10 * */3
0 0 *,13 * 5
0 0 1-31 * 1
30 4 1,15 * 5
0 0 31 * *
0 0 29 2 *
0 0 29 2 1
0 0 30 2 MON
0 0 31 4,5 *
0 0 30,31 * *
0 0 * FEB *
0 0 * 2/3 *
0 0 * JAN-MAR,OCT-DEC MON-FRI
0 9-17 * * 1-5
*/15 9-17 * * MON-FRI
0 0 * * 5-7
0 0 * * 7
0 0 * * 0,7
0 0 * * 1-7/2
0 0 * * */2
0 0 * * 6,7
59 23 31 12 *
59 23 * * 6
0 0 1-1 * *
0 0 1/9 * *
10-50/3 3 * * *
0-10,50-59 0,23 28-31,1 * *
1,2,4,8,16,32 0-6/3,20 */5 * *
0 0 2-30/4 6-12/2 2-6/2
7 3 5,10 3,9 WED
""".strip().splitlines()

FORMS = """
0 9 L * *
0 9 L-1 * *
0 9 L-3 * *
0 9 L-30 * *
0 9 LW * *
0 9 1W * *
0 9 15W * *
0 9 28W * *
0 9 29W * *
0 9 30W * *
0 9 31W * *
0 9 1,15W,L * *
0 9 L 2 *
0 9 L-28 2 *
0 9 LW FEB,APR *
0 9 15W * SUN
0 9 L * MON#2
0 9 */2 * 5L
0 9 LW * */5
0 9 *,15W * *
0 9 ? * MON
0 9 13 * ?
0 9 * * MON#2
0 9 * * 0#1,7#3
0 9 * * SAT#5
0 9 * 2 TUE#5
0 9 * * 5L
0 9 * * L5
0 9 * * 0L
0 9 * * MON,5L
0 9 * * FRI-MON
0 22-2 * * *
50-10/5 3 * * *
0 9 28-3 NOV-FEB *
H H * * *
H/15 * * * *
H(0-29)/10 H(1-3) H H(1-3) *
H H * * H
0 0 0 * * *
30 15 9 * * MON-FRI
*/10 * 3 1 * *
0,59 59 23 L * *
5-50/9 */20 4 15W 1-3 *
""".strip().splitlines()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    server = Path(sys.executable).with_name("temporal")
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(server), dev_server_extra_args=dynamic_config_arguments()
    )
    async with environment:
        yield environment.client


def desired(compiled: CompiledSchedule) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow("Never", id="never", task_queue="nobody"),
        spec=ScheduleSpec(calendars=compiled.calendars, time_zone_name=compiled.time_zone_name),
        state=ScheduleState(paused=True),
    )


async def matching_times(client: Client, schedule_id: str, end: datetime) -> list[datetime]:
    """When the server would fire, from `START` on: up to `PAGES` pages."""
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=schedule_id)
    request.start_time.FromDatetime(START)
    request.end_time.FromDatetime(end)
    times: list[datetime] = []
    for _ in range(PAGES):
        response = await client.workflow_service.list_schedule_matching_times(request)
        page = [time.ToDatetime(UTC) for time in response.start_time]
        times += page
        if len(page) < PAGE:
            break
        request.start_time.FromDatetime(page[-1])
    return times


@pytest.mark.parametrize("texts", [EXPRESSIONS, FORMS], ids=["numbers", "forms"])
async def test_the_server_fires_at_every_time_that_the_clock_tells_and_at_no_other(
    client: Client, texts: list[str]
) -> None:
    # Each expression in UTC and in two of the other zones, which take turns.
    cases = [
        (text, zone)
        for number, text in enumerate(texts)
        for zone in (
            "UTC",
            *(ZONES[1 + (2 * number + turn) % (len(ZONES) - 1)] for turn in range(2)),
        )
    ]
    compared = 0
    for number, (text, zone) in enumerate(cases):
        expression = CronExpression.parse(text, name="report")
        handle = await client.create_schedule(
            f"calendars/{number}", desired(compile_calendars(expression, zone))
        )
        served = await matching_times(client, handle.id, START + YEAR)
        await handle.delete()
        told = takewhile(lambda time: time <= START + YEAR, firings(expression, zone, after=START))
        expected = [time.astimezone(UTC) for time in islice(told, PAGE * PAGES)]
        assert served == expected, f"{text} in {zone}"
        compared += len(expected)
    print(f"{len(cases)} schedules, {compared} firings compared")  # noqa: T201 - read with -s
    assert compared > len(cases)


async def test_the_server_fires_to_the_end_of_the_last_year_and_no_further(client: Client) -> None:
    expression = CronExpression.parse("0 0 1 * *")
    handle = await client.create_schedule(
        "calendars/last", desired(compile_calendars(expression, "UTC"))
    )
    served = await matching_times(client, handle.id, datetime(2102, 1, 1, tzinfo=UTC))
    await handle.delete()
    assert served == list(firings(expression, "UTC", after=START))


@pytest.mark.parametrize(
    "text", ["0 9 L * *", "0 9 29W 2 *", "0 9 LW * *", "0 9 * 2 MON#5", "0 9 L-3 2 5L"]
)
async def test_the_server_knows_the_leap_years_of_the_century(client: Client, text: str) -> None:
    expression = CronExpression.parse(text)
    handle = await client.create_schedule(
        "calendars/century", desired(compile_calendars(expression, "UTC"))
    )
    served = await matching_times(client, handle.id, datetime(2102, 1, 1, tzinfo=UTC))
    await handle.delete()
    assert served == list(firings(expression, "UTC", after=START))


async def test_the_expression_is_the_comment_and_two_calendars_say_either_day(
    client: Client,
) -> None:
    handle = await client.create_schedule(
        "calendars/comment",
        desired(compile_calendars(CronExpression.parse("0 0 13 * FRI"), "Asia/Kolkata")),
    )
    spec = (await handle.describe()).schedule.spec
    await handle.delete()
    assert [calendar.comment for calendar in spec.calendars] == ["0 0 13 * FRI"] * 2
    assert spec.time_zone_name == "Asia/Kolkata"
    assert not spec.cron_expressions


async def test_an_expression_of_any_length_fits_the_servers_comment(client: Client) -> None:
    text = f"{','.join(str(minute) for minute in range(60))} {','.join(['0'] * 100)} * * *"
    handle = await client.create_schedule(
        "calendars/long", desired(compile_calendars(CronExpression.parse(text), "UTC"))
    )
    comment = (await handle.describe()).schedule.spec.calendars[0].comment
    await handle.delete()
    assert comment is not None
    assert comment == f"{text[:197]}..."
