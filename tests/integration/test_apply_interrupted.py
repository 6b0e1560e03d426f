"""An apply that is killed, or whose server goes away, in the middle: the next one heals it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from operated_project import OperatedProject, make_operated_project
from sample_runs import free_port
from temporalio.client import Client

from euryale.schedules.held import held_schedules
from euryale.server.connection import connect
from euryale.server.server import DevServer

pytestmark = pytest.mark.timeout(180)


def project_of(root: Path, client: Client, address: str, jobs: int) -> OperatedProject:
    project = make_operated_project(root, f"app_{free_port()}", client, address)
    for number in range(jobs):
        project.add(f"job{number:03}")
    return project


@asynccontextmanager
async def applying(project: OperatedProject) -> AsyncIterator[asyncio.subprocess.Process]:
    """An apply that has written some schedules, and goes on."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith("EURYALE_")}
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "euryale.cli", "apply", "--yes"],
        cwd=project.root,
        env={**mine, "TEMPORAL_ADDRESS": project.address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        line = (await process.stderr.readline()).decode()
        assert re.fullmatch(r"\d+ of \d+ schedules\n", line)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def written(project: OperatedProject) -> int:
    """How many schedules there are; the list lags behind, but a lost one never comes."""
    held = await held_schedules(project.client, project.name)
    return len([name for name in held if not name.startswith(".")])


async def test_an_apply_that_was_killed_heals_with_the_next_one(
    client: Client, temporal_address: str, tmp_path: Path
) -> None:
    project = project_of(tmp_path, client, temporal_address, 200)
    async with applying(project) as process:
        process.kill()
        assert await process.wait() == -signal.SIGKILL

    # It waits until the one who died would have shown that it is alive.
    done = await project.call("apply", "--yes")
    assert "waiting for another apply" in done.stderr
    assert "waiting" not in done.stdout
    counts = {outcome: int(count) for count, outcome in re.findall(r"(\d+) (\w+)", done.stdout)}
    assert counts["created"] + counts["unchanged"] == 200
    assert 0 < counts["created"] < 200
    told = [f"{done} of 200 schedules" for done in range(20, 201, 20)]
    assert [line for line in done.stderr.splitlines() if line in told] == told

    async with asyncio.timeout(60):
        while await written(project) < 200:
            await asyncio.sleep(0.2)
    answer = await project.answer("plan", "--check")
    assert answer["counts"] == {"unchanged": 200}


async def test_an_apply_whose_server_goes_away_fails_in_a_sentence_and_heals_later(
    tmp_path: Path,
) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with DevServer.start(address, state_dir=tmp_path / "temporal") as server:
        client = await connect(address=server.address)
        (tmp_path / "project").mkdir()
        project = project_of(tmp_path / "project", client, server.address, 100)
        async with applying(project) as process:
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await server.wait_stopped()
            output, errors = await process.communicate()
        assert process.returncode == 1
        told = [line for line in errors.decode().splitlines() if not line.endswith("schedules")]
        assert len(told) == 1, told
        assert re.fullmatch(r"error: Temporal can't be reached: .*\[EUR401\]", told[0])
        assert not output

        await server.restart()
        done = await project.call("apply", "--yes")
        counts = {outcome: int(count) for count, outcome in re.findall(r"(\d+) (\w+)", done.stdout)}
        assert counts["created"] + counts["unchanged"] == 100
        assert 0 < counts["created"] < 100
        async with asyncio.timeout(60):
            while await written(project) < 100:
                await asyncio.sleep(0.2)
