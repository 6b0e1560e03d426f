"""What is caught up after an outage: each mode on a real server that is stopped and started again.

All firings lie within the outage, so that nothing depends on the moment at which the server is
back, and the simulation has to say the same as the server does.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sample_runs import connected, free_port
from sample_schedules import Jobs, closed_run, nominal_time, write_jobs
from temporalio.client import (
    Client,
    ScheduleBackfill,
    ScheduleHandle,
    ScheduleInfo,
    ScheduleOverlapPolicy,
)
from test_simulation import Server

from euryale.config import Overlap
from euryale.runs.lateness import LateRun, _is_backfilled
from euryale.time.simulation import simulate_job
from euryale.time.spread import spread_of

SECOND = timedelta(seconds=1)
FIRINGS = 5
NONE_IN = timedelta(seconds=10)  # the window that `none` is
MODES = {
    "default": "overlap='skip'",
    "within-an-hour": "overlap='skip', catch_up=timedelta(hours=1)",
    "none": "overlap='allow_all', catch_up='none'",
    "latest": "overlap='skip', catch_up='latest'",
    "latest-spread-out": "overlap='skip', catch_up='latest', window=3",
    "latest-limited": "overlap='skip', catch_up='latest', number_of_executions=2",
    "latest-cancel": "overlap='cancel_other', catch_up='latest'",
    "latest-terminate": "overlap='terminate_other', catch_up='latest'",
    "latest-of-all": "overlap='allow_all', catch_up='latest'",
    "all-buffered": "overlap='buffer_all', catch_up='all'",
    "all-at-once": "overlap='allow_all', catch_up='all'",
}
REPLACING = ("cancel_other", "terminate_other")  # what these drop, Temporal doesn't count
OLDEST, LATEST, ALL = [0], [FIRINGS - 1], [*range(FIRINGS)]
EXPECTED = {
    "default": OLDEST,
    "within-an-hour": OLDEST,
    "none": [],
    **{mode: LATEST for mode in MODES if mode.startswith("latest")},
    "all-buffered": ALL,
    "all-at-once": ALL,
}


def written(moment: datetime) -> str:
    return f"datetime.fromtimestamp({moment.timestamp():.0f}, UTC)"


@pytest.mark.timeout(180)
async def test_after_an_outage_each_mode_runs_what_it_says_and_the_simulation_says_the_same(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "temporal.db")
    await server.start()
    try:
        client = await connected(f"127.0.0.1:{server.port}")
        first = datetime.fromtimestamp(int(time.time()) + 12, UTC)
        last = first + (FIRINGS - 1) * SECOND
        times = f"schedule=timedelta(seconds=1), start_at={written(first)}, end_at={written(last)}"
        jobs = write_jobs(
            tmp_path, "outages", {mode: f"{times}, {said}" for mode, said in MODES.items()}
        )
        ids = [(await made(jobs, client, mode)).id for mode in MODES]
        down = datetime.now(UTC)
        assert down < first, "the schedules were made too late"
        server.stop()
        # The firings of the spread job come last.
        back = last + 3 * SECOND + NONE_IN
        await asyncio.sleep(back.timestamp() - time.time())
        await server.start()
        client = await connected(f"127.0.0.1:{server.port}")
        async with jobs.served(client):
            for schedule_id, mode in zip(ids, MODES, strict=True):
                await compare(client, jobs, schedule_id, mode, first=first, down=down)
        for mode in ("latest", "latest-of-all"):
            late = client.get_workflow_handle(f"outages/{mode}-{first:%Y-%m-%dT%H:%M:%SZ}")
            await jobs.replay(await late.fetch_history())
    finally:
        server.stop()


async def made(jobs: Jobs, client: Client, job: str) -> ScheduleHandle:
    """Make a job's schedule, and wait until its scheduler knows when it fires."""
    handle = await jobs.schedule(client, job)
    async with asyncio.timeout(10):
        while not (await handle.describe()).info.next_action_times:
            await asyncio.sleep(0.02)
    return handle


async def compare(
    client: Client, jobs: Jobs, schedule_id: str, mode: str, *, first: datetime, down: datetime
) -> None:
    job = jobs.registry.job(mode)
    firings = [first + number * SECOND for number in range(FIRINGS)]
    spread = spread_of(schedule_id, job.config.window)
    assert bool(spread) == bool(job.config.window)
    results = simulate_job(
        job.config,
        start=first,
        end=firings[-1],
        spread=spread,
        outages=[(down, datetime.now(UTC))],
    )
    expected = [result.nominal for result in results if result.started is not None]
    assert expected == [firings[number] for number in EXPECTED[mode]], (mode, results)
    handle = client.get_schedule_handle(schedule_id)
    async with asyncio.timeout(60):
        while not has_met_all(info := (await handle.describe()).info, job.config.overlap):
            await asyncio.sleep(0.05)
    found = await nominal_times(client, schedule_id, [each + spread for each in firings])
    assert found == expected, mode
    outcomes = [result.outcome for result in results]
    assert info.num_actions_missed_catchup_window == outcomes.count("missed"), mode
    # Where each firing has its own run, those that are superseded are started, and end at once.
    superseded = outcomes.count("skipped") if mode == "latest-of-all" else 0
    assert info.num_actions == len(expected) + superseded, mode
    if job.config.overlap not in REPLACING:
        assert info.num_actions_skipped_overlap == outcomes.count("skipped") - superseded, mode


