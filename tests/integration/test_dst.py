"""The nights when clocks are changed, on the real server, beside the policy clock."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dst_cases import POLICIES, ZONES, random_expression
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.testing import WorkflowEnvironment

from euryale.config import Dst
from euryale.time.calendars import CompiledSchedule, compile_calendars
from euryale.time.clock import firings
from euryale.time.cron import CronExpression
from euryale.time.regimes import regimes, regimes_in

CASES = int(os.environ.get("EURYALE_DST_CASES", "60"))  # more of them find more
PAGE = 1_000  # as many times as the server gives at once
SECOND = timedelta(seconds=1)
NIGHT = timedelta(hours=36)
NOW = datetime(2026, 5, 1, tzinfo=UTC)

EXPRESSIONS = (
    "30 2 * * *",
    "0 * * * *",
    "*/15 1-2 * * *",
    "30 1 * * *",
    "*/5 * * * *",
    "0 0 * * *",
    "0,30 2,3 * * *",
    "0 9 * * 1-5",
    "0 0 31 * *",
    "0 0 1 3 *",
    "30 2 1 * SUN",
    "20,40 30 2 L * *",
)


def desired(compiled: CompiledSchedule, *, paused: bool, name: str = "night") -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow("Never", id=name, task_queue="nobody"),
        spec=ScheduleSpec(calendars=compiled.calendars, time_zone_name=compiled.time_zone_name),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL),
        state=ScheduleState(paused=paused),
    )


async def served(
    client: Client, schedule_id: str, start: datetime, end: datetime
) -> list[datetime]:
    """When the server would fire, from `start` to before `end`."""
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=schedule_id)
    request.start_time.FromDatetime(start - SECOND)
    request.end_time.FromDatetime(end - SECOND)
    times: list[datetime] = []
    while True:
        response = await client.workflow_service.list_schedule_matching_times(request)
        page = [time.ToDatetime(UTC) for time in response.start_time]
        times += page
        if len(page) < PAGE:
            return times
        request.start_time.FromDatetime(page[-1])


def told(
    expression: CronExpression, zone: str, dst: Dst, start: datetime, end: datetime
) -> list[datetime]:
    """When the policy clock fires, from `start` to before `end`, in UTC."""
    times = firings(expression, zone, after=start - SECOND, dst=dst)
    return [time.astimezone(UTC) for time in takewhile(lambda time: time < end, times)]


def windows(chance: random.Random, zone: str) -> list[tuple[datetime, datetime]]:
    """The nights of all the years that are written out, and some whole year of these."""
    starts = [regime.start for regime in regimes_in(ZoneInfo(zone), range(2025, 2037))[1:]]
    year = chance.randint(2025, 2036)
    whole = (datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))
    return [whole, *((start - NIGHT, start + NIGHT) for start in starts)]


@pytest.mark.timeout(max(120, 4 * CASES))
async def test_the_server_fires_at_every_time_that_the_clock_tells_and_at_no_other(
    client: Client,
) -> None:
    chance = random.Random(20260329)  # noqa: S311 - cases, not secrets
    cases = [
        (CronExpression.parse(text), "Europe/Berlin", POLICIES[number % 3])
        for number, text in enumerate(EXPRESSIONS)
    ]
    while len(cases) < CASES:
        zone = ZONES[len(cases) % len(ZONES)]
        cases.append((random_expression(chance), zone, chance.choice(POLICIES)))
    compared = most = 0
    for number, (expression, zone, dst) in enumerate(cases):
        compiled = compile_calendars(expression, zone, dst=dst, since=NOW)
        most = max(most, len(compiled.calendars))
        handle = await client.create_schedule(f"dst/{number}", desired(compiled, paused=True))
        for start, end in windows(chance, zone):
            expected = told(expression, zone, dst, start, end)
            actual = await served(client, handle.id, start, end)
            assert actual == expected, f"{expression.text} in {zone}, {dst}, {start:%Y-%m-%d}"
            compared += len(expected)
        await handle.delete()
    print(f"{len(cases)} schedules, {compared} firings compared, at most {most} calendars")  # noqa: T201 - read with -s
    assert compared > 10 * len(cases)


@pytest.fixture
async def virtual() -> AsyncIterator[WorkflowEnvironment]:
    """A real server whose time can be moved forward."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_log_level="never",
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
        ],
    ) as environment:
        yield environment


@pytest.mark.timeout(180)  # A year of virtual time takes seconds, or minutes on a busy machine.
async def test_through_both_nights_of_a_year_the_runs_that_start_are_those_that_the_clock_told(
    virtual: WorkflowEnvironment,
) -> None:
    berlin, now = ZoneInfo("Europe/Berlin"), datetime.now(UTC)
    end = now + timedelta(days=365)
    changes = [regime.start.date() for regime in regimes(berlin, now, end)][1:]
    assert len(changes) >= 2
    nights = f"{','.join(str(change.day) for change in changes)} 3,10 *"
    cases: tuple[tuple[str, str, Dst], ...] = (
        ("once", f"30 2 {nights}", "once"),
        ("skip", f"30 2 {nights}", "skip"),
        ("twice", f"30 2 {nights}", "twice"),
        ("elapsed", f"*/30 1-3 {nights}", "once"),
    )
    expected = []
    for name, text, dst in cases:
        expression = CronExpression.parse(text)
        compiled = compile_calendars(expression, "Europe/Berlin", dst=dst)
        await virtual.client.create_schedule(name, desired(compiled, paused=False, name=name))
        # Each schedule has a time of its own.
        scheduler = virtual.client.get_workflow_handle(f"temporal-sys-scheduler:{name}")
        await virtual.fast_forward(scheduler, end - now)
        times = told(expression, "Europe/Berlin", dst, now, end)
        expected += [f"{name}-{time:%Y-%m-%dT%H:%M:%SZ}" for time in times]
    started: list[str] = []
    async with asyncio.timeout(60):
        while len(started) < len(expected):  # The list lags behind.
            runs = virtual.client.list_workflows("WorkflowType = 'Never'")
            started = [run.id async for run in runs]
            await asyncio.sleep(0.05)
    assert sorted(started) == sorted(expected)
