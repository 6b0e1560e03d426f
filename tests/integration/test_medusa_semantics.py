"""What Medusa's workflow SDK promises, kept or bettered: a test for each row of the table."""

import asyncio
import inspect
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import ported_workflows
import pytest
import vault_app
from ported_workflows import (
    Announcer,
    Answered,
    Hooked,
    Killed,
    LateStep,
    LoudAnnouncer,
    Skipping,
    TimeLimited,
    When,
    ported_plugin,
)
from served_vault import Operation, serving_vault, start_script, vault_plugin
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError, WorkflowAlreadyStartedError

from euryale import Retry, StepResponse, UndoReport
from euryale.runs.runs import find_run
from euryale.undo.undo import plan_whole, start_undo
from euryale.undo.ways import ways_of
from euryale.worker import make_worker

Run = WorkflowHandle[Any, Any]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def vault() -> vault_app.Vault:
    vault_app.vault.clear()
    return vault_app.vault


@pytest.fixture
async def served(client: Client, vault: vault_app.Vault) -> AsyncIterator[Client]:
    async with serving_vault(client):
        yield client


@pytest.fixture
def lines() -> list[str]:
    ported_workflows.notebook.lines.clear()
    return ported_workflows.notebook.lines


@asynccontextmanager
async def serving_ported(
    client: Client, announcer: type[Announcer] = Announcer
) -> AsyncIterator[str]:
    """A worker for the ported workflows; its task queue."""
    queue = f"ported-{uuid.uuid4()}"
    async with make_worker(client, ported_plugin(queue, announcer)):
        yield queue


async def begun(client: Client, *script: Operation) -> Run:
    """A workflow of one saga, which does what a script says."""
    return await client.start_workflow(
        "vault-script", list(script), id=f"semantics/{uuid.uuid4()}", task_queue="vault"
    )


async def result(client: Client, *script: Operation) -> Any:
    return await (await begun(client, *script)).result()


async def failure(client: Client, *script: Operation) -> ApplicationError:
    return await failure_of(await begun(client, *script))


async def failure_of(run: Run) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


def report_of(error: ApplicationError) -> UndoReport:
    return UndoReport.model_validate(error.details[-1])


async def ported(client: Client, queue: str, workflow: Any, *given: Any) -> Run:
    return await client.start_workflow(
        workflow, args=list(given), id=f"ported/{uuid.uuid4()}", task_queue=queue
    )


async def until_there(item: str, among: Any) -> None:
    async with asyncio.timeout(60):
        while item not in among:
            await asyncio.sleep(0.01)


async def test_a_step_gives_its_output_to_the_workflow_and_its_undo_to_its_compensation(
    served: Client, vault: vault_app.Vault
) -> None:
    assert await result(served, ["put", "a", "1"]) == ["1"]
    await failure(served, ["put", "a", "2"], ["fail"])
    # The output was "2"; only its undo knows what was there before.
    assert vault.values == {"a": "1"}


def test_what_a_compensation_gets_is_always_named() -> None:
    parameters = inspect.signature(StepResponse).parameters
    assert list(parameters) == ["output", "undo"]
    assert all(each.default is each.empty for each in parameters.values())


async def test_a_step_may_be_called_many_times(served: Client, vault: vault_app.Vault) -> None:
    await failure(served, ["again", 3, ["put", "a", "1"], ["put", "b", "2"]], ["fail"])
    assert vault.log[:6] == ["a=1", "b=2"] * 3
    assert vault.values == {}


async def test_finished_steps_are_compensated_in_reverse(
    served: Client, vault: vault_app.Vault
) -> None:
    await failure(served, ["put", "a", "1"], ["put", "b", "2"], ["put", "c", "3"], ["fail"])
    assert vault.log == ["a=1", "b=2", "c=3", "c=None", "b=None", "a=None"]


async def test_siblings_are_awaited_and_compensated_together(
    served: Client, vault: vault_app.Vault
) -> None:
    siblings = [["put", "b", "2", "slow"], ["put", "c", "3"], ["put", "d", "4", "refuse"]]
    await failure(served, ["put", "a", "1"], ["all", *siblings])
    assert vault.values == {}
    # What had begun beside the failing one is known to have ended before anything is taken back,
    # and what came before them comes last.
    assert vault.log[-1] == "a=None"
    assert vault.log.index("c=None") > vault.log.index("c=3")


async def test_the_failing_step_is_compensated_first_and_from_its_input(
    served: Client, vault: vault_app.Vault
) -> None:
    await failure(served, ["put", "a", "1"], ["put sure", "b", "2", "refuse after"])
    assert vault.log == ["a=1", "b=2", "b=None", "a=None"]


