"""Running the sample application's jobs, and ports for the servers of tests."""

import asyncio
import socket
import uuid
from pathlib import Path

import pytest
import sample_app
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError

from euryale import EuryalePlugin

SAMPLE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


async def connected(address: str) -> Client:
    """A client of a server that may just have been started: it is healthy a while after it listens.

    Its frontend comes before its visibility, which the last call asks.
    """
    async with asyncio.timeout(30):
        while True:
            try:
                client = await Client.connect(address, data_converter=pydantic_data_converter)
                await client.count_workflows()
            except (RuntimeError, RPCError):
                await asyncio.sleep(0.1)
            else:
                return client


def sample_plugin() -> EuryalePlugin:
    return EuryalePlugin(sample_app.app, root=SAMPLE, apply_schedules=False)


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
