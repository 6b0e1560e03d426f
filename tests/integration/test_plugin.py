"""Scheduled jobs in a worker that somebody else made."""

import asyncio
import uuid

import sample_app
from conftest import SAMPLE
from temporalio.client import Client, ScheduleActionStartWorkflow
from temporalio.worker import Worker
from their_workflows import Greeting, greet

from euryale import EuryalePlugin


async def _both_run(client: Client, worker: Worker, queue: str) -> None:
    running = asyncio.create_task(worker.run())
    try:
        theirs = await client.execute_workflow(
            Greeting.run, "Ada", id=f"theirs-{queue}", task_queue=queue
        )
        ours = await client.execute_workflow(
            "cases",
            {"case": "loop", "with": {"count": 2}},
            id=f"ours-{queue}",
            task_queue=queue,
            result_type=int,
        )
    finally:
        await worker.shutdown()
        await running
    assert (theirs, ours) == ("hello Ada", 2)


async def test_a_worker_of_somebody_else_runs_jobs_beside_its_own_workflows(
    client: Client, journal: sample_app.Journal
) -> None:
    queue = f"theirs-{uuid.uuid4()}"
    plugin = EuryalePlugin(sample_app.app, root=SAMPLE)
    worker = Worker(
        client, task_queue=queue, workflows=[Greeting], activities=[greet], plugins=[plugin]
    )
    await _both_run(client, worker, queue)
    # The schedules start their runs where that worker waits for them.
    action = (await client.get_schedule_handle("sample/cases").describe()).schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert action.task_queue == queue


async def test_a_plugin_of_the_client_reaches_its_workers(
    temporal_address: str, journal: sample_app.Journal
) -> None:
    plugin = EuryalePlugin(sample_app.app, root=SAMPLE, apply_schedules=False)
    client = await Client.connect(temporal_address, plugins=[plugin])
    queue = f"client-{uuid.uuid4()}"
    worker = Worker(client, task_queue=queue, workflows=[Greeting], activities=[greet])
    await _both_run(client, worker, queue)
