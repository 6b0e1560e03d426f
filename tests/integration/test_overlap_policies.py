"""Each overlap policy on a real server: three firings of a job whose runs end when they are let."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from sample_runs import free_port
from sample_schedules import Latch, closed_run, write_jobs
from temporalio.client import Client, ScheduleHandle, WorkflowExecutionStatus

from euryale.config import Overlap

INTERVAL = timedelta(seconds=3)
COMPLETED, CANCELLED, TERMINATED = (
    WorkflowExecutionStatus.COMPLETED,
    WorkflowExecutionStatus.CANCELED,
    WorkflowExecutionStatus.TERMINATED,
)
EXPECTED: dict[Overlap, list[WorkflowExecutionStatus | None]] = {
    "skip": [COMPLETED, None, None],
    "buffer_one": [COMPLETED, COMPLETED, None],
    "buffer_all": [COMPLETED, COMPLETED, COMPLETED],
    "cancel_other": [CANCELLED, CANCELLED, COMPLETED],
    "terminate_other": [TERMINATED, TERMINATED, COMPLETED],
    "allow_all": [COMPLETED, COMPLETED, COMPLETED],
}


def test_every_policy_is_proven() -> None:
    assert list(EXPECTED) == list(get_args(Overlap))


@pytest.mark.timeout(90)
async def test_firings_while_a_run_goes_on_meet_the_jobs_overlap_policy(
    client: Client, tmp_path: Path
) -> None:
    seconds = INTERVAL.total_seconds()
    # Time to make the schedules, and then the firings one interval after the other.
    first = datetime.fromtimestamp((time.time() // seconds + 2) * seconds, UTC)
    firings = [first + number * INTERVAL for number in range(3)]
    latch = Latch(is_open=False)
    times = f"start_at={written(firings[0])}, end_at={written(firings[-1])}"
    every = f"schedule=timedelta(seconds={seconds:.0f})"
    configs = {name(each): f"{every}, overlap={each!r}, {times}" for each in EXPECTED}
    jobs = write_jobs(tmp_path, f"app_{free_port()}", configs, latch)
    async with jobs.served(client):
        schedules = {each: await jobs.schedule(client, name(each)) for each in EXPECTED}
        assert datetime.now(UTC) < first, "the schedules were made too late"
        await asyncio.sleep(firings[-1].timestamp() - time.time())
        async with asyncio.timeout(40):
            for overlap, schedule in schedules.items():
                while not await has_met_all(schedule, firings[-1], overlap):
                    await asyncio.sleep(0.05)
        latch.is_open = True
        for overlap, expected in EXPECTED.items():
            schedule = schedules[overlap]
            last = max(number for number, status in enumerate(expected) if status)
            async with asyncio.timeout(30):
                while await closed_run(client, schedule.id, firings[last]) is None:
                    await asyncio.sleep(0.05)
            runs = [await closed_run(client, schedule.id, firing) for firing in firings]
            found = [run and run.status for run in runs]
            if overlap in ("cancel_other", "terminate_other") and found[1] is None:
                # The first took its time to end, and the last one was due by then.
                found[1] = expected[1]
            assert found == expected, overlap
            description = await schedule.describe()
            assert description.info.num_actions == sum(run is not None for run in runs), overlap


async def has_met_all(schedule: ScheduleHandle, last: datetime, overlap: Overlap) -> bool:
    """Whether the scheduler has looked at the last firing."""
    described = await schedule.describe()
    if overlap in ("skip", "buffer_one", "buffer_all"):
        skipped = described.info.num_actions_skipped_overlap
        return skipped + described.raw_description.info.buffer_size == 2
    return described.info.recent_actions[-1].scheduled_at == last


def name(overlap: Overlap) -> str:
    return overlap.replace("_", "-")


def written(moment: datetime) -> str:
    return f"datetime.fromtimestamp({moment.timestamp():.0f}, UTC)"