def has_met_all(info: ScheduleInfo, overlap: Overlap) -> bool:
    """Whether the scheduler has looked at all firings, and none of them waits."""
    if overlap in REPLACING:
        return info.num_actions > 0
    missed, skipped = info.num_actions_missed_catchup_window, info.num_actions_skipped_overlap
    return info.num_actions + missed + skipped == FIRINGS


async def nominal_times(
    client: Client, schedule_id: str, scheduled: list[datetime]
) -> list[datetime]:
    """What the runs were for that were started for these times, but for superseded ones."""
    runs = [await closed_run(client, schedule_id, each) for each in scheduled]
    told = [await nominal_time(client, run) for run in runs if run is not None]
    return sorted(each for each in told if each is not None)


@pytest.mark.timeout(60)
async def test_a_run_that_is_late_for_no_outage_is_for_its_own_time(
    client: Client, tmp_path: Path
) -> None:
    modes = {"latest": "overlap='skip'", "latest-of-all": "overlap='allow_all'"}
    jobs = write_jobs(
        tmp_path,
        f"app_{free_port()}",
        {mode: f"schedule='@hourly', catch_up='latest', {said}" for mode, said in modes.items()},
    )
    now = datetime.now(UTC)
    latest = now.replace(minute=0, second=0, microsecond=0)
    hours_ago = [latest - number * timedelta(hours=1) for number in range(3)]
    async with jobs.served(client):
        for job in modes:
            schedule = await jobs.schedule(client, job, since=now - timedelta(days=1), paused=True)
            assert await backfilled(client, schedule, hours_ago[2]) == hours_ago[2]
            await schedule.delete()
            # A firing from before the schedule was made so.
            schedule = await jobs.schedule(client, job, since=latest, paused=True)
            assert await backfilled(client, schedule, hours_ago[1]) == hours_ago[1]
            await schedule.delete()


async def test_where_the_history_tells_too_little_a_later_run_shows_that_there_was_no_outage(
    client: Client, tmp_path: Path
) -> None:
    config = {"latest": "schedule='@hourly', overlap='skip', catch_up='latest'"}
    jobs = write_jobs(tmp_path, f"app_{free_port()}", config)
    now = datetime.now(UTC)
    latest = now.replace(minute=0, second=0, microsecond=0)
    # The history begins after this one.
    earlier = latest - timedelta(hours=1)
    async with jobs.served(client):
        schedule = await jobs.schedule(client, "latest", paused=True)
        late = LateRun(
            job="latest",
            schedule_id=schedule.id,
            scheduled=earlier.isoformat(),
            started=now.isoformat(),
            since=earlier.isoformat(),
            overlap="skip",
            spread=0,
            jitter=0,
        )
        assert not await _is_backfilled(client, late, earlier, now + timedelta(days=1))
        assert await backfilled(client, schedule, latest) == latest
        async with asyncio.timeout(20):
            # Visibility follows a moment later.
            while not await _is_backfilled(client, late, earlier, now + timedelta(days=1)):
                await asyncio.sleep(0.05)
        assert not await _is_backfilled(client, late, earlier, now)
        await schedule.delete()


async def backfilled(client: Client, schedule: ScheduleHandle, firing: datetime) -> datetime | None:
    await schedule.backfill(
        ScheduleBackfill(
            start_at=firing - SECOND, end_at=firing, overlap=ScheduleOverlapPolicy.ALLOW_ALL
        )
    )
    async with asyncio.timeout(20):
        while (run := await closed_run(client, schedule.id, firing)) is None:
            await asyncio.sleep(0.05)
    return await nominal_time(client, run)


@pytest.mark.timeout(60)
async def test_a_spread_job_is_told_its_nominal_time_and_one_that_is_triggered_its_own(
    client: Client, tmp_path: Path
) -> None:
    jobs = write_jobs(
        tmp_path, f"app_{free_port()}", {"spread": "schedule='@hourly', window=600, jitter=60"}
    )
    firing = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    async with jobs.served(client):
        schedule = await jobs.schedule(client, "spread", paused=True)
        spread = spread_of(schedule.id, timedelta(minutes=10))
        await schedule.backfill(
            ScheduleBackfill(start_at=firing, end_at=firing + timedelta(minutes=30))
        )
        async with asyncio.timeout(20):
            while (run := await closed_run(client, schedule.id, firing + spread)) is None:
                await asyncio.sleep(0.05)
        assert await nominal_time(client, run) == firing
        await schedule.trigger()
        async with asyncio.timeout(20):
            while len((await schedule.describe()).info.recent_actions) < 2:
                await asyncio.sleep(0.05)
        triggered = (await schedule.describe()).info.recent_actions[-1].scheduled_at
        async with asyncio.timeout(20):
            while (run := await closed_run(client, schedule.id, triggered)) is None:
                await asyncio.sleep(0.05)
        assert await nominal_time(client, run) == triggered.replace(microsecond=0)
        await schedule.delete()
