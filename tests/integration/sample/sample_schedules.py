"""Jobs of a test's own, made into schedules of a real server and served there."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from temporalio.client import (
    Client,
    ScheduleHandle,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHistory,
)
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer

from euryale import Euryale, EuryalePlugin, instance, read
from euryale.registry import Registry
from euryale.schedules.schedule import desired_schedule
from euryale.worker import make_worker

JOB = """
import asyncio
from datetime import UTC, datetime, timedelta

from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="{name}", {config})


async def handler(container, scheduled_for):
    gate = container.resolve("gate")
    while not await gate.is_open():
        await asyncio.sleep(0.2)
    return scheduled_for.astimezone(UTC).isoformat()
"""


@dataclass
class Latch:
    """Whether handlers may come to their end."""

    is_open: bool = True


class Gate:
    def __init__(self, latch: Latch) -> None:
        self._latch = latch

    @read
    async def is_open(self) -> bool:
        return self._latch.is_open


@dataclass(frozen=True)
class Jobs:
    """An application with some jobs: each returns its nominal time, in UTC."""

    app: Euryale
    registry: Registry
    root: Path

    async def schedule(
        self, client: Client, job: str, *, since: datetime | None = None, paused: bool = False
    ) -> ScheduleHandle:
        """Make the schedule of a job, as if it had been applied at some time."""
        wanted = desired_schedule(
            self.app.name, self.registry.job(job), self.app.queue, since=since
        )
        schedule = wanted.schedule()
        schedule.state.paused = paused
        return await client.create_schedule(wanted.id, schedule)

    @asynccontextmanager
    async def served(self, client: Client) -> AsyncIterator[None]:
        async with make_worker(client, self._plugin()):
            yield

    async def replay(self, history: WorkflowHistory) -> None:
        """Replay a run; raises if it goes another way than it did."""
        replayer = Replayer(workflows=[], plugins=[self._plugin()], build_id="replay")
        await replayer.replay_workflow(history)

    def _plugin(self) -> EuryalePlugin:
        return EuryalePlugin(self.app, root=self.root, apply_schedules=False)


def write_jobs(
    root: Path, name: str, configs: Mapping[str, str], latch: Latch | None = None
) -> Jobs:
    """An application of that name, with a job for each config, all of them good."""
    folder = root / f"jobs_of_{name}"
    folder.mkdir(exist_ok=True)
    for job, config in configs.items():
        file = folder / f"{job.replace('-', '_')}.py"
        file.write_text(JOB.format(name=job, config=config), encoding="utf-8")
    app = Euryale(
        name=name,
        services={"gate": Gate},
        providers=[instance(latch or Latch())],
        jobs=[folder.name],
    )
    registry = app.load(root)
    assert registry.errors == ()
    return Jobs(app, registry, root)


async def closed_run(
    client: Client, schedule_id: str, fired_for: datetime, *, within: float = 40
) -> WorkflowExecutionDescription | None:
    """The run that a schedule started for a time, once it is closed; None if it started none."""
    run = client.get_workflow_handle(
        f"{schedule_id}-{fired_for.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    )
    async with asyncio.timeout(within):
        while True:
            try:
                described = await run.describe()
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
                return None
            if described.status != WorkflowExecutionStatus.RUNNING:
                return described
            await asyncio.sleep(0.05)


async def nominal_time(client: Client, run: WorkflowExecutionDescription) -> datetime | None:
    """What a completed run was for; None if it was superseded."""
    assert run.status == WorkflowExecutionStatus.COMPLETED, run.id
    told = await client.get_workflow_handle(run.id, run_id=run.run_id).result()
    return None if told is None else datetime.fromisoformat(told)
