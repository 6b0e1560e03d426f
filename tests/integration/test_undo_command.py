"""`euryale undo`: what operators are shown, refused and told; and what `euryale runs` says."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import chdir
from typing import Any

import pytest
import vault_app
from sample_runs import SAMPLE
from served_vault import Operation, serving_vault, start_script
from structlog.testing import capture_logs
from temporalio.client import Client, WorkflowFailureError
from typer.testing import CliRunner

from euryale.cli import cli


class Operator:
    """Calls commands in the vault's project."""

    def __init__(self, client: Client, address: str) -> None:
        self.client = client
        self._address = address

    async def call(self, *arguments: str, code: int = 0) -> str:
        """What a command prints to people."""
        return await asyncio.to_thread(self._call, arguments, code)

    async def answer(self, *arguments: str, code: int = 0) -> Any:
        """What a command answers to programs."""
        return json.loads(await self.call(*arguments, "-o", "json", code=code))

    def _call(self, arguments: tuple[str, ...], code: int) -> str:
        others = [name for name in os.environ if name.startswith(("TEMPORAL_", "EURYALE_"))]
        env: dict[str, str | None] = dict.fromkeys([*others, "COLUMNS"])
        env |= {"TEMPORAL_ADDRESS": self._address, "EURYALE_OPERATOR": "ana@host"}
        with chdir(SAMPLE):
            done = CliRunner().invoke(cli, list(arguments), env=env)
        assert done.exit_code == code, f"{done.exit_code}\n{done.output}\n{done.exception!r}"
        return done.output

    async def ran(self, *script: Operation, job: str = "calls", fails: bool = False) -> str:
        """Run a script to its end; what its run is called."""
        handle = await start_script(self.client, *script, job=job)
        if fails:
            with pytest.raises(WorkflowFailureError):
                await handle.result()
        else:
            await handle.result()
        return handle.id.removeprefix("vault/")

    async def line(self, run: str, *, undone: bool = True) -> Any:
        """The run in `euryale runs`, once visibility knows what became of it."""
        async with asyncio.timeout(30):
            while True:
                runs = (await self.answer("runs", "-n", "50"))["runs"]
                for each in runs:
                    if each["workflow_id"] == f"vault/{run}" and (
                        not undone or (each["undone"] and each["undone"]["report"])
                    ):
                        return each
                await asyncio.sleep(0.1)


@pytest.fixture
async def operator(client: Client, temporal_address: str) -> AsyncIterator[Operator]:
    vault_app.vault.clear()
    # The worker's lines would stand among those of the commands.
    with capture_logs():
        async with serving_vault(client):
            yield Operator(client, temporal_address)


async def test_a_run_is_taken_back_and_says_so(operator: Operator) -> None:
    run = await operator.ran(["set", "a", "1"], ["set", "b", "2"], ["script", ["put", "c", "3"]])
    told = await operator.call("undo", run, "--note", "wrong day")
    assert told.splitlines() == [
        f"takes back 3 calls of {run}, the last first:",
        f"  vault-script  vault/{run}/script-2",
        "    vault.put  by vault.restore",
        "  vault.set \N{MULTIPLICATION SIGN} 2  by vault.reset",
        "3 steps were taken back",
    ]
    assert vault_app.vault.values == {}
    line = await operator.line(run)
    assert line["undone"]["compensation"] == "complete"
    assert (line["undone"]["operator"], line["undone"]["note"]) == ("ana@host", "wrong day")
    told = await operator.call("runs", "calls")
    assert "taken back by ana@host (wrong day): 3 steps were taken back" in " ".join(told.split())
    told = await operator.call("undo", run)
    assert told.strip() == f"{run} is taken back already; nothing was done"


async def test_a_dry_run_shows_what_would_be_done_and_does_nothing(operator: Operator) -> None:
    run = await operator.ran(["set", "a", "1"], ["tell", "Ada"])
    told = await operator.call("undo", run, "--dry-run")
    assert told.splitlines() == [
        f"takes back 1 call of {run}, the last first:",
        "  vault.set  by vault.reset",
        "  can't be taken back: vault.tell (no compensation: vault.tell names no undo)",
    ]
    assert vault_app.vault.values == {"a": "1"}
    answer = await operator.answer("undo", run, "--dry-run")
    assert [each["step"] for each in answer["planned"]] == ["vault.set"]
    assert [each["step"] for each in answer["left"]] == ["vault.tell"]


async def test_what_has_no_way_back_is_refused_with_its_reason(operator: Operator) -> None:
    run = await operator.ran(["set", "a", "1"], ["tell", "Ada"])
    error = (await operator.answer("undo", run, code=1))["error"]
    assert error["code"] == "EUR310"
    assert error["what"].endswith("vault.tell: vault.tell names no undo")
    assert vault_app.vault.values == {"a": "1"}
    told = await operator.call("undo", run, "--only", "vault.set")
    assert "1 step was taken back" in told
    assert vault_app.vault.values == {}


async def test_what_was_changed_since_is_told_and_fails_the_command(operator: Operator) -> None:
    run = await operator.ran(["set", "a", "1"])
    await operator.ran(["set", "a", "2"])
    told = await operator.call("undo", run, code=1)
    assert "1 step was not taken back: vault.set (changed since: a is 2, not 1)" in told
    assert vault_app.vault.values == {"a": "2"}
    assert (await operator.line(run))["undone"]["compensation"] == "partial"


async def test_a_run_that_goes_on_is_refused_and_one_that_nobody_knows_too(
    operator: Operator,
) -> None:
    handle = await start_script(operator.client, ["wait"])
    run = handle.id.removeprefix("vault/")
    error = (await operator.answer("undo", run, code=1))["error"]
    assert (error["code"], error["what"]) == ("EUR310", "the run is still running")
    await handle.terminate()
    told = await operator.call("undo", run)
    assert told.strip() == f"{run} did nothing that could be taken back"
    error = (await operator.answer("undo", "calls/nothing", code=1))["error"]
    assert error["code"] == "EUR308"


async def test_runs_tell_what_a_job_took_back_when_its_handler_failed(operator: Operator) -> None:
    run = await operator.ran(["set", "a", "1"], ["fail"], job="careful", fails=True)
    line = await operator.line(run)
    assert line["failure"]["message"] == "as told"
    assert line["undone"]["compensation"] == "complete"
    failed = await operator.ran(["script", ["put", "b", "1"], ["fail"]], fails=True)
    line = await operator.line(failed)
    assert line["undone"] == {
        "compensation": "complete",
        "report": line["undone"]["report"],
    }
