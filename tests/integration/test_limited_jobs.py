"""Jobs with a number of executions, over weeks of virtual time on a real server."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from operated_project import OperatedProject, make_operated_project
from sample_runs import free_port
from temporalio.client import WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

pytestmark = pytest.mark.timeout(180)

APP = """
from pathlib import Path

from euryale import Euryale, read

FOLDER = Path(__file__).parent.parent


class Lamp:
    @read
    async def is_lit(self) -> bool:
        (FOLDER / "looked").touch()
        return (FOLDER / "lit").exists()


app = Euryale(name="{app}", services={{"lamp": Lamp}}, jobs=["{app}"])
"""

UNTIL_LIT = """
    import asyncio

    while not await container.resolve("lamp").is_lit():
        await asyncio.sleep(0.2)
"""


@dataclass(frozen=True)
class Limited:
    """A project with one daily job, whose virtual days pass when they are told to."""

    project: OperatedProject
    environment: WorkflowEnvironment

    async def grant(self, number: int, *, hour: int = 4) -> dict[str, str]:
        """Apply the job with a number of executions."""
        more = f"number_of_executions={number}, overlap='allow_all'"
        self.project.add("nightly", f"30 {hour} * * *", more, UNTIL_LIT)
        answer = await self.project.answer("apply")
        return {each["outcome"]: each["reason"] for each in answer["schedules"]}

    async def pass_days(self, days: float | None = None) -> None:
        """Let days pass for the schedule, or as many as there are until it is deleted."""
        scheduler = f"temporal-sys-scheduler:{self.project.name}/nightly"
        handle = self.environment.client.get_workflow_handle(scheduler)
        await self.environment.fast_forward(handle, None if days is None else timedelta(days=days))

    async def runs(self) -> list[WorkflowExecutionStatus | None]:
        found = self.environment.client.list_workflows(f'TaskQueue = "{self.project.name}"')
        return [run.status async for run in found]

    async def runs_until(self, *statuses: WorkflowExecutionStatus) -> None:
        async with asyncio.timeout(60):
            while sorted(map(str, await self.runs())) != sorted(map(str, statuses)):
                await asyncio.sleep(0.1)

    async def state(self) -> str:
        """What `euryale list` says of the job."""
        text = (await self.project.call("list")).stdout
        (line,) = [line for line in text.splitlines() if line.startswith("nightly")]
        return re.split(r"\s{3,}", line.strip())[-1]

    async def is_deleted(self) -> bool:
        handle = self.environment.client.get_schedule_handle(f"{self.project.name}/nightly")
        try:
            await handle.describe()
        except RPCError as error:
            return error.status is RPCStatusCode.NOT_FOUND
        return False

    @asynccontextmanager
    async def served(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A worker of the project as a process of its own."""
        ours = ("EURYALE_", "TEMPORAL_")
        env = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "euryale.cli", "worker", "-o", "json"],
            cwd=self.project.root,
            env={**env, "TEMPORAL_ADDRESS": self.project.address},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    def lit(self, *, on: bool) -> None:
        """Let the job's runs come to their end, or hold them up."""
        lit = self.project.root / "lit"
        lit.touch() if on else lit.unlink(missing_ok=True)


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Limited]:
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_log_level="never",
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
        ],
        data_converter=pydantic_data_converter,
    ) as environment:
        client = environment.client
        address = client.service_client.config.target_host
        name = f"app_{free_port()}"
        project = make_operated_project(tmp_path, name, client, address)
        (tmp_path / "lamps" / "app.py").write_text(APP.format(app=name))
        yield Limited(project, environment)


DONE = WorkflowExecutionStatus.COMPLETED


async def test_a_limited_job_runs_so_often_and_never_again_when_its_schedule_is_deleted(
    limited: Limited,
) -> None:
    limited.lit(on=True)
    assert await limited.grant(2) == {"created": ""}
    async with limited.served():
        await limited.pass_days(1)
        await limited.runs_until(DONE)
        assert await limited.state() == "1 of 2 left"
        await limited.pass_days(5)
        await limited.runs_until(DONE, DONE)
        assert await limited.state() == "finished: 2 of 2 executions ran"
        assert not await limited.is_deleted()

    # Seven days later Temporal deletes the schedule.
    await limited.pass_days()
    assert await limited.is_deleted()
    finished = "2 of 2 executions ran"
    assert await limited.grant(2) == {"finished": finished}
    assert await limited.is_deleted()
    assert await limited.state() == f"finished: {finished}"

    # A raised number grants the difference, and no more. Here no days have passed, and of one
    # nominal time there is one run: so it fires at another hour.
    assert await limited.grant(3, hour=5) == {"created": ""}
    assert await limited.state() == "1 of 3 left"
    async with limited.served():
        await limited.pass_days()
        await limited.runs_until(DONE, DONE, DONE)
    assert await limited.is_deleted()
    assert await limited.grant(3, hour=5) == {"finished": "3 of 3 executions ran"}


async def test_the_last_run_completes_whose_worker_died_and_came_back_when_all_was_over(
    limited: Limited,
) -> None:
    limited.lit(on=True)
    await limited.grant(2)
    async with limited.served() as worker:
        await limited.pass_days(1)
        await limited.runs_until(DONE)
        limited.lit(on=False)
        (limited.project.root / "looked").unlink()
        await limited.pass_days(1)
        async with asyncio.timeout(60):
            while not (limited.project.root / "looked").exists():
                await asyncio.sleep(0.05)
        worker.kill()
        assert await worker.wait() == -signal.SIGKILL

    await limited.pass_days()
    assert await limited.is_deleted()
    await limited.runs_until(DONE, WorkflowExecutionStatus.RUNNING)
    limited.lit(on=True)
    async with limited.served():
        # The worker applies the schedules, and makes none anew.
        await limited.runs_until(DONE, DONE)
    assert await limited.is_deleted()
    assert await limited.state() == "finished: 2 of 2 executions ran"
