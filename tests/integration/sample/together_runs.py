"""Runs of the cases of `together_jobs`, and a worker for them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import together_app
from temporalio.client import Client, WorkflowHandle

from euryale import EuryalePlugin
from euryale.worker import make_worker, serve

SAMPLE = Path(together_app.__file__).parent


def plugin() -> EuryalePlugin:
    made = EuryalePlugin(together_app.app, root=SAMPLE, apply_schedules=False)
    assert not made.registry.errors
    return made


@asynccontextmanager
async def serving(client: Client) -> AsyncIterator[None]:
    stop = asyncio.Event()
    served = asyncio.create_task(serve(make_worker(client, plugin()), stop))
    yield
    stop.set()
    await served


async def start(client: Client, case: str, **given: Any) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(
        "cases",
        {"case": case, "given": given},
        id=f"together/cases/{uuid.uuid4()}",
        task_queue="together",
    )
