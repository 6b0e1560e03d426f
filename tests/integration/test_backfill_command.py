"""Backfilling on a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from operated_project import OperatedProject, make_operated_project
from sample_runs import free_port
from temporalio.client import Client, ScheduleBackfill, ScheduleOverlapPolicy
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from euryale import EuryalePlugin
from euryale.runs.lateness import SCHEDULED_BY, SCHEDULED_START_TIME
from euryale.runs.memo import MEMO, scheduled_memo
from euryale.runs.runs import runs_of
from euryale.worker import make_worker, serve

# Yesterday, since a schedule made now fires in no stretch that a test would wait for.
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
WHEN = "return f'{scheduled_for:%H:%M}'"


@pytest.fixture
async def project(client: Client, temporal_address: str, tmp_path: Path) -> OperatedProject:
    return make_operated_project(tmp_path, f"app_{free_port()}", client, temporal_address)


@asynccontextmanager
async def served(project: OperatedProject) -> AsyncIterator[None]:
    plugin = EuryalePlugin(project.app, root=project.root, apply_schedules=False)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(make_worker(project.client, plugin), stop))
    yield
    stop.set()
    await serving


def at(hour: int) -> str:
    return f"{DAY + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"


def stretch(first: int, last: int) -> tuple[str, str, str, str]:
    return ("--from", at(first), "--to", at(last))


def workflow_ids(project: OperatedProject, *hours: int) -> list[str]:
    return [f"{project.name}/hourly-{at(hour)}" for hour in hours]


async def results(project: OperatedProject, *hours: int) -> list[object]:
    """What the runs of some hours returned, once they have."""
    schedule = project.client.get_schedule_handle(f"{project.name}/hourly")
    while (await schedule.describe()).raw_description.info.buffer_size:
        await asyncio.sleep(0.05)
    handles = [project.client.get_workflow_handle(one) for one in workflow_ids(project, *hours)]
    return [await handle.result() for handle in handles]


async def first_run_ids(project: OperatedProject, *hours: int) -> list[str]:
    handles = [project.client.get_workflow_handle(one) for one in workflow_ids(project, *hours)]
    return [(await handle.describe()).run_id for handle in handles]


async def test_firings_without_a_run_are_run_and_repeating_runs_nothing(
    project: OperatedProject,
) -> None:
    project.add("hourly", "0 * * * *", body=WHEN, more="number_of_executions=5, paused=True")
    await project.hold("hourly")
    async with served(project):
        shown = await project.call("backfill", "hourly", *stretch(1, 3), "--dry-run")
        assert shown.output.count("   would run\n") == 3
        assert shown.output.endswith("\n3 of 3 firings would run\n")

        answer = await project.answer("backfill", "hourly", *stretch(1, 3))
        assert answer["overlap"] == "buffer_all"
        assert answer["backfilled"] == workflow_ids(project, 1, 2, 3)
        assert await results(project, 1, 2, 3) == ["01:00", "02:00", "03:00"]

        before = await first_run_ids(project, 1, 2, 3)
        again = await project.call("backfill", "hourly", *stretch(1, 3))
        assert again.output.endswith("\nnothing to do: all 3 firings have run\n")
        assert again.output.count("   completed\n") == 3
        # One more firing at each end; what lies between has run.
        answer = await project.answer("backfill", "hourly", *stretch(0, 4))
        assert [each["status"] for each in answer["firings"]] == [
            None,
            "completed",
            "completed",
            "completed",
            None,
        ]
        assert answer["backfilled"] == workflow_ids(project, 0, 4)
        assert await results(project, 0, 4) == ["00:00", "04:00"]
        assert await first_run_ids(project, 1, 2, 3) == before
    state = (await project.client.get_schedule_handle(f"{project.name}/hourly").describe()).schedule
    assert state.state.remaining_actions == 5


async def test_runs_wait_for_each_other_and_a_repetition_meanwhile_is_refused(
    project: OperatedProject,
) -> None:
    project.add("hourly", "0 * * * *", more="paused=True", body=WHEN)
    await project.hold("hourly")
    # Nobody serves: the first run goes on until somebody does.
    told = await project.call("backfill", "hourly", *stretch(0, 23))
    assert told.output.endswith(
        "\n24 of 24 firings backfilled; 23 firings wait for the run before to end\n"
    )
    refused = await project.answer("backfill", "hourly", *stretch(0, 23), code=1)
    assert refused["error"]["code"] == "EUR410"
    assert refused["error"]["what"].startswith("23 firings of the job wait")
    shown = await project.answer("backfill", "hourly", *stretch(0, 1), "--dry-run")
    assert [each["status"] for each in shown["firings"]] == ["running", None]
    assert shown["waiting"] == 23
    async with served(project):
        assert await results(project, 0, 23) == ["00:00", "23:00"]
    assert (await project.state("hourly")).paused


async def test_a_job_that_allows_all_is_backfilled_side_by_side(
    project: OperatedProject,
) -> None:
    project.add("hourly", "0 * * * *", more="overlap='allow_all'", body=WHEN)
    await project.hold("hourly")
    answer = await project.answer("backfill", "hourly", *stretch(0, 23))
    assert answer["waiting"] == 0
    assert len(answer["backfilled"]) == 24
    again = await project.call("backfill", "hourly", *stretch(0, 23))
    assert again.output.endswith("\nnothing to do: all 24 firings have run (24 running)\n")


async def test_a_jittered_and_spread_job_is_backfilled_exactly(project: OperatedProject) -> None:
    more = "jitter=timedelta(minutes=20), window=timedelta(minutes=30), overlap='allow_all'"
    project.add("hourly", "0 * * * *", more=more, body=WHEN)
    await project.hold("hourly")
    async with served(project):
        answer = await project.answer("backfill", "hourly", *stretch(5, 6))
        ids = [each["workflow_id"] for each in answer["firings"]]
        assert answer["backfilled"] == ids
        assert ids != workflow_ids(project, 5, 6)
        told = [await project.client.get_workflow_handle(one).result() for one in ids]
        assert told == ["05:00", "06:00"]
        again = await project.answer("backfill", "hourly", *stretch(5, 6))
        assert again["backfilled"] == []


async def test_a_run_that_temporal_started_itself_counts(project: OperatedProject) -> None:
    project.add("hourly", "0 * * * *", body=WHEN)
    await project.hold("hourly")
    async with served(project):
        one = DAY + timedelta(hours=2)
        await project.client.get_schedule_handle(f"{project.name}/hourly").backfill(
            ScheduleBackfill(
                start_at=one - timedelta(seconds=1),
                end_at=one,
                overlap=ScheduleOverlapPolicy.ALLOW_ALL,
            )
        )
        while not (await project.answer("backfill", "hourly", *stretch(2, 2), "--dry-run"))[
            "firings"
        ][0]["status"]:
            await asyncio.sleep(0.05)
        answer = await project.answer("backfill", "hourly", *stretch(1, 3))
        assert answer["backfilled"] == workflow_ids(project, 1, 3)


async def test_a_firing_that_a_late_run_of_an_earlier_one_took_over_is_not_run_again(
    project: OperatedProject,
) -> None:
    more = f"catch_up='latest', paused=True, end_at=datetime.fromisoformat('{at(4)}')"
    project.add("hourly", "0 * * * *", more=more, body=WHEN)
    await project.hold("hourly", since=DAY)
    config = project.registry.jobs["hourly"].config
    async with served(project):
        # As the server starts it after an outage, in which all four hours were missed.
        late = await project.client.start_workflow(
            "hourly",
            {},
            id=workflow_ids(project, 1)[0],
            task_queue=project.name,
            memo={MEMO: scheduled_memo(config, spread=timedelta(0), since=DAY)},
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(SCHEDULED_START_TIME, DAY + timedelta(hours=1)),
                    SearchAttributePair(SCHEDULED_BY, f"{project.name}/hourly"),
                ]
            ),
        )
        assert await late.result() == "04:00"
        async with asyncio.timeout(20):
            while not await runs_of(project.client, project.name, "hourly"):
                await asyncio.sleep(0.05)
        answer = await project.answer("backfill", "hourly", *stretch(1, 4))
        assert answer["backfilled"] == workflow_ids(project, 2, 3)
        # Each is for its own time, though all are late, and no later one has had its run.
        assert await results(project, 2, 3) == ["02:00", "03:00"]


async def test_a_stretch_without_firings_is_nothing_to_do(project: OperatedProject) -> None:
    project.add("hourly", "0 * * * *")
    await project.hold("hourly")
    middle = (
        "--from",
        at(1).replace("00:00Z", "10:00Z"),
        "--to",
        at(1).replace("00:00Z", "50:00Z"),
    )
    told = await project.call("backfill", "hourly", *middle)
    assert told.output == "nothing to do: the job doesn't fire in this stretch\n"


async def test_what_cannot_be_backfilled_is_refused(project: OperatedProject) -> None:
    project.add("hourly", "0 * * * *")
    project.add("secondly", "* * * * * *")
    project.add("new", "0 * * * *")
    await project.hold("hourly", "secondly")
    for arguments, said in {
        ("hourli", *stretch(1, 2)): "Did you mean 'hourly'? [EUR110]",
        ("hourly", *stretch(2, 1)): "--to: ",
        ("hourly", *stretch(2, 72)): "is not past",
        ("hourly", "--from", "tuesday", "--to", at(2)): "'tuesday' is no time",
        ("secondly", *stretch(1, 2)): "the job fires 3,601 times in this stretch",
        ("new", *stretch(1, 2)): "Temporal holds no schedule of 'new'",
    }.items():
        told = await project.call("backfill", *arguments, code=1)
        assert said in told.output
    await project.call("backfill", "hourly", "--from", at(1), code=2)

    # The schedule in Temporal is still that of the file as it was.
    project.add("hourly", "30 * * * *")
    told = await project.call("backfill", "hourly", *stretch(1, 2), code=1)
    assert "Temporal's schedule doesn't know 1 of the 1 firings" in told.output
