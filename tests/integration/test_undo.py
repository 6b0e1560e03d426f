"""Finished runs are taken back: once, in reverse, and never over somebody's later change."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import vault_app
from served_vault import Operation, serving_vault, start_script, vault_plugin
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    WorkflowAlreadyStartedError,
)
from temporalio.worker import Replayer

from euryale import UndoReport
from euryale.errors import UndoRefused
from euryale.runs.runs import Run, find_run
from euryale.undo.attempts import attempts_at
from euryale.undo.undo import WholePlan, plan_whole, refuse_if_incomplete, start_undo
from euryale.undo.ways import ways_of


@pytest.fixture
def vault() -> vault_app.Vault:
    vault_app.vault.clear()
    return vault_app.vault


@pytest.fixture
async def served(client: Client, vault: vault_app.Vault) -> AsyncIterator[Client]:
    async with serving_vault(client):
        yield client


async def ran(client: Client, *script: Operation) -> Run:
    handle = await start_script(client, *script)
    await handle.result()
    return await find_run(client, "vault", handle.id)


async def planned(client: Client, run: Run, only: Sequence[str] = ()) -> WholePlan:
    return await plan_whole(client, "vault", ways_of(vault_plugin().registry), run, only)


async def undone(client: Client, run: Run, only: Sequence[str] = ()) -> UndoReport:
    plan = await planned(client, run, only)
    refuse_if_incomplete(plan, run, only)
    handle = await start_undo(
        client, "vault", "vault", run, attempt=plan.attempts.count + 1, only=only
    )
    report = await handle.result()
    await Replayer(workflows=[], plugins=[vault_plugin()]).replay_workflow(
        await handle.fetch_history()
    )
    return report


async def test_calls_that_recorded_something_for_their_undo_are_taken_back_in_reverse(
    served: Client, vault: vault_app.Vault
) -> None:
    vault.values["a"] = "0"
    run = await ran(served, ["set", "a", "1"], ["get", "a"], ["set", "b", "2"], ["set", "a", "3"])
    report = await undone(served, run)
    assert str(report) == "3 steps were taken back"
    assert vault.values == {"a": "0"}
    assert vault.log[3:] == ["a=1", "b=None", "a=0"]


async def test_calls_whose_undo_needs_only_their_arguments_are_taken_back_by_these(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await ran(served, ["drop", "a"])
    await undone(served, run)
    assert vault.values == {"a": "brought"}
    # The undo may know which call it takes back.
    assert vault.keys == [f"{run.workflow_id}/{run.run_id}/vault.drop/1"]


async def test_asking_twice_is_harmless(served: Client, vault: vault_app.Vault) -> None:
    run = await ran(served, ["set", "a", "1"])
    await undone(served, run)
    again = await planned(served, run)
    assert (again.calls, again.left, again.attempts.count) == (0, (), 1)
    assert await undone(served, run) == UndoReport()
    assert vault.log == ["a=1", "a=None"]


async def test_of_two_who_ask_at_once_one_begins(served: Client, vault: vault_app.Vault) -> None:
    run = await ran(served, ["set", "a", "1"])
    begun = await asyncio.gather(
        *(start_undo(served, "vault", "vault", run, attempt=1) for _ in range(2)),
        return_exceptions=True,
    )
    (handle,) = [each for each in begun if isinstance(each, WorkflowHandle)]
    assert [type(each) for each in begun if each is not handle] == [WorkflowAlreadyStartedError]
    assert (await handle.result()).undone == 1
    assert vault.log == ["a=1", "a=None"]


async def test_what_was_changed_since_is_left_alone_and_the_rest_is_taken_back(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await ran(served, ["set", "a", "1"], ["set", "b", "2"], ["set", "c", "3"])
    await ran(served, ["set", "b", "later"])
    report = await undone(served, run)
    assert (report.undone, report.left, report.compensation) == (2, 1, "partial")
    assert report.steps[0].outcome == "changed since"
    assert vault.values == {"b": "later"}


async def test_what_could_not_be_taken_back_is_tried_when_it_is_asked_for_again_and_nothing_else(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await ran(served, ["set", "a", "1"], ["set", "b", "stuck"])
    report = await undone(served, run)
    assert (report.undone, report.left, report.steps[0].reason) == (1, 1, "it is stuck")
    vault.values["unstick"] = "yes"
    assert (await undone(served, run)).undone == 1
    assert vault.log == ["a=1", "b=stuck", "a=None", "b=None"]


async def test_child_workflows_are_taken_back_with_their_own_children_and_steps(
    served: Client, vault: vault_app.Vault
) -> None:
    inner = ["child", ["put", "c", "3"]]
    run = await ran(
        served, ["set", "a", "1"], ["script", ["put", "b", "2"], inner], ["set", "d", "4"]
    )
    plan = await planned(served, run)
    assert [(each.item.step, each.depth) for each in plan.planned] == [
        ("vault.set", 0),
        ("vault-script", 0),
        ("vault-script", 1),
        ("vault.put", 2),
        ("vault.put", 1),
        ("vault.set", 0),
    ]
    report = await undone(served, run)
    assert report.undone == 4
    assert vault.log[4:] == ["d=None", "c=None", "b=None", "a=None"]


async def test_steps_that_a_saga_took_back_are_not_taken_back_again(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await start_script(served, ["set", "a", "1"], ["script", ["put", "b", "2"], ["fail"]])
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    await undone(served, await find_run(served, "vault", handle.id))
    assert vault.log == ["a=1", "b=2", "b=None", "a=None"]


async def test_a_child_that_went_on_as_another_run_is_taken_back_from_its_last_run_on(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await ran(served, ["continued"])
    assert (await undone(served, run)).undone == 3
    assert vault.log[3:] == ["run 3=None", "run 2=None", "run 1=None"]


async def test_calls_side_by_side_are_taken_back_side_by_side(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await ran(served, ["all", ["a", "slow"], ["b", "slow"]], ["set", "c", "3"])
    plan = await planned(served, run)
    assert [each.layer for each in plan.planned] == [0, 1, 1]


async def test_single_steps_can_be_taken_back_and_then_the_rest(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await ran(served, ["set", "a", "1"], ["script", ["put", "b", "2"]], ["tell", "Ada"])
    with pytest.raises(UndoRefused, match=r"vault\.tell: vault\.tell names no undo") as caught:
        await undone(served, run)
    assert "--only STEP" in str(caught.value)
    assert vault.values == {"a": "1", "b": "2"}
    assert (await undone(served, run, ["vault.put"])).undone == 1
    assert vault.values == {"a": "1"}
    assert (await undone(served, run, ["vault.set", "vault.put"])).undone == 1
    assert vault.values == {}


async def test_a_step_that_the_run_never_did_is_refused(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await ran(served, ["set", "a", "1"])
    with pytest.raises(UndoRefused, match=r"did nothing that is named vault\.pet"):
        await undone(served, run, ["vault.pet"])


async def test_a_terminated_runs_call_is_refused_where_nobody_knows_how_far_it_came(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await start_script(served, ["set", "a", "1"], ["set", "b", "slow"])
    async with asyncio.timeout(20):
        while "a" not in vault.values:
            await asyncio.sleep(0.01)
        while not (await handle.describe()).raw_description.pending_activities:
            await asyncio.sleep(0.01)
    await handle.terminate()
    run = await find_run(served, "vault", handle.id)
    with pytest.raises(UndoRefused, match="it was cut off, and its undo needs its 'undo'"):
        await undone(served, run)
    assert (await undone(served, run, ["vault.set/1"])).undone == 1


async def test_a_run_of_many_calls_is_taken_back_in_pages(
    served: Client, vault: vault_app.Vault
) -> None:
    run = await ran(served, ["set many", 600])
    report = await undone(served, run)
    assert (report.undone, report.left, len(report.steps)) == (600, 0, 50)
    assert vault.values == {}


async def test_a_job_that_says_so_takes_itself_back_when_its_handler_fails(
    served: Client, vault: vault_app.Vault
) -> None:
    script: list[Operation] = [
        ["set", "a", "1"],
        ["script", ["put", "b", "2"]],
        ["set", "c", "3"],
        ["fail"],
    ]
    handle = await start_script(served, *script, job="careful")
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    error = caught.value.cause
    assert isinstance(error, ApplicationError)
    assert (error.type, error.message) == ("ValueError", "as told")
    assert UndoReport.model_validate(error.details[-1]).undone == 3
    assert vault.log[3:] == ["c=None", "b=None", "a=None"]
    run = await find_run(served, "vault", handle.id)
    assert (await attempts_at(served, "vault", run.run_id)).count == 1
    assert (await planned(served, run)).calls == 0
    history = await handle.fetch_history()
    await Replayer(workflows=[], plugins=[vault_plugin()]).replay_workflow(history)


async def test_a_job_that_says_so_takes_itself_back_when_it_is_cancelled(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await start_script(served, ["set", "a", "1"], ["wait"], job="careful")
    async with asyncio.timeout(20):
        while "a" not in vault.values:
            await asyncio.sleep(0.01)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert vault.values == {}


async def test_what_was_under_way_beside_the_failure_is_ended_and_taken_back(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await start_script(served, ["beside", ["put", "a", "1"], ["wait"]], job="careful")
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert "a" not in vault.values
    history = await handle.fetch_history()
    await Replayer(workflows=[], plugins=[vault_plugin()]).replay_workflow(history)


async def test_a_job_that_says_nothing_keeps_what_it_did(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await start_script(served, ["set", "a", "1"], ["fail"])
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert vault.values == {"a": "1"}
