"""Runs by hand under their job's overlap policy, and what operators are told of runs."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from operated_project import OperatedProject, make_operated_project
from sample_runs import free_port
from structlog.testing import capture_logs
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from euryale import Euryale, EuryalePlugin
from euryale.errors import RunUnderWay, RunUnknown
from euryale.runs.overlap import Way, make_room, runs_under_way
from euryale.runs.run import start_run
from euryale.runs.runs import Run, find_run, runs_of
from euryale.worker import make_worker

WAITS = "import asyncio; await asyncio.sleep(3600)"
SAYS = "container.resolve('logger').info('said', number=7); return {'said': 7}"
FAILS = "raise ValueError('the lamp is broken')"


class BrokenLamp:
    """A lamp that never burns, and is always tried again."""

    async def light(self) -> None:
        raise ConnectionError("no power")


Handle = WorkflowHandle[Any, Any]


@pytest.fixture
async def project(
    client: Client, temporal_address: str, tmp_path: Path
) -> AsyncIterator[OperatedProject]:
    """A served project; its jobs are there before its worker is."""
    made = make_operated_project(tmp_path, f"app_{free_port()}", client, temporal_address)
    for policy in ("skip", "buffer_one", "cancel_other", "terminate_other", "allow_all"):
        made.add(policy.replace("_", "-"), more=f"overlap='{policy}'", body=WAITS)
    made.add("skip-not", body=WAITS)
    made.add("says", more="description='Says it.', window=timedelta(minutes=9)", body=SAYS)
    made.add("fails", body=FAILS)
    plugin = EuryalePlugin(made.app, root=made.root, apply_schedules=False)
    # The worker's lines would stand among those of the commands.
    with capture_logs():
        async with make_worker(client, plugin, grace=timedelta(0)):
            yield made
    for run in await runs_of(client, made.name, statuses=["running"]):
        with suppress(RPCError):
            await client.get_workflow_handle(run.workflow_id).terminate()


async def start(project: OperatedProject, job: str) -> Handle:
    return await start_run(project.client, project.app, project.registry.job(job))


async def until_listed(project: OperatedProject, job: str | None, count: int) -> Sequence[Run]:
    """The runs, once visibility knows that many."""
    while len(found := await runs_of(project.client, project.name, job)) < count:
        await asyncio.sleep(0.05)
    return found


async def status_of(handle: Handle) -> WorkflowExecutionStatus | None:
    return (await handle.describe()).status


# --- the overlap policy


async def test_under_skip_a_run_under_way_refuses_another_one_and_force_starts_it(
    project: OperatedProject,
) -> None:
    first = await start(project, "skip")
    await until_listed(project, "skip", 1)
    told = await project.answer("run", "skip", code=1)
    assert told["error"]["code"] == "EUR309"
    name = first.id.removeprefix(f"{project.name}/")
    assert f"{name} has been running since" in told["error"]["what"]
    assert "--force" in told["error"]["mend"]
    assert len(await runs_of(project.client, project.name, "skip")) == 1
    told = await project.answer("run", "skip", "--force")
    assert told["waited_for"] == []
    assert len(await until_listed(project, "skip", 2)) == 2


async def test_a_run_of_the_schedule_counts_at_once(project: OperatedProject) -> None:
    await project.hold("skip")
    schedule = project.client.get_schedule_handle(f"{project.name}/skip")
    await schedule.trigger()
    while not (await schedule.describe()).info.running_actions:
        await asyncio.sleep(0.05)
    with pytest.raises(RunUnderWay):
        await make_room(project.client, project.name, "skip", "skip")


async def test_a_run_of_a_job_whose_name_goes_on_differently_does_not_count(
    project: OperatedProject,
) -> None:
    await start(project, "skip-not")
    await until_listed(project, "skip-not", 1)
    assert await runs_under_way(project.client, project.name, "skip") == ()
    assert (await make_room(project.client, project.name, "skip", "skip")).way == "start"


async def test_under_cancel_other_the_run_under_way_is_cancelled_first(
    project: OperatedProject,
) -> None:
    first = await start(project, "cancel-other")
    await until_listed(project, "cancel-other", 1)
    told = await project.call("run", "cancel-other")
    assert f"cancelled {first.id.removeprefix(f'{project.name}/')}" in told.stderr
    assert "started " in told.stdout
    assert await status_of(first) == WorkflowExecutionStatus.CANCELED
    assert len(await runs_under_way(project.client, project.name, "cancel-other")) == 1


async def test_under_terminate_other_the_run_under_way_is_terminated(
    project: OperatedProject,
) -> None:
    first = await start(project, "terminate-other")
    await until_listed(project, "terminate-other", 1)
    told = await project.answer("run", "terminate-other")
    assert told["waited_for"] == [first.id]
    with pytest.raises(WorkflowFailureError) as caught:
        await first.result()
    assert "another run of 'terminate-other' was started by ana@host" in str(caught.value.cause)


async def test_under_allow_all_a_run_starts_beside_another_one(project: OperatedProject) -> None:
    first = await start(project, "allow-all")
    await until_listed(project, "allow-all", 1)
    await project.call("run", "allow-all")
    assert await status_of(first) == WorkflowExecutionStatus.RUNNING


async def test_under_buffer_one_a_run_waits_for_the_end_of_the_one_under_way(
    project: OperatedProject,
) -> None:
    first = await start(project, "buffer-one")
    await until_listed(project, "buffer-one", 1)
    told = asyncio.Event()
    seen: list[tuple[Way, list[str]]] = []

    def tell(way: Way, runs: Sequence[Run]) -> None:
        seen.append((way, [run.workflow_id for run in runs]))
        told.set()

    waiting = asyncio.create_task(
        make_room(project.client, project.name, "buffer-one", "buffer_one", tell=tell)
    )
    await told.wait()
    assert seen == [("wait", [first.id])]
    assert not waiting.done()
    await first.terminate()
    assert [run.workflow_id for run in (await waiting).runs] == [first.id]


# --- who, why and what


async def test_who_started_a_run_and_why_is_told_wherever_runs_are(
    project: OperatedProject,
) -> None:
    told = await project.answer("run", "says", "--wait", "--note", "a try")
    assert (told["operator"], told["note"], told["status"]) == ("ana@host", "a try", "completed")
    described = await project.client.get_workflow_handle(told["workflow_id"]).describe()
    assert await described.static_details() == "Started by hand by `ana@host`: a try"
    assert await described.static_summary() == "Says it."
    await until_listed(project, "says", 1)
    (line,) = (await project.answer("runs", "says"))["runs"]
    assert (line["operator"], line["note"], line["by_hand"]) == ("ana@host", "a try", True)
    assert line["result"] == {"said": 7}
    text = (await project.call("runs")).stdout
    assert "by hand" in text
    assert "ana@host: a try" in text


async def test_the_story_of_a_run_has_its_log_lines_in_it(project: OperatedProject) -> None:
    run = await project.answer("run", "says", "--wait")
    told = await project.answer("logs", run["workflow_id"])
    assert [(line["kind"], line.get("text")) for line in told["lines"]] == [
        ("start", ""),
        ("log", "said number=7"),
        ("end", ""),
    ]
    assert told["log_lines_missing"] is None
    text = (await project.call("logs", run["run_id"])).stdout
    assert "started by hand by ana@host" in text
    assert "info said number=7" in text


async def test_a_failed_run_tells_the_line_of_the_jobs_file(project: OperatedProject) -> None:
    told = await project.answer("run", "fails", "--wait", code=1)
    where = f"{project.name}/fails.py:10"
    assert told["failure"]["where"] == where
    assert (await project.call("run", "fails", "--wait", code=1)).stdout.endswith(
        f"ValueError: the lamp is broken\n    at        {where}\n"
    )
    await until_listed(project, "fails", 2)
    lines = (await project.answer("runs", "--status", "failed"))["runs"]
    assert [line["failure"]["where"] for line in lines] == [where, where]
    assert (await project.answer("runs", "--status", "timed-out"))["runs"] == []


async def test_a_call_that_is_tried_again_is_told_with_its_run(
    client: Client, temporal_address: str, tmp_path: Path
) -> None:
    project = make_operated_project(tmp_path, f"app_{free_port()}", client, temporal_address)
    project.add("relights", body="await container.resolve('lamp').light()")
    app = Euryale(name=project.name, services={"lamp": BrokenLamp}, jobs=[project.name])
    plugin = EuryalePlugin(app, root=project.root, apply_schedules=False)
    with capture_logs():
        async with make_worker(client, plugin, grace=timedelta(0)):
            handle = await start(project, "relights")
            await until_listed(project, "relights", 1)
            while not (described := await project.answer("runs"))["runs"][0]["retrying"]:
                await asyncio.sleep(0.1)
            (retrying,) = described["runs"][0]["retrying"]
            assert (retrying["call"], retrying["reason"]) == ("lamp.light", "no power")
            assert "lamp.light is tried again (attempt " in (await project.call("runs")).stdout
            told = await project.call("logs", handle.id)
            assert "tried again after ConnectionError: no power" in told.stdout
            await handle.terminate()


async def test_without_a_worker_the_story_is_told_without_the_log_lines(
    client: Client, temporal_address: str, tmp_path: Path
) -> None:
    project = make_operated_project(tmp_path, f"app_{free_port()}", client, temporal_address)
    project.add("says", body=SAYS)
    handle = await start(project, "says")
    told = await project.answer("logs", handle.id)
    assert [line["kind"] for line in told["lines"]] == ["start"]
    assert "none has asked for work" in told["log_lines_missing"]
    await handle.terminate()


async def test_show_tells_the_config_the_state_the_next_firings_and_the_last_runs(
    project: OperatedProject,
) -> None:
    told = await project.answer("show", "says")
    assert (told["applied"], told["runs"], told["description"]) == (False, [], "Says it.")
    await project.hold("says")
    await project.call("pause", "says", "--note", "inventory")
    await project.call("run", "says", "--wait")
    await until_listed(project, "says", 1)
    told = await project.answer("show", "says")
    assert told["paused"] is True
    assert told["note"].startswith("inventory (paused by ana@host")
    assert told["words"]["overlap"].startswith("skip: ")
    assert told["measures"]["completed"] == told["measures"]["ended"] == 1
    first = told["next"][0]
    assert first["nominal"][4:19] == "-01-01T00:00:00"
    assert first["starts"] > first["nominal"]
    text = (await project.call("show", "says")).stdout
    assert "put off by a constant time within 9 min" in text
    assert "1 of the last 1 completed" in text


async def test_firings_that_were_skipped_are_listed_between_the_runs(
    project: OperatedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = importlib.import_module("euryale.cli.runs")
    monkeypatch.setattr(command, "_JUST_DUE", timedelta(0))
    project.add("each-second", schedule="* * * * * *", body=WAITS)
    await project.hold("each-second")
    schedule = project.client.get_schedule_handle(f"{project.name}/each-second")
    while (await schedule.describe()).info.num_actions_skipped_overlap < 2:
        await asyncio.sleep(0.2)
    await schedule.pause()
    (run,) = await until_listed(project, "each-second", 1)
    told = await project.answer("runs", "each-second")
    assert told["skipped"] >= 2
    (skipped,) = [each for each in told["without_run"] if each["reason"] == "overlap"]
    assert skipped["run"] == run.workflow_id
    assert skipped["count"] >= 2
    await schedule.delete()


# --- cancelling and finding


async def test_a_cancelled_run_ends_and_says_who_and_why(project: OperatedProject) -> None:
    handle = await start(project, "skip")
    name = handle.id.removeprefix(f"{project.name}/")
    done = await project.call("cancel", name, "--note", "wrong data", "--wait")
    assert done.stdout.startswith(f"cancelled {name}: wrong data (cancelled by ana@host)\n")
    assert "was cancelled after" in done.stdout
    assert await status_of(handle) == WorkflowExecutionStatus.CANCELED
    again = await project.call("cancel", name, code=1)
    assert again.stdout.startswith(f"{name} has ended already: cancelled ")
    told = await project.answer("logs", name)
    (asked,) = [line for line in told["lines"] if line["kind"] == "cancel"]
    assert asked["text"] == "wrong data (cancelled by ana@host)"


async def test_without_waiting_a_run_is_asked_to_end(project: OperatedProject) -> None:
    handle = await start(project, "skip")
    told = await project.answer("cancel", str(handle.first_execution_run_id))
    assert told["cancelled"] is True
    with pytest.raises(WorkflowFailureError):
        await handle.result()


async def test_a_run_is_found_by_each_of_its_names(project: OperatedProject) -> None:
    handle = await start(project, "skip")
    await until_listed(project, "skip", 1)
    names = (handle.id, handle.id.removeprefix(f"{project.name}/"), handle.first_execution_run_id)
    found = [await find_run(project.client, project.name, str(name)) for name in names]
    assert {run.run_id for run in found} == {handle.first_execution_run_id}


@pytest.mark.parametrize(
    ("text", "suggested"), [("skip", True), ("skp/{}", True), ("{}", True), ("else", False)]
)
async def test_an_unknown_run_is_refused_with_the_nearest_one(
    project: OperatedProject, text: str, suggested: bool
) -> None:
    handle = await start(project, "skip")
    await until_listed(project, "skip", 1)
    with pytest.raises(RunUnknown) as caught:
        await find_run(project.client, project.name, text.format(handle.id.rpartition("/")[2]))
    name = handle.id.removeprefix(f"{project.name}/")
    assert (f"Did you mean '{name}'?" in str(caught.value)) is suggested


async def test_a_run_id_that_nobody_has_and_another_applications_run_are_unknown(
    project: OperatedProject,
) -> None:
    handle = await start(project, "skip")
    await until_listed(project, "skip", 1)
    for app, text in (
        (project.name, "01a200b4-4f0d-7a97-bcb8-d5aac15952cc"),
        ("another", str(handle.first_execution_run_id)),
        ("another", handle.id),
    ):
        with pytest.raises(RunUnknown):
            await find_run(project.client, app, text)
