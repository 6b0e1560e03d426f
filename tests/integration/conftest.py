"""A real Temporal server for the session, and a worker for the sample application."""

import asyncio
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sample_app
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError, ApplicationError

from euryale import EuryalePlugin
from euryale.server import DYNAMIC_CONFIG
from euryale.worker import make_worker, serve

SAMPLE = Path(__file__).parent / "sample"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def temporal_address() -> Iterator[str]:
    port = free_port()
    binary = str(Path(sys.executable).parent / "temporal")
    command = [binary, "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "never"]
    for value in DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not listens(port):
            assert process.poll() is None, "the Temporal server ended at its start"
            assert time.monotonic() < deadline, "the Temporal server didn't start"
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address, data_converter=pydantic_data_converter)


def sample_plugin() -> EuryalePlugin:
    return EuryalePlugin(sample_app.app, root=SAMPLE, apply_schedules=False)


@pytest.fixture
def journal() -> sample_app.Journal:
    sample_app.journal.clear()
    return sample_app.journal


class Sample:
    """The sample application, served; runs its jobs and tells how they ended."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def start(self, job: str, *data: object) -> WorkflowHandle[object, object]:
        return await self.client.start_workflow(
            job, args=data, id=f"sample/{job}-{uuid.uuid4()}", task_queue="sample"
        )

    async def run(self, case: str, **values: object) -> object:
        handle = await self.start("cases", {"case": case, "with": values})
        return await handle.result()

    async def failure(self, case: str, **values: object) -> ApplicationError:
        with pytest.raises(WorkflowFailureError) as caught:
            await self.run(case, **values)
        assert isinstance(caught.value.cause, ApplicationError)
        return caught.value.cause

    async def failure_of_takes(self, item_ids: list[str]) -> ApplicationError:
        handle = await self.client.start_workflow(
            "take-items", item_ids, id=f"take-{uuid.uuid4()}", task_queue="sample"
        )
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        cause: BaseException | None = caught.value.cause
        cause = cause.cause if isinstance(cause, ActivityError) else cause
        assert isinstance(cause, ApplicationError)
        return cause


@pytest.fixture
async def sample(client: Client, journal: sample_app.Journal) -> AsyncIterator[Sample]:
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(make_worker(client, sample_plugin()), stop))
    yield Sample(client)
    stop.set()
    await serving
