"""The lines of a run, asked for from a worker that has never seen it."""

from datetime import timedelta

import pytest
import sample_app
import structlog
from sample_runs import Sample, sample_plugin
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from euryale.runs.log_lines import log_lines


async def lines_of(handle: WorkflowHandle[object, object]) -> list[str]:
    told = await handle.query(
        "__temporal_workflow_metadata",
        result_type=WorkflowMetadata,
        rpc_timeout=timedelta(seconds=30),
    )
    return [f"{line.level} {line.text}" for line in log_lines(told.current_details)]


async def test_the_lines_of_a_run_that_has_ended_are_told_by_another_worker_and_written_once(
    client: Client, journal: sample_app.Journal
) -> None:
    with structlog.testing.capture_logs() as written:
        async with Worker(client, task_queue="sample", plugins=[sample_plugin()]):
            handle = await Sample(client).start("cases", {"case": "is_replay_safe", "with": {}})
            await handle.result()
        async with Worker(client, task_queue="sample", plugins=[sample_plugin()]):
            assert await lines_of(handle) == [f"info a line number={each}" for each in range(5)]
    assert len([line for line in written if line["event"] == "a line"]) == 5


async def test_why_a_run_failed_is_among_its_lines(sample: Sample) -> None:
    handle = await sample.start("cases", {"case": "raises", "with": {}})
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    (line,) = await lines_of(handle)
    assert line.startswith("""error run failed error="KeyError: 'the moon'" where=sample_jobs/""")
