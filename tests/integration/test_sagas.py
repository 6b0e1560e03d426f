"""What sagas take back, in which order, and how they tell it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import vault_app
from served_vault import Operation, serving_vault, vault_plugin
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Replayer

from euryale import UndoReport

COMPENSATION = SearchAttributeKey.for_keyword("Compensation")


@pytest.fixture
def vault() -> vault_app.Vault:
    vault_app.vault.clear()
    return vault_app.vault


@pytest.fixture
async def served(client: Client, vault: vault_app.Vault) -> AsyncIterator[Client]:
    async with serving_vault(client):
        yield client


async def started(client: Client, *script: Operation) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(
        "vault-script", list(script), id=f"vault-script/{uuid.uuid4()}", task_queue="vault"
    )


async def failure(client: Client, *script: Operation) -> ApplicationError:
    handle = await started(client, *script)
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    error = caught.value.cause
    assert isinstance(error, ApplicationError)
    # What decides in a saga is the same under replay.
    replayer = Replayer(workflows=[], plugins=[vault_plugin()])
    await replayer.replay_workflow(await handle.fetch_history())
    return error


def report_of(error: ApplicationError) -> UndoReport:
    return UndoReport.model_validate(error.details[-1])


def outcomes(error: ApplicationError) -> list[tuple[str, str]]:
    return [(each.step, each.outcome) for each in report_of(error).steps]


async def test_finished_steps_are_taken_back_in_reverse_and_told(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1"], ["put", "b", "2"], ["fail"])
    assert (error.type, error.message) == ("AsTold", "as told")
    assert vault.values == {}
    assert vault.log == ["a=1", "b=2", "b=None", "a=None"]
    assert str(report_of(error)) == "2 steps were taken back"
    assert report_of(error).compensation == "complete"


async def test_an_exception_of_the_workflow_itself_fails_the_run_and_not_its_task(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1"], ["break"])
    assert error.type == "KeyError"
    assert vault.values == {}


async def test_steps_side_by_side_are_taken_back_side_by_side(
    served: Client, vault: vault_app.Vault
) -> None:
    pairs = [["put", key, key] for key in "bcde"]
    await failure(served, ["put", "a", "a"], ["all", *pairs], ["put", "f", "f"], ["fail"])
    assert vault.values == {}
    undone = vault.log[6:]
    assert undone[0] == "f=None"
    assert sorted(undone[1:5]) == ["b=None", "c=None", "d=None", "e=None"]
    assert undone[5] == "a=None"
    assert vault.busiest == 4


async def test_the_failing_step_is_taken_back_first_with_what_its_declaration_makes_of_its_input(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1"], ["put sure", "b", "2", "refuse after"])
    assert (error.type, error.message) == ("ValueError", "b is refused")
    assert vault.log == ["a=1", "b=2", "b=None", "a=None"]
    assert report_of(error).undone == 2


async def test_a_failing_step_that_had_done_nothing_finds_everything_as_it_was(
    served: Client, vault: vault_app.Vault
) -> None:
    await failure(served, ["put sure", "b", "2", "refuse"])
    assert vault.log == ["b as before"]


async def test_a_step_that_raises_without_saying_more_is_taken_at_its_word(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1", "refuse"])
    assert report_of(error) == UndoReport()
    assert report_of(error).compensation == "none"
    assert vault.log == []


async def test_a_permanent_failure_names_what_it_left_behind(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1"], ["put", "b", "2", "give up"])
    assert (error.type, error.message) == ("VaultLocked", "b is given up")
    assert vault.log == ["a=1", "b=2", "b=None", "a=None"]
    # It says that nothing is left, so nothing is asked of its declaration.
    vault.clear()
    await failure(served, ["put sure", "b", "2", "give up clean"])
    assert vault.log == []


async def test_a_step_that_timed_out_is_taken_back_where_it_says_how_and_else_reported(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put sure", "a", "1", "hang after"])
    assert outcomes(error) == [("vault.put-sure", "undone")]
    assert vault.values == {}
    # Its code was stopped, at each of its attempts.
    assert vault.stopped == 2
    error = await failure(served, ["put", "b", "1", "hang after"])
    assert outcomes(error) == [("vault.put", "unknown")]
    assert "has no `unfinished=`" in error.message
    assert vault.values == {"b": "1"}


async def test_what_was_changed_since_is_left_alone_and_told(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await started(served, ["put", "a", "1"], ["put", "b", "2"], ["wait"])
    async with asyncio.timeout(20):
        while "b" not in vault.values:
            await asyncio.sleep(0.01)
    vault.values["b"] = "edited"
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert vault.values == {"b": "edited"}
    described = await handle.describe()
    report = UndoReport.model_validate((await described.memo())["euryale-undo"])
    assert str(report) == (
        "1 step was taken back, 1 was not: vault.put (changed since: b is edited, not 2)"
    )
    assert described.typed_search_attributes.get(COMPENSATION) == "partial"


async def test_a_compensation_that_fails_is_tried_again_and_one_that_fails_for_good_stops_no_other(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(
        served, ["put", "a", "stuck once"], ["put", "b", "stuck"], ["put", "c", "1"], ["fail"]
    )
    assert vault.values == {"b": "stuck"}
    assert outcomes(error) == [
        ("vault.put", "failed"),
        ("vault.put", "undone"),
        ("vault.put", "undone"),
    ]
    assert error.message == (
        "as told (not everything could be taken back: 2 steps were taken back, 1 was not: "
        "vault.put (failed: it is stuck))"
    )


async def test_a_step_without_compensation_is_told_and_one_that_asked_for_none_is_not(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["tell", "Ada"], ["keep", "a", "1"], ["fail"])
    assert outcomes(error) == [("vault.say", "no compensation")]
    assert report_of(error).compensation == "partial"
    assert vault.values == {"a": "1"}


async def test_a_step_that_may_fail_is_taken_back_at_once_and_the_saga_goes_on(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await started(served, ["try", "a", "refuse after"], ["put", "b", "2"])
    assert await handle.result() == [None, "2"]
    assert vault.log == ["a=tried", "a=None", "b=2"]


async def test_loops_and_conditions_are_plain_python(
    served: Client, vault: vault_app.Vault
) -> None:
    await failure(served, ["again", 3, ["put", "a", "1"], ["put", "b", "2"]], ["fail"])
    assert vault.values == {}


async def test_a_step_bears_one_key_over_its_attempts(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await started(served, ["put", "a", "1", "fail once"], ["put", "b", "2"])
    await handle.result()
    assert vault.keys[0] == vault.keys[1] != vault.keys[2]
    assert vault.keys[0].endswith("/vault.put/1")


async def test_a_childs_finished_work_is_taken_back_when_its_parent_fails_later(
    served: Client, vault: vault_app.Vault
) -> None:
    child = ["child", ["put", "b", "2"], ["child", ["put", "c", "3"]], ["put", "d", "4"]]
    error = await failure(served, ["put", "a", "1"], child, ["put", "e", "5"], ["fail"])
    assert vault.values == {}
    assert vault.log[5:] == ["e=None", "d=None", "c=None", "b=None", "a=None"]
    assert report_of(error).undone == 5


async def test_a_child_that_failed_took_itself_back_and_nothing_is_taken_back_twice(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1"], ["child", ["put", "b", "2"], ["fail"]])
    assert (error.type, error.message) == ("AsTold", "as told")
    assert vault.log == ["a=1", "b=2", "b=None", "a=None"]
    assert report_of(error).undone == 1


async def test_a_cancelled_parent_waits_for_its_child_and_takes_back_its_own_work(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await started(served, ["put", "a", "1"], ["child", ["put", "b", "2"], ["wait"]])
    async with asyncio.timeout(20):
        while "b" not in vault.values:
            await asyncio.sleep(0.01)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert vault.log == ["a=1", "b=2", "b=None", "a=None"]


async def test_runs_can_be_listed_by_what_was_taken_back(
    served: Client, vault: vault_app.Vault
) -> None:
    mark = str(uuid.uuid4())
    for name, script in {
        "complete": [["put", "a", "1"], ["fail"]],
        "partial": [["tell", "Ada"], ["fail"]],
        "none": [["fail"]],
    }.items():
        handle = await served.start_workflow(
            "vault-script", script, id=f"{mark}-{name}", task_queue="vault"
        )
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    for value in ("complete", "partial", "none"):
        query = f"WorkflowId STARTS_WITH '{mark}' AND Compensation = '{value}'"
        found: list[str] = []
        async with asyncio.timeout(30):
            while not found:
                found = [each.id async for each in served.list_workflows(query)]
        assert found == [f"{mark}-{value}"]


async def test_a_lock_is_kept_until_what_was_done_under_it_is_taken_back(
    served: Client, vault: vault_app.Vault
) -> None:
    mark = str(uuid.uuid4())
    locked = ["locked", mark, ["put", "a", "1", "slow"], ["fail"]]
    first = await started(served, locked)
    async with asyncio.timeout(20):
        while not vault.keys:
            await asyncio.sleep(0.01)
    second = await started(served, ["locked", mark, ["put", "a", "2"]])
    with pytest.raises(WorkflowFailureError):
        await first.result()
    assert await second.result() == [["2"]]
    assert vault.log == ["a=1", "a=None", "a=2"]


async def test_what_an_inner_saga_did_well_is_taken_back_when_the_outer_one_fails(
    served: Client, vault: vault_app.Vault
) -> None:
    inner = ["saga", ["put", "b", "2"], ["put", "c", "3"]]
    error = await failure(served, ["put", "a", "1"], inner, ["put", "d", "4"], ["fail"])
    assert vault.log[4:] == ["d=None", "c=None", "b=None", "a=None"]
    assert report_of(error).undone == 4


async def test_an_inner_saga_under_way_is_ended_before_the_outer_one_is_taken_back(
    served: Client, vault: vault_app.Vault
) -> None:
    inner = ["saga", ["again", 20, ["put", "b", "2"]], ["wait"]]
    late = ["in turn", ["put", "c", "3", "slow"], ["fail"]]
    await failure(served, ["put", "a", "1"], ["all", inner, late])
    assert vault.values == {}
    assert vault.log[-1] == "a=None"


async def test_a_child_that_went_on_as_other_runs_is_taken_back_whole(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["continued"], ["fail"])
    assert report_of(error).undone == 3
    assert vault.values == {}


async def test_a_child_that_is_being_started_beside_the_failure_is_taken_back_too(
    served: Client, vault: vault_app.Vault
) -> None:
    await failure(served, ["all", ["child", ["put", "a", "1"]], ["fail"]])
    assert vault.values == {}


async def test_a_way_back_that_cannot_be_told_is_reported_and_stops_no_other(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "1"], ["put sure", "untold", "2", "refuse after"])
    assert outcomes(error) == [("vault.put-sure", "unknown"), ("vault.put", "undone")]
    assert "its `unfinished` failed: nobody knows" in error.message
    assert vault.values == {"untold": "2"}


async def test_a_step_that_is_cancelled_and_outlives_its_timeout_writes_no_more(
    served: Client, vault: vault_app.Vault
) -> None:
    handle = await started(served, ["put sure", "a", "1", "late"])
    async with asyncio.timeout(20):
        while not vault.keys:
            await asyncio.sleep(0.01)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert vault.stopped == 1
    assert vault.log == ["a as before"]


async def test_the_report_tells_of_a_large_undo_that_no_failure_can_carry(
    served: Client, vault: vault_app.Vault
) -> None:
    error = await failure(served, ["put", "a", "x" * 200_000, "give up"])
    assert outcomes(error) == [("vault.put", "undone")]
    error = await failure(served, ["put", "a", "x" * 1_100_000, "give up"])
    assert outcomes(error) == [("vault.put", "unknown")]
