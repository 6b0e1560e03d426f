"""What the simulation says, beside what the real server does: overlaps, a pause and an outage.

In real time, because time skipping stands still while a schedule watches a run that others wait
for. What no one can foresee is measured (when a run ended, when the server was back) and given to
the simulation; what became of each firing has to follow from that.
"""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from sample_runs import connected, free_port, listens
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleIntervalSpec,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from euryale.config import Overlap
from euryale.schedules.schedule import OVERLAP
from euryale.server.dynamic_config import dynamic_config_arguments
from euryale.server.server import database_arguments
from euryale.time.simulation import Simulated, Span, simulate

INTERVAL = 3.0  # seconds; all but firings happens far from them, between two
LIMIT = 6
POLICIES: tuple[Overlap, ...] = get_args(Overlap)
BUSY_POLICIES: tuple[Overlap, ...] = ("skip", "buffer_one")
CATCH_UP = timedelta(seconds=10)  # the server's shortest


@workflow.defn(name="held")
class Held:
    """Ends in the middle of an interval, so that no firing falls together with its end."""

    @workflow.run
    async def run(self, intervals: int | None) -> None:
        if intervals is None:
            return
        now = workflow.now().timestamp()
        await workflow.sleep(middle(now + (intervals + 0.5) * INTERVAL) - now)


