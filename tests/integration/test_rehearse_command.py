"""`euryale rehearse` as a user calls it."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

HERE = Path(__file__).parent
STALL = HERE / "rehearsed"


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


class Command:
    """Calls the command in the stall's folder."""

    def __init__(self, address: str) -> None:
        others = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TEMPORAL_", "EURYALE_"))
        }
        self._environment = others | {"TEMPORAL_ADDRESS": address, "PYTHONPATH": str(HERE)}

    async def start(self, *arguments: str) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "euryale", *arguments),
            cwd=STALL,
            env=self._environment,
            stdout=PIPE,
            stderr=PIPE,
        )

    async def __call__(self, *arguments: str) -> Said:
        process = await self.start(*arguments)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    async def json(self, *arguments: str, code: int = 0) -> Any:
        said = await self(*arguments, "-o", "json")
        assert said.code == code, f"{said.out}\n{said.err}"
        return json.loads(said.out)


@pytest.fixture
def command(temporal_address: str) -> Command:
    return Command(temporal_address)


async def test_it_tells_people_what_a_job_would_do(command: Command) -> None:
    said = await command("rehearse", "cases", "--data", "case=adds", "--data", "count=12")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "cases would"
    assert lines[1].startswith("  add 12 items  item.add at stall_jobs/cases.py:")
    assert lines[2] == f"    {', '.join(f'item_{n}' for n in range(10))} and 2 more"
    assert lines[3:] == ["It read item.ids: the data as it is now. Nothing was changed."]


async def test_it_tells_programs_all_calls(command: Command) -> None:
    told = await command.json("rehearse", "cases", "--data", '{"case": "adds", "count": 12}')
    assert (told["name"], told["end"], told["result"]) == ("cases", "completed", 12)
    (group,) = told["would"]
    assert (group["name"], group["count"], group["sentence"]) == ("item.add", 12, "add 12 items")
    assert [call["arguments"]["item_id"] for call in group["calls"]] == [
        f"item_{number}" for number in range(12)
    ]
    assert told["reads"] == {"item.ids": 1}
    assert told["workflow_id"].startswith("stall/.rehearsal/cases/")


async def test_it_tells_what_follows_where_a_step_fails(command: Command) -> None:
    asked = ("rehearse", "cases", "--data", "case=takes", "--data", 'crates=["x", "y"]')
    said = await command(*asked, "--fail-at", "crate.burn")
    assert (said.code, said.err) == (0, "")
    text = " ".join(said.out.split())
    assert text.startswith("cases would, with crate.burn#1 failing")
    assert "✗ crate.burn#1 fails at flows.py:" in text
    assert "these compensations follow, in this order put back 2 crates crate.put-back" in text
    assert "and this stays done add 1 item item.add" in text
    assert "euryale undo takes it back by item.remove" in text

    told = await command.json(*asked, "--fail-at", "crate.burn")
    assert told["fail_at"] | {"where": ""} == {
        "step": "crate.burn#1",
        "reached": True,
        "calls": 1,
        "where": "",
    }
    assert [each["name"] for each in told["would_take_back"]] == ["crate.put-back"]
    assert [(each["name"], each["undo"]) for each in told["would_stay"]] == [
        ("item.add", "item.remove")
    ]


async def test_it_says_up_to_which_line_it_saw_and_what_would_help(command: Command) -> None:
    said = await command("rehearse", "cases", "--data", "case=decides")
    assert said.code == 0
    assert "cases would, as far as could be seen" in said.out
    assert "? saw cases up to stall_jobs/cases.py:" in said.out
    assert "needs the result of item.add (item.add.size). Give item.add a preview" in said.out

    told = await command.json("rehearse", "cases", "--data", "case=decides")
    (blind,) = told["blind"]
    assert (blind["workflow"], blind["code"]) == ("cases", "EUR311")


async def test_a_handler_that_raises_fails_the_command(command: Command) -> None:
    said = await command("rehearse", "cases", "--data", "case=raises")
    assert said.code == 1
    assert "✗ the handler fails with LookupError: no item" in said.out
    told = await command.json("rehearse", "cases", "--data", "case=raises", code=1)
    assert told["failure"]["type"] == "LookupError"
    assert told["failure"]["where"].startswith("stall_jobs/cases.py:")


async def test_a_call_that_nobody_comes_to_fails_the_command(command: Command) -> None:
    said = await command("rehearse", "limited", "--fail-at", "item.remove#3")
    assert said.code == 1
    assert "✗ it never came to item.remove#3: 2 of its calls were seen" in said.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("case",), "no job is named 'case'. Did you mean 'cases'? [EUR110]"),
        (("limited", "--data", "limit=many"), "[EUR111]"),
        (("limited", "--data", "limits=2"), "[EUR111]"),
        (("limited", "--fail-at", "item.remve"), "Did you mean 'item.remove'? [EUR312]"),
        (("limited", "--address", "127.0.0.1:1"), "[EUR401]"),
    ],
)
async def test_what_is_wrong_is_told_in_a_sentence(
    command: Command, arguments: tuple[str, ...], told: str
) -> None:
    said = await command("rehearse", *arguments)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert told in said.err


async def test_log_lines_are_shown_only_to_those_who_ask(command: Command) -> None:
    quiet = await command("rehearse", "cases", "--data", "case=hands_on")
    assert quiet.err == ""
    loud = await command("rehearse", "cases", "--data", "case=hands_on", "--log-level", "info")
    assert "item=<unknown: item.add.id>" in loud.err
    assert loud.out == quiet.out


async def test_a_rehearsal_is_none_of_the_jobs_runs(command: Command, client: Client) -> None:
    told = await command.json("rehearse", "limited")
    async with asyncio.timeout(20):
        # Until the server's list has it, an empty one says nothing.
        while not [
            each
            async for each in client.list_workflows(f'WorkflowId = "{told["workflow_id"]}"')
            if each.close_time
        ]:
            await asyncio.sleep(0.1)
    assert (await command.json("runs", "limited"))["runs"] == []


async def test_ctrl_c_ends_the_rehearsal_and_leaves_nothing_behind(
    command: Command, client: Client
) -> None:
    process = await command.start("rehearse", "cases", "--data", "case=waits_in_vain")
    query = "WorkflowId STARTS_WITH 'stall/.rehearsal/cases/' AND ExecutionStatus = 'Running'"
    async with asyncio.timeout(40):
        while not (running := [each.id async for each in client.list_workflows(query)]):
            assert process.returncode is None
            await asyncio.sleep(0.1)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"")
    for each in running:
        assert (await client.get_workflow_handle(each).describe()).close_time is not None
