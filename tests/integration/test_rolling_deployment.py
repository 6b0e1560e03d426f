"""A rolling deployment with real workers: two releases side by side, and the old one restarted."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sample_runs import free_port
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

pytestmark = pytest.mark.timeout(180)

APP = """
from euryale import Euryale, read


class Clock:
    @read
    async def release(self) -> str:
        return "{release}"


app = Euryale(name="{app}", services={{"clock": Clock}}, jobs=["{app}"])
"""

JOB = """
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="{name}", {config})


async def handler(container):
    return await container.resolve("clock").release()
"""

EVERY_SECOND = 'schedule="* * * * * *", overlap="allow_all"'


@dataclass(frozen=True)
class Release:
    """The code of a release, in a folder of its own as each container has it."""

    root: Path
    app: str
    name: str

    def write(self, **jobs: str) -> None:
        (self.root / self.app).mkdir(parents=True)
        (self.root / "pyproject.toml").write_text('[tool.euryale]\napp = "clocks:app"\n')
        (self.root / "clocks.py").write_text(APP.format(release=self.name, app=self.app))
        for name, config in jobs.items():
            text = JOB.format(name=name, config=config)
            (self.root / self.app / f"{name}.py").write_text(text)

    @asynccontextmanager
    async def served(self, address: str, log: Path) -> AsyncIterator["Worker"]:
        """A worker of this release; it is stopped as an orchestrator does when the context ends."""
        ours = ("EURYALE_", "TEMPORAL_")
        env = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *[sys.executable, "-m", "euryale.cli", "worker", "-o", "json"],
                cwd=self.root,
                env={**env, "TEMPORAL_ADDRESS": address, "EURYALE_RELEASE": self.name},
                stdout=output,
                stderr=output,
            )
        worker = Worker(process, log)
        try:
            await worker.logged("worker_ready")
            yield worker
            process.terminate()
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclass(frozen=True)
class Worker:
    process: asyncio.subprocess.Process
    log: Path

    async def logged(self, action: str) -> None:
        async with asyncio.timeout(60):
            while f'"action": "{action}"' not in self.log.read_text():
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Runs:
    """The runs of an application."""

    client: Client
    app: str

    async def of(self, job: str) -> dict[datetime, WorkflowExecutionStatus | None]:
        """The scheduled runs of a job by their nominal times."""
        query = f'TaskQueue = "{self.app}" AND WorkflowType = "{job}"'
        prefix = f"{self.app}/{job}-"
        return {
            datetime.fromisoformat(run.id.removeprefix(prefix)): run.status
            async for run in self.client.list_workflows(query)
        }

    async def completed(self, job: str) -> int:
        """How many runs of a job have completed."""
        statuses = (await self.of(job)).values()
        return len([one for one in statuses if one is WorkflowExecutionStatus.COMPLETED])

    async def complete(self, job: str, more: int) -> None:
        """Wait until so many more runs of a job have completed than by now."""
        end = await self.completed(job) + more
        async with asyncio.timeout(60):
            while await self.completed(job) < end:
                await asyncio.sleep(0.2)

    async def all_complete(self, job: str) -> list[datetime]:
        """Wait until all runs that the schedule started have completed; their nominal times."""
        handle = self.client.get_schedule_handle(f"{self.app}/{job}")
        async with asyncio.timeout(60):
            while await self.completed(job) < (await handle.describe()).info.num_actions:
                await asyncio.sleep(0.2)
        return sorted(await self.of(job))

    async def releases(self, job: str) -> set[str]:
        """Whose code the completed runs of a job ran."""
        query = (
            f'TaskQueue = "{self.app}" AND WorkflowType = "{job}" AND ExecutionStatus = "Completed"'
        )
        return {
            await self.client.get_workflow_handle(run.id, result_type=str).result()
            async for run in self.client.list_workflows(query)
        }


async def schedules(client: Client, app: str) -> set[str]:
    """The jobs that have a schedule, as each one's own description tells."""
    found = set()
    for name in ("tick", "goes", "comes"):
        with suppress(RPCError):
            await client.get_schedule_handle(f"{app}/{name}").describe()
            found.add(name)
    return found


async def test_a_rolling_deployment_loses_no_firing_and_brings_nothing_back(
    client: Client, temporal_address: str, tmp_path: Path
) -> None:
    app = f"app_{free_port()}"
    old, new = (Release(tmp_path / name, app, name) for name in ("old", "new"))
    old.write(tick=EVERY_SECOND, goes='schedule="0 4 * * *"')
    new.write(tick=f"{EVERY_SECOND}, description='better'", comes=EVERY_SECOND)
    runs = Runs(client, app)

    async with AsyncExitStack() as other:
        async with old.served(temporal_address, tmp_path / "old.log"):
            await runs.complete("tick", 2)
            assert await schedules(client, app) == {"tick", "goes"}
            await other.enter_async_context(new.served(temporal_address, tmp_path / "new.log"))
            assert await schedules(client, app) == {"tick", "comes"}
            # The old worker is given runs of the job, too, and leaves them to the new one.
            await runs.complete("comes", 3)
        # It is there once more, such as on a node that was drained, before the deployment is over.
        async with old.served(temporal_address, tmp_path / "again.log") as again:
            await again.logged("release_superseded")
            await runs.complete("comes", 3)
            assert await schedules(client, app) == {"tick", "comes"}
        await runs.complete("tick", 2)

        for job in ("tick", "comes"):
            await client.get_schedule_handle(f"{app}/{job}").pause()
            times = await runs.all_complete(job)
            seconds = int((times[-1] - times[0]).total_seconds())
            assert times == [times[0] + timedelta(seconds=each) for each in range(seconds + 1)]
        assert await schedules(client, app) == {"tick", "comes"}
        assert await runs.releases("tick") == {"old", "new"}
        assert await runs.releases("comes") == {"new"}
