"""Pausing, resuming, freezing and thawing on a real server."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from operated_project import OperatedProject, make_operated_project
from sample_runs import free_port
from temporalio.client import Client

from euryale.schedules.ledger import Freeze
from euryale.schedules.pauses import PauseNote, PauseState, freeze, read_note
from euryale.schedules.pausing import change_pauses, freeze_all, thaw_all
from euryale.schedules.release import Release
from euryale.schedules.turn import apply_turn, change_ledger, read_ledger

AT = datetime(2026, 11, 21, 23, 50, tzinfo=UTC)
ICE = PauseNote("bo@host", AT, "inventory", frozen=True)


@pytest.fixture
async def project(client: Client, temporal_address: str, tmp_path: Path) -> OperatedProject:
    made = make_operated_project(tmp_path, f"app_{free_port()}", client, temporal_address)
    for name in ("publish", "report-daily", "report-weekly"):
        made.add(name)
    await made.hold("publish", "report-daily", "report-weekly")
    return made


async def paused(project: OperatedProject) -> list[str]:
    names = ("publish", "report-daily", "report-weekly")
    return [name for name in names if (await project.state(name)).paused]


async def test_a_pause_says_who_when_and_why(project: OperatedProject) -> None:
    told = await project.call("pause", "publish", "--note", "inventory")
    assert re.fullmatch(
        r"paused  publish: inventory \(paused by ana@host, [0-9 :-]{16} UTC\)\n", told.output
    )
    note = read_note((await project.state("publish")).note)
    assert note is not None
    assert (note.by, note.why, note.frozen) == ("ana@host", "inventory", False)
    assert await paused(project) == ["publish"]


async def test_a_second_pause_keeps_the_first_note_unless_it_gives_a_reason(
    project: OperatedProject,
) -> None:
    await project.call("pause", "publish", "--note", "inventory")
    first = await project.state("publish")
    told = await project.call("pause", "publish")
    assert told.output == f"was paused already  publish: {first.note}\n"
    assert await project.state("publish") == first

    told = await project.call("pause", "publish", "--note", "repair")
    second = await project.state("publish")
    assert second.note.startswith("repair (paused by ")
    assert told.output == f"was paused already  publish: {second.note}; before: {first.note}\n"


async def test_resuming_says_what_was_paused(project: OperatedProject) -> None:
    await project.call("pause", "publish")
    answer = await project.answer("resume", "publish", "report-daily", "--note", "counted")
    assert [(each["name"], each["outcome"]) for each in answer["schedules"]] == [
        ("publish", "resumed"),
        ("report-daily", "was not paused"),
    ]
    assert answer["schedules"][0]["before"]["note"].startswith("paused by ana@host, ")
    state = await project.state("publish")
    assert not state.paused
    assert state.note.startswith("counted (resumed by ana@host, ")


async def test_patterns_and_all_choose_schedules(project: OperatedProject) -> None:
    told = await project.call("pause", "report-*")
    assert told.output.endswith("\n2 paused\n")
    assert await paused(project) == ["report-daily", "report-weekly"]
    await project.call("pause", "--all")
    assert await paused(project) == ["publish", "report-daily", "report-weekly"]
    told = await project.call("resume", "report-w?ekly", "publish")
    assert await paused(project) == ["report-daily"]


async def test_a_pause_leaves_all_else_of_a_schedule_alone(project: OperatedProject) -> None:
    project.add("limited", more="number_of_executions=3")
    await project.hold("limited")
    handle = project.client.get_schedule_handle(f"{project.name}/limited")
    before = (await handle.describe()).schedule
    await project.call("pause", "limited")
    await project.call("resume", "limited")
    after = (await handle.describe()).schedule
    assert (after.spec, after.policy) == (before.spec, before.policy)
    assert after.state.remaining_actions == 3


async def test_a_schedule_whose_file_is_gone_can_be_paused(project: OperatedProject) -> None:
    project.remove("publish")
    await project.call("pause", "publish")
    assert await paused(project) == ["publish"]


async def test_what_cannot_be_paused_is_refused_with_the_nearest(project: OperatedProject) -> None:
    project.add("new")
    for arguments, said in {
        ("pause", "publsh"): "no job is named 'publsh'. Did you mean 'publish'? [EUR110]",
        ("pause", "publish", "raport-*"): "Near to it: report-daily, report-weekly. [EUR114]",
        ("resume", "new", "publish"): "Temporal holds no schedule of 'new'. It is made when",
        ("resume", "n*"): "Temporal holds no schedule of 'new'. It is made when",
        ("pause", ".ledger"): "no job is named '.ledger'",
    }.items():
        assert said in (await project.call(*arguments, code=1)).output
    answer = await project.answer("pause", "publsh", code=1)
    assert answer["error"]["code"] == "EUR110"
    assert await paused(project) == []
    for wrong in (("pause",), ("resume",), ("pause", "--all", "publish")):
        assert "--all" in (await project.call(*wrong, code=2)).output


async def test_a_thaw_resumes_only_what_the_freeze_paused(project: OperatedProject) -> None:
    await project.call("pause", "report-daily", "--note", "repair")
    before = await project.state("report-daily")
    told = await project.call("freeze", "--note", "inventory")
    assert told.output.endswith("\n2 frozen, 1 was paused already\n")
    assert await paused(project) == ["publish", "report-daily", "report-weekly"]
    frozen = (await read_ledger(project.client, project.name)).ledger.frozen
    assert frozen is not None
    assert (frozen.by, frozen.note) == ("ana@host", "inventory")

    # Somebody wants this one to stay paused after the freeze, too.
    await project.call("pause", "report-weekly")
    told = await project.call("thaw")
    assert re.match(r"it was frozen by ana@host, [0-9 :-]{16} UTC: inventory\n", told.output)
    assert told.output.endswith("\n2 stay paused, 1 resumed\n")
    assert await paused(project) == ["report-daily", "report-weekly"]
    assert await project.state("report-daily") == before
    assert (await read_ledger(project.client, project.name)).ledger.frozen is None


async def test_a_freeze_and_a_thaw_that_were_interrupted_are_completed(
    project: OperatedProject,
) -> None:
    client, name = project.client, project.name
    first = Freeze(by=ICE.by, since=ICE.since, note=ICE.why)
    await change_ledger(client, name, lambda ledger: ledger.with_frozen(first))
    await change_pauses(client, name, ["publish"], lambda held: freeze(held, ICE))
    answer = await project.answer("freeze", "--note", "another reason")
    assert answer["freeze"]["by"] == "bo@host"
    assert [each["outcome"] for each in answer["schedules"]] == [
        "was frozen already",
        "frozen",
        "frozen",
    ]
    assert (await project.state("report-daily")).note == str(ICE)

    await change_ledger(client, name, lambda ledger: ledger.with_frozen(None))
    told = await project.call("thaw")
    assert told.output.endswith("\n3 resumed\n")
    told = await project.call("thaw")
    assert told.output.endswith("\n3 were not paused\n")


async def test_a_freeze_waits_for_whoever_applies_and_looks_again(
    project: OperatedProject,
) -> None:
    client, name = project.client, project.name
    project.add("new")
    async with apply_turn(client, name, Release("a")):
        freezing = asyncio.create_task(freeze_all(client, name, project.registry.jobs, ICE))
        while await paused(project) != ["publish", "report-daily", "report-weekly"]:
            await asyncio.sleep(0.05)
        # Whoever applies had read the ledger before the freeze.
        await project.hold("new")
    outcomes = {each.name: each.outcome for each in (await freezing).changed}
    assert outcomes == dict.fromkeys(["new", "publish", "report-daily", "report-weekly"], "frozen")
    assert (await project.state("new")) == PauseState(paused=True, note=str(ICE))


async def test_jobs_that_are_applied_during_a_freeze_start_when_it_ends(
    project: OperatedProject,
) -> None:
    await project.call("freeze", "--note", "inventory")
    project.add("new")
    project.add("careful", more="paused=True")
    await project.call("apply")
    assert (await project.state("new")).frozen
    careful = await project.state("careful")
    assert careful.paused
    assert not careful.frozen
    await project.call("thaw")
    assert not (await project.state("new")).paused
    assert await project.state("careful") == careful


async def test_each_schedule_is_counted_when_it_is_done(project: OperatedProject) -> None:
    told: list[tuple[int, int]] = []
    names = project.registry.jobs
    changed = await freeze_all(
        project.client, project.name, names, ICE, lambda done, total: told.append((done, total))
    )
    assert changed.before is None
    assert told == [(1, 3), (2, 3), (3, 3)]
    thawed = await thaw_all(project.client, project.name, names, "thawed")
    assert thawed.before == Freeze(by=ICE.by, since=ICE.since, note=ICE.why)
    assert await paused(project) == []
