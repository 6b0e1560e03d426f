"""Planning and applying as an operator and a build do it, on a real server."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from operated_project import OperatedProject, make_operated_project
from sample_runs import free_port
from temporalio.client import Client, ScheduleIntervalSpec, ScheduleUpdate, ScheduleUpdateInput

from euryale.schedules.held import held_schedules


@pytest.fixture
async def project(client: Client, temporal_address: str, tmp_path: Path) -> OperatedProject:
    made = make_operated_project(tmp_path, f"app_{free_port()}", client, temporal_address)
    for name in ("publish", "report"):
        made.add(name)
    return made


def kinds(answer: dict[str, Any]) -> dict[str, str]:
    return {change["name"]: change["kind"] for change in answer["changes"]}


async def test_a_plan_tells_what_an_apply_would_do_and_does_nothing(
    project: OperatedProject,
) -> None:
    told = await project.call("plan")
    assert re.search(r"^\+ publish +0 0 1 1 \* ", told.output, re.MULTILINE)
    assert told.output.endswith("2 to create\n")
    assert await held_schedules(project.client, project.name) == {}
    await project.call("plan", "--check", code=2)
    await project.call("apply")
    told = await project.call("plan", "--check")
    assert told.output == "= 2 unchanged: publish, report\n2 unchanged\n"


async def test_a_plan_shows_each_field_and_the_firings_before_and_after(
    project: OperatedProject,
) -> None:
    project.add("publish", "0 4 * * *", more="catch_up=300")
    await project.call("apply")
    project.add("publish", "30 5 * * *", more="overlap='allow_all', catch_up=300")
    told = (await project.call("plan")).output
    assert "~ publish  changed\n" in told
    assert "    schedule  0 4 * * * ⇒ 30 5 * * *\n" in told
    assert "    overlap   skip ⇒ allow_all\n" in told
    five = r"\w{{3}} \S+ {0} UTC(, \w{{3}} \S+ {0} UTC){{4}}\n"
    assert re.search(rf"\n    fires  {five.format('04:00')}        ⇒  {five.format('05:30')}", told)
    (change, _) = (await project.answer("plan"))["changes"]
    assert change["differences"][0] == {
        "field": "schedule",
        "old": "0 4 * * *",
        "new": "30 5 * * *",
    }
    assert (len(change["fires_before"]), len(change["fires_after"])) == (5, 5)


async def test_a_plan_names_what_was_changed_by_hand(project: OperatedProject) -> None:
    await project.call("apply")

    def faster(given: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = given.description.schedule
        schedule.spec.intervals = [ScheduleIntervalSpec(every=timedelta(hours=1))]
        schedule.policy.catchup_window = timedelta(days=3)
        return ScheduleUpdate(schedule=schedule)

    handle = project.client.get_schedule_handle(f"{project.name}/publish")
    await handle.update(faster)
    answer = await project.answer("plan", "--deep")
    assert kinds(answer) == {"publish": "changed", "report": "unchanged"}
    told = (await project.call("plan", "--deep", "--check", code=2)).output
    assert "times     changed by hand ⇒ as the schedule says" in told
    assert "catch_up  3 days, 0:00:00 ⇒ 1 day, 0:00:00" in told
    answer = await project.answer("apply", "--deep")
    assert [one["outcome"] for one in answer["schedules"]] == ["updated", "unchanged"]


async def test_a_job_that_is_gone_is_removed_only_when_it_is_said(
    project: OperatedProject,
) -> None:
    await project.call("apply")
    project.remove("report")
    assert kinds(await project.answer("plan")) == {"publish": "unchanged", "report": "removed"}
    kept = await project.answer("apply")
    assert [one["outcome"] for one in kept["schedules"]] == ["unchanged", "kept"]
    refused = await project.call("apply", "--prune", code=1)
    assert "the schedule of report would be removed" in refused.output
    assert "EUR409" in refused.output
    done = await project.call("apply", "--prune", "--yes")
    assert f"removed   {project.name}/report\n" in done.output
    assert set(await held_schedules(project.client, project.name)) == {".ledger", "publish"}


async def test_a_broken_file_keeps_all_schedules_and_fails_the_check(
    project: OperatedProject,
) -> None:
    await project.call("apply")
    (project.root / project.name / "report.py").write_text("no python here")
    answer = await project.answer("plan", "--check", code=2)
    assert kinds(answer) == {"publish": "unchanged", "report": "kept"}
    assert [error["code"] for error in answer["errors"]] == ["EUR101"]
    done = await project.call("apply", "--prune", "--yes", code=1)
    assert "report: its job may be in one of the job files that were left out" in done.output


async def test_a_renamed_job_is_shown_as_renamed(project: OperatedProject) -> None:
    await project.call("apply")
    project.remove("report")
    project.add("weekly", more='renamed_from="report"')
    told = (await project.call("plan")).output
    assert "→ weekly  renamed from report\n" in told
    done = (await project.call("apply")).output
    assert f"renamed   {project.name}/weekly\n" in done


async def test_a_renamed_job_shows_the_runs_under_its_former_names(
    project: OperatedProject,
) -> None:
    await project.call("apply")
    run = f"{project.name}/report/12345678"
    await project.client.start_workflow("report", {}, id=run, task_queue=project.name)
    project.remove("report")
    project.add("weekly", more='renamed_from="report"')
    await project.call("apply")
    async with asyncio.timeout(20):
        while not (answer := await project.answer("runs", "weekly"))["runs"]:
            await asyncio.sleep(0.1)
    assert [one["workflow_id"] for one in answer["runs"]] == [run]
    assert run.removeprefix(f"{project.name}/") in (await project.call("show", "weekly")).output


async def test_an_older_release_says_so_and_changes_nothing(project: OperatedProject) -> None:
    await project.call("apply", "--release", "r1")
    project.add("publish", "0 5 * * *")
    await project.call("apply", "--release", "r2")
    told = (await project.call("plan", "--release", "r1")).output
    assert "the release 'r1' is older than 'r2'" in told
    refused = await project.call("apply", "--release", "r1", code=1)
    assert "EUR408" in refused.output
    done = await project.answer("apply", "--release", "r1", "--rollback")
    assert (done["release"], done["sequence"]) == ("r1", 2)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--release", "two words"), "EUR407"), (("--sequence", "0"), "EUR407")],
)
async def test_a_release_that_can_be_none_is_refused(
    arguments: tuple[str, ...], code: str, project: OperatedProject
) -> None:
    assert code in (await project.call("plan", *arguments, code=1)).output


async def test_what_was_paused_by_a_freeze_holds_for_new_jobs_too(
    project: OperatedProject,
) -> None:
    await project.call("apply")
    await project.call("freeze", "--note", "inventory")
    project.add("newcomer")
    assert "what is created starts paused" in (await project.call("plan")).output
    await project.call("apply")
    state = await project.state("newcomer")
    assert (state.paused, state.frozen) == (True, True)
    await project.call("thaw")
    assert not (await project.state("newcomer")).paused


async def test_why_knows_a_run_of_times_that_the_schedule_no_longer_has(
    project: OperatedProject,
) -> None:
    project.add("publish", "0 4 * * *")
    await project.call("apply")
    run = f"{project.name}/publish-2026-01-05T01:28:00Z"
    await project.client.start_workflow("publish", {}, id=run, task_queue=project.name)
    answer = await project.answer("why", "publish", "2026-01-05T01:28")
    assert [one["run"] for one in answer["answers"]] == [run]
    told = (await project.call("why", "publish", "2026-01-05T01:29")).output
    assert "no firing" in told
