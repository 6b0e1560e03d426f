"""The vault's application, served, and the runs of its jobs that tests start."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import vault_app
from sample_runs import SAMPLE
from temporalio.client import Client, WorkflowHandle

from euryale import EuryalePlugin
from euryale.runs.memo import MEMO, run_memo
from euryale.worker import make_worker, serve

Operation = list[Any]


def vault_plugin() -> EuryalePlugin:
    return EuryalePlugin(vault_app.app, root=SAMPLE, apply_schedules=False)


@asynccontextmanager
async def serving_vault(client: Client) -> AsyncIterator[Client]:
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(make_worker(client, vault_plugin()), stop))
    yield client
    stop.set()
    await serving


async def start_script(
    client: Client, *script: Operation, job: str = "calls"
) -> WorkflowHandle[Any, Any]:
    """Start a run of a job that does what a script says."""
    config = vault_plugin().registry.jobs[job].config
    return await client.start_workflow(
        job,
        {"script": list(script)},
        id=f"vault/{job}/{uuid.uuid4().hex[:8]}",
        task_queue="vault",
        memo={MEMO: run_memo(config)},
    )
