"""Scheduled jobs in a worker that somebody else made."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace

import pytest
import sample_app
from sample_runs import SAMPLE, sample_plugin
from structlog.testing import capture_logs
from temporalio import activity, workflow
from temporalio.client import Client, ScheduleActionStartWorkflow
from temporalio.common import RawValue
from temporalio.worker import Worker
from their_workflows import Greeting, greet

from euryale import EuryalePlugin
from euryale.errors import JobNameTaken, ServiceInvalid
from euryale.schedules.apply import Applied
from euryale.worker import make_worker, serve


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


async def test_a_worker_that_is_told_to_stop_while_its_start_fails_ends_with_the_reason(
    client: Client,
) -> None:
    applying, stop = asyncio.Event(), asyncio.Event()

    async def fail_once_stopped(_applied: Sequence[Applied]) -> None:
        applying.set()
        # Temporal has no public word for a shutdown that has been asked for.
        await worker._shutdown_event.wait()
        raise OSError("the start failed")

    plugin = EuryalePlugin(sample_app.app, root=SAMPLE, on_applied=fail_once_stopped)
    worker = make_worker(client, plugin)
    serving = asyncio.create_task(serve(worker, stop))
    await applying.wait()
    stop.set()
    async with asyncio.timeout(20):
        with pytest.raises(OSError, match="the start failed"):
            await serving


async def test_a_plugin_of_the_client_reaches_its_workers(
    temporal_address: str, journal: sample_app.Journal
) -> None:
    plugin = EuryalePlugin(sample_app.app, root=SAMPLE, apply_schedules=False)
    client = await Client.connect(temporal_address, plugins=[plugin])
    queue = f"client-{uuid.uuid4()}"
    worker = Worker(client, task_queue=queue, workflows=[Greeting], activities=[greet])
    await _both_run(client, worker, queue)


async def test_workers_of_one_client_share_services_and_the_first_one_gets_the_schedules(
    temporal_address: str, journal: sample_app.Journal
) -> None:
    applied = asyncio.Queue[Sequence[Applied]]()
    plugin = EuryalePlugin(sample_app.app, root=SAMPLE, on_applied=applied.put)
    client = await Client.connect(temporal_address, plugins=[plugin])
    queue = f"first-{uuid.uuid4()}"
    first = Worker(client, task_queue=queue, workflows=[Greeting], activities=[greet])
    running = asyncio.create_task(first.run())
    await applied.get()
    with capture_logs() as logs:
        # It starts, runs a job, and stops.
        other_queue = f"other-{uuid.uuid4()}"
        other = Worker(client, task_queue=other_queue, workflows=[Greeting], activities=[greet])
        await _both_run(client, other, other_queue)
    assert [line["task_queue"] for line in logs if line.get("action") == "schedules_left"] == [
        other_queue
    ]
    result = await client.execute_workflow(
        "cases",
        {"case": "loop", "with": {"count": 2}},
        id=f"afterwards-{queue}",
        task_queue=queue,
        result_type=int,
    )
    action = (await client.get_schedule_handle("sample/cases").describe()).schedule.action
    await first.shutdown()
    await running
    assert result == 2
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert action.task_queue == queue


@workflow.defn(name="cases")
class Namesake:
    """Bears the name of one of the sample's jobs."""

    @workflow.run
    async def run(self) -> None: ...


@workflow.defn(dynamic=True)
class TakesAll:
    """A dynamic workflow of somebody else."""

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None: ...


@activity.defn(name="item.take")
async def take() -> None:
    """Bears the name of a step of the sample."""


def test_a_job_that_bears_the_name_of_a_workflow_of_its_application_is_left_out() -> None:
    registry = replace(sample_app.app, workflows=[Namesake]).load(SAMPLE)
    assert "cases" not in registry.jobs
    assert "impatient" in registry.jobs
    (taken,) = [error for error in registry.errors if isinstance(error, JobNameTaken)]
    assert "'cases' is also borne by the workflow test_plugin.Namesake" in taken.what
    assert taken.where.startswith("sample_jobs/cases.py:")


async def test_a_worker_whose_own_workflow_bears_the_name_of_a_job_is_refused(
    client: Client,
) -> None:
    with pytest.raises(JobNameTaken, match=r"cases\.py:\d+: .*test_plugin\.Namesake"):
        Worker(client, task_queue="q", workflows=[Namesake], plugins=[sample_plugin()])


async def test_a_worker_with_a_dynamic_workflow_of_its_own_is_refused(client: Client) -> None:
    with pytest.raises(ServiceInvalid, match=r"test_plugin\.TakesAll: .*one dynamic workflow"):
        Worker(client, task_queue="q", workflows=[TakesAll], plugins=[sample_plugin()])


async def test_an_activity_that_bears_the_name_of_a_step_is_refused(
    client: Client,
) -> None:
    with pytest.raises(ServiceInvalid, match=r"2 activities are named 'item\.take'"):
        Worker(client, task_queue="q", activities=[take], plugins=[sample_plugin()])