def middle(moment: float) -> float:
    """The middle of the interval that a moment lies in."""
    return (moment // INTERVAL + 0.5) * INTERVAL


def later(moment: datetime | None = None, *, intervals: int) -> datetime:
    """The middle of an interval that is some intervals later than now, or than a moment."""
    seconds = time.time() if moment is None else moment.timestamp()
    return datetime.fromtimestamp(middle(seconds + intervals * INTERVAL), UTC)


async def until(moment: datetime) -> datetime:
    """Wait for a moment."""
    await asyncio.sleep(moment.timestamp() - time.time())
    return datetime.now(UTC)


class Server:
    """A server that remembers its schedules when it is stopped and started again."""

    def __init__(self, database: Path) -> None:
        self.port = free_port()
        binary = str(Path(sys.executable).parent / "temporal")
        self._command = [binary, "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
        self._command += ["--port", str(self.port), "--log-level", "never"]
        self._command += database_arguments(database)
        self._command += dynamic_config_arguments()
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: ASYNC220 -- it takes a millisecond
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with asyncio.timeout(30):
            while not listens(self.port):
                assert self._process.poll() is None, "the Temporal server ended at its start"
                await asyncio.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Client]:
    await server.start()
    try:
        yield await connected(f"127.0.0.1:{server.port}")
    finally:
        server.stop()


def worker(client: Client, task_queue: str = "simulated") -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[Held],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


async def scheduled(
    client: Client,
    schedule_id: str,
    overlap: Overlap,
    begin: datetime,
    *,
    intervals: int | None = 2,
    task_queue: str = "simulated",
) -> ScheduleHandle:
    return await client.create_schedule(
        schedule_id,
        Schedule(
            action=ScheduleActionStartWorkflow(
                "held", intervals, id=schedule_id, task_queue=task_queue
            ),
            spec=ScheduleSpec(
                intervals=[ScheduleIntervalSpec(timedelta(seconds=INTERVAL))], start_at=begin
            ),
            policy=SchedulePolicy(overlap=OVERLAP[overlap], catchup_window=CATCH_UP),
            state=ScheduleState(limited_actions=True, remaining_actions=LIMIT),
        ),
    )


@dataclass(frozen=True)
class Ran:
    """A run as the server tells of it."""

    started: datetime
    closed: datetime
    status: WorkflowExecutionStatus


async def ran(client: Client, schedule_id: str, nominal: datetime) -> Ran | None:
    """The run of a firing, once it is closed; nothing if the firing started none."""
    handle = client.get_workflow_handle(f"{schedule_id}-{nominal:%Y-%m-%dT%H:%M:%SZ}")
    async with asyncio.timeout(20):
        while True:
            try:
                described = await handle.describe()
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
                return None
            if described.status and described.close_time:
                return Ran(described.start_time, described.close_time, described.status)
            await asyncio.sleep(0.05)


def firings_between(begin: datetime, end: datetime) -> list[datetime]:
    first = int(begin.timestamp() // INTERVAL + 1) * INTERVAL
    count = int((end.timestamp() - first) // INTERVAL) + 1
    return [datetime.fromtimestamp(first + INTERVAL * number, UTC) for number in range(count)]


def lengths(runs: dict[datetime, Ran | None], overlap: Overlap) -> Callable[[datetime], timedelta]:
    """How long each run took from when a punctual server would have started it.

    It is long for a run that didn't end by itself, and for a firing that started none.
    """
    found: dict[datetime, timedelta] = {}
    free = datetime.min.replace(tzinfo=UTC)
    for nominal, run in sorted(runs.items()):
        if run is not None and run.status == WorkflowExecutionStatus.COMPLETED:
            found[nominal] = run.closed - max(nominal, free)
            free = free if overlap == "allow_all" else run.closed
    return lambda nominal: found.get(nominal, timedelta(hours=1))


async def compare(
    client: Client,
    schedule: ScheduleHandle,
    overlap: Overlap,
    firings: list[datetime],
    *,
    pauses: list[Span],
) -> tuple[Simulated, ...]:
    """Compare what became of each firing with what the simulation says; return the latter."""
    runs = {nominal: await ran(client, schedule.id, nominal) for nominal in firings}
    results = simulate(
        firings,
        overlap=overlap,
        catch_up=CATCH_UP,
        duration=lengths(runs, overlap),
        pauses=pauses,
        number_of_executions=LIMIT,
    )
    table = "\n".join(f"{overlap}: {result} {runs[result.nominal]}" for result in results)
    for result in results:
        run = runs[result.nominal]
        assert (run is None) == (result.started is None), table
        if run is not None and result.started is not None:
            assert abs(run.started - result.started) < timedelta(seconds=INTERVAL), table
            cut = run.status != WorkflowExecutionStatus.COMPLETED
            assert cut == ("cancelled" in result.reason or "terminated" in result.reason), table
    description = await schedule.describe()
    outcomes = Counter(result.outcome for result in results)
    started = sum(result.started is not None for result in results)
    assert description.info.num_actions == started, table
    assert description.schedule.state.remaining_actions == LIMIT - started, table
    assert description.info.num_actions_skipped_overlap == outcomes["skipped"], table
    return results


async def woke(client: Client, schedule: ScheduleHandle, after: datetime) -> datetime:
    """When the server looked at a schedule for the first time after a moment."""
    scheduler = client.get_workflow_handle(f"temporal-sys-scheduler:{schedule.id}")
    async with asyncio.timeout(30):
        while True:
            async for event in scheduler.fetch_history_events():
                moment = event.event_time.ToDatetime(UTC)
                if (
                    event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
                    and moment > after
                ):
                    return moment
            await asyncio.sleep(0.1)


@pytest.mark.timeout(120)
async def test_overlaps_a_pause_and_the_end_of_executions_are_what_the_server_does(
    tmp_path: Path,
) -> None:
    async with running(Server(tmp_path / "temporal.db")) as client, worker(client):
        begin = later(intervals=1)
        schedules = {each: await scheduled(client, each, each, begin) for each in POLICIES}
        paused = await until(later(begin, intervals=4))
        await asyncio.gather(*(schedule.pause() for schedule in schedules.values()))
        resumed = await until(later(paused, intervals=1))
        await asyncio.gather(*(schedule.unpause() for schedule in schedules.values()))
        end = await until(later(resumed, intervals=3))
        await asyncio.gather(*(schedule.pause() for schedule in schedules.values()))
        for overlap, schedule in schedules.items():
            results = await compare(
                client,
                schedule,
                overlap,
                firings_between(begin, end),
                pauses=[(paused, resumed), (end, end + timedelta(days=1))],
            )
            outcomes = {result.outcome for result in results}
            assert "paused" in outcomes
            assert ("buffered" in outcomes) == overlap.startswith("buffer")
            assert ("skipped" in outcomes) == (overlap in ("skip", "buffer_one"))
            assert ("exhausted" in outcomes) == (
                overlap in ("cancel_other", "terminate_other", "allow_all")
            )


@pytest.mark.timeout(120)
async def test_an_outage_is_caught_up_as_the_server_does(tmp_path: Path) -> None:
    server = Server(tmp_path / "temporal.db")
    # A worker that outlives the server takes seconds to find out that it is back, unlike a new one.
    async with running(server) as client, worker(client, "outliving"):
        begin = later(intervals=1)
        before = firings_between(begin, later(begin, intervals=2))
        async with worker(client):
            # Runs that end at once, and ones that are under way when the server stops.
            idle = {
                each: await scheduled(client, f"idle-{each}", each, begin, intervals=None)
                for each in POLICIES
            }
            busy = {
                each: await scheduled(client, f"busy-{each}", each, begin, task_queue="outliving")
                for each in BUSY_POLICIES
            }
            await until(before[-1])
            for schedule in idle.values():
                while await ran(client, schedule.id, before[-1]) is None:
                    await asyncio.sleep(0.05)
            server.stop()
            down = datetime.now(UTC)
        await until(later(down, intervals=5))
        await server.start()
        async with worker(client):
            for overlap, schedule in idle.items():
                await compare_outage(
                    client, schedule, overlap, begin=begin, down=down, duration=timedelta(0)
                )
            for overlap, schedule in busy.items():
                await compare_outage(
                    client, schedule, overlap, begin=begin, down=down, duration=timedelta(hours=1)
                )


async def compare_outage(
    client: Client,
    schedule: ScheduleHandle,
    overlap: Overlap,
    *,
    begin: datetime,
    down: datetime,
    duration: timedelta,
) -> None:
    """Compare the firings that started runs up to the end of the outage with the simulated ones."""
    back = await woke(client, schedule, down)
    firings = firings_between(begin, back)
    results = simulate(
        firings,
        overlap=overlap,
        catch_up=CATCH_UP,
        duration=duration,
        outages=[(down, back)],
        number_of_executions=LIMIT,
    )
    assert any(result.outcome == "missed" for result in results)
    caught_up = [result for result in results if result.outcome == "caught_up"]
    # The scheduler looks before a worker has told it that the run under way has ended.
    assert bool(caught_up) == (duration == timedelta(0)), schedule.id
    for result in results:
        if result.started is not None:
            async with asyncio.timeout(40):  # buffered runs start one after the other
                while await ran(client, schedule.id, result.nominal) is None:
                    await asyncio.sleep(0.05)
    for result in results:
        if result.started is None:
            assert await ran(client, schedule.id, result.nominal) is None, (schedule.id, results)