async def test_a_step_that_gives_up_is_not_tried_again_and_says_what_it_left_behind(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1", "give up"])
    assert error.type == "VaultLocked"
    assert len(vault.keys) == 1
    assert vault.log == ["a=1", "a=None"]


async def test_a_compensation_that_fails_for_good_stops_no_other_and_is_reported(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1"], ["put", "b", "stuck"], ["fail"])
    assert vault.values == {"b": "stuck"}
    left = [each for each in report_of(error).steps if each.outcome != "undone"]
    assert [(each.step, each.reason) for each in left] == [("vault.put", "it is stuck")]


async def test_a_compensation_that_fails_is_tried_again(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "stuck once"], ["fail"])
    assert report_of(error).compensation == "complete"
    assert vault.values == {}


async def test_a_failing_step_is_tried_again_with_growing_pauses(
    served: Client, vault: vault_app.Vault
) -> None:
    assert await result(served, ["put", "a", "1", "fail once"]) == ["1"]
    assert len(vault.keys) == 2
    policy = Retry().policy()
    assert (policy.maximum_attempts, policy.backoff_coefficient) == (20, 2)


def test_a_pause_may_be_the_same_each_time() -> None:
    policy = Retry(maximum_attempts=3, initial_interval=60, backoff_coefficient=1).policy()
    assert policy.initial_interval == timedelta(minutes=1)
    assert policy.backoff_coefficient == 1


async def test_a_steps_timeout_stops_its_code(client: Client, lines: list[str]) -> None:
    async with serving_ported(client) as queue:
        await failure_of(await ported(client, queue, LateStep.run))
        await until_there("stopped", lines)
    assert [line for line in lines if line != "stopped"] == ["+a", "-perhaps b", "-a"]


async def test_a_workflows_timeout_waits_for_the_step_under_way_and_compensates(
    client: Client, lines: list[str]
) -> None:
    async with serving_ported(client) as queue:
        error = await failure_of(await ported(client, queue, TimeLimited.run, 0.2))
    assert error.type == "TimeoutError"
    assert lines == ["+a", "+b", "-b", "-a"]


async def test_a_step_may_fail_and_the_workflow_goes_on(
    served: Client, vault: vault_app.Vault
) -> None:
    assert await result(served, ["try", "a", "refuse after"], ["put", "b", "2"]) == [None, "2"]
    # What the failed one left is taken back at once.
    assert vault.log == ["a=tried", "a=None", "b=2"]


async def test_what_follows_a_failed_step_is_skipped_by_an_if(
    client: Client, lines: list[str]
) -> None:
    async with serving_ported(client) as queue:
        run = await ported(client, queue, Skipping.run)
        assert await run.result() == "skipped the rest"
    assert lines == []


async def test_a_step_without_compensation_is_left_alone_and_reported(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["tell", "Ada"], ["keep", "a", "1"], ["fail"])
    assert vault.values == {"a": "1"}
    assert [(each.step, each.outcome) for each in report_of(error).steps] == [
        ("vault.say", "no compensation")
    ]


async def test_a_nested_workflow_is_compensated_with_its_parent(
    served: Client, vault: vault_app.Vault
) -> None:
    await failure(served, ["put", "a", "1"], ["child", ["put", "b", "2"]], ["fail"])
    assert vault.log == ["a=1", "b=2", "b=None", "a=None"]


async def test_when_is_an_if(client: Client, lines: list[str]) -> None:
    async with serving_ported(client) as queue:
        run = await ported(client, queue, When.run, ["nobody"])
        assert await run.result() == ["nothing to do"]
    assert lines == []


async def test_transform_is_an_expression(client: Client, lines: list[str]) -> None:
    async with serving_ported(client) as queue:
        run = await ported(client, queue, When.run, ["ada", "nobody", "grace"])
        assert await run.result() == ["Ada", "Grace"]
    assert lines == ["+ada", "+grace"]


async def test_a_hook_is_a_service_that_the_application_chooses(client: Client) -> None:
    told = []
    for announcer in (Announcer, LoudAnnouncer):
        async with serving_ported(client, announcer) as queue:
            told.append(await (await ported(client, queue, Hooked.run, "ship")).result())
    assert told == ["ship was created", "SHIP WAS CREATED"]


async def test_a_running_workflow_that_is_cancelled_is_compensated(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await begun(served, ["put", "a", "1"], ["put", "b", "2"], ["wait"])
    await until_there("b=2", vault.log)
    await run.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert vault.log[2:] == ["b=None", "a=None"]


async def test_a_finished_run_can_be_taken_back_and_only_once(
    served: Client, vault: vault_app.Vault
) -> None:
    finished = await start_script(served, ["script", ["put", "a", "1"]], ["set", "b", "2"])
    await finished.result()
    run = await find_run(served, "vault", finished.id)
    for attempt in (1, 2):
        undo = await start_undo(served, "vault", "vault", run, attempt=attempt)
        await undo.result()
    assert vault.log == ["a=1", "b=2", "b=None", "a=None"]
    plan = await plan_whole(served, "vault", ways_of(vault_plugin().registry), run, ())
    assert plan.calls == 0


async def test_a_lock_lets_one_run_go_on_and_is_kept_until_its_work_is_taken_back(
    served: Client, vault: vault_app.Vault
) -> None:
    key = str(uuid.uuid4())
    first = await begun(served, ["locked", key, ["put", "a", "1", "slow"], ["fail"]])
    async with asyncio.timeout(60):
        while not vault.keys:
            await asyncio.sleep(0.01)
    second = await begun(served, ["locked", key, ["put", "a", "2"]])
    await failure_of(first)
    await second.result()
    assert vault.log == ["a=1", "a=None", "a=2"]


@pytest.mark.parametrize("granted", [True, False])
async def test_a_workflow_waits_for_an_answer_without_occupying_anything(
    client: Client, lines: list[str], granted: bool
) -> None:
    async with serving_ported(client) as queue:
        run = await ported(client, queue, Answered.run)
        await until_there("+asked", lines)
    # No worker is there while it waits.
    await run.signal(Answered.answer, granted)
    async with make_worker(client, ported_plugin(queue)):
        if granted:
            assert await run.result() == "granted"
        else:
            assert (await failure_of(run)).type == "Refused"
    assert lines == (["+asked"] if granted else ["+asked", "-asked"])


async def test_one_workflow_id_is_one_run(served: Client, vault: vault_app.Vault) -> None:
    run = await begun(served, ["put", "a", "1"], ["wait"])
    with pytest.raises(WorkflowAlreadyStartedError):
        await served.start_workflow("vault-script", [], id=run.id, task_queue="vault")
    same = await served.start_workflow(
        "vault-script",
        [],
        id=run.id,
        task_queue="vault",
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    assert same.result_run_id == run.result_run_id
    await run.terminate()


async def test_a_key_stays_the_same_over_the_attempts_of_a_step(
    served: Client, vault: vault_app.Vault
) -> None:
    await result(served, ["put", "a", "1", "fail once"], ["put", "b", "2"])
    assert vault.keys[0] == vault.keys[1] != vault.keys[2]


async def test_a_finished_run_is_kept_with_every_step_of_it(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await begun(served, ["put", "a", "1"], ["put", "b", "2"], ["fail"])
    await failure_of(run)
    assert (await run.describe()).status == WorkflowExecutionStatus.FAILED
    ids = [
        event.activity_task_scheduled_event_attributes.activity_id
        for event in (await run.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert ids == ["vault.put/1", "vault.put/2", "undo:vault.put/2", "undo:vault.put/1"]


async def test_a_failure_bears_its_type_its_message_and_what_was_undone(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1"], ["fail"])
    assert (error.type, error.message) == ("AsTold", "as told")
    assert str(report_of(error)) == "1 step was taken back"


@pytest.mark.parametrize("fails", [False, True], ids=["in a step", "in a compensation, too"])
async def test_a_run_goes_on_when_its_worker_is_killed(
    client: Client, temporal_address: str, tmp_path: Path, fails: bool
) -> None:
    file = tmp_path / "lines"
    file.touch()
    queue = f"ported-{uuid.uuid4()}"
    run = await ported(client, queue, Killed.run, str(file), fails)
    async with workers_one_after_another(temporal_address, queue):
        if fails:
            assert report_of(await failure_of(run)).compensation == "complete"
        else:
            assert await run.result() == ["a", "b", "c"]
    written = ["+a", "died+b", "+b", "+c"]
    undone = ["-c", "died-b", "-b", "-a"]
    assert file.read_text(encoding="utf-8").split() == (written + undone if fails else written)


@asynccontextmanager
async def workers_one_after_another(address: str, queue: str) -> AsyncIterator[None]:
    """A worker process; a new one whenever it was killed."""

    async def serve() -> None:
        code = "import asyncio, sys, ported_workflows as p; asyncio.run(p.serve(*sys.argv[1:]))"
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-c", code, address, queue),
                stdin=subprocess.PIPE,
                cwd=Path(ported_workflows.__file__).parent,
            )
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    serving = asyncio.create_task(serve())
    try:
        yield
    finally:
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
