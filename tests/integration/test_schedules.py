"""Schedules on a real Temporal server: applied, kept, and fired in virtual time."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sample_app
from sample_runs import SAMPLE, free_port
from structlog.testing import capture_logs
from temporalio.client import (
    Client,
    DescribeScheduleInput,
    Interceptor,
    OutboundInterceptor,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleDescription,
    ScheduleOverlapPolicy,
    WorkflowExecutionStatus,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from euryale import Euryale, EuryalePlugin
from euryale.cli.job_table import _held
from euryale.errors import ConfigInvalid
from euryale.schedules.apply import Applied, Wish, apply
from euryale.schedules.held import held_schedules
from euryale.schedules.release import Release
from euryale.schedules.schedule import DesiredSchedule, desired_schedule
from euryale.schedules.turn import apply_turn
from euryale.server.dynamic_config import dynamic_config_arguments
from euryale.worker import make_worker, serve

JOB = """
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="nightly", schedule="30 4 * * 1-5", {more})


async def handler(container, scheduled_for):
    {body}
"""


class Lamp:
    """A service, since an application has at least one."""


@pytest.fixture
def app_name(request: pytest.FixtureRequest) -> str:
    """An application of its own for each test, so that none meets another's schedules."""
    return f"app_{free_port()}"


def desired(root: Path, name: str, more: str = "", body: str = "...") -> list[DesiredSchedule]:
    """The schedules of an application with one job file, as it stands now."""
    (root / name).mkdir(exist_ok=True)
    (root / name / "nightly.py").write_text(JOB.format(more=more, body=body))
    app = application(name)
    registry = app.load(root)
    assert registry.errors == ()
    return app.schedules(registry)


def application(name: str) -> Euryale:
    return Euryale(name=name, services={"lamp": Lamp}, jobs=[name])


async def applied_now(client: Client, wanted: Sequence[DesiredSchedule]) -> tuple[Applied, ...]:
    """Apply some schedules, as a release of their own content."""
    (app, *_) = wanted[0].id.split("/")
    release = Release("-".join(each.hash for each in wanted), rollback=True)
    return (await apply(client, Wish(app, wanted, release))).applied


async def described(client: Client, name: str) -> ScheduleDescription:
    return await client.get_schedule_handle(f"{name}/nightly").describe()


async def test_a_job_becomes_a_schedule(client: Client, tmp_path: Path, app_name: str) -> None:
    more = "data={'a': 1}, time_zone='Asia/Kolkata', jitter=60, overlap='buffer_one', catch_up=300"
    assert await applied_now(client, desired(tmp_path, app_name, more)) == (
        Applied(f"{app_name}/nightly", "created"),
    )
    schedule = (await described(client, app_name)).schedule
    assert isinstance(schedule.action, ScheduleActionStartWorkflow)
    assert schedule.action.workflow == "nightly"
    assert schedule.action.id == f"{app_name}/nightly"
    assert schedule.action.task_queue == app_name
    assert schedule.policy.overlap == ScheduleOverlapPolicy.BUFFER_ONE
    assert schedule.policy.catchup_window == timedelta(seconds=300)
    assert schedule.spec.jitter == timedelta(seconds=60)
    assert schedule.spec.time_zone_name == "Asia/Kolkata"
    (calendar,) = schedule.spec.calendars
    assert calendar.comment == "30 4 * * 1-5"
    assert (calendar.hour[0].start, calendar.minute[0].start) == (4, 30)
    assert not schedule.spec.cron_expressions


async def test_a_schedule_that_nobody_renewed_for_ten_years_says_when_it_ends(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    (now,) = desired(tmp_path, app_name, "time_zone='Europe/Berlin'")
    long_ago = datetime.now(UTC) - timedelta(days=3_700)
    forgotten = desired_schedule(app_name, now.job, app_name, since=long_ago)
    for wanted, soon in ((forgotten, True), (now, False)):
        await applied_now(client, [wanted])
        held = await _held(client, wanted.id)
        assert held is not None
        assert held.horizon is not None
        assert held.ends_soon is soon


async def test_applying_again_changes_nothing(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    wanted = desired(tmp_path, app_name)
    await applied_now(client, wanted)
    before = await described(client, app_name)
    assert [one.outcome for one in await applied_now(client, wanted)] == ["unchanged"]
    assert (await described(client, app_name)).info.last_updated_at == before.info.last_updated_at


async def test_an_update_keeps_what_operators_own(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    await applied_now(client, desired(tmp_path, app_name))
    await client.get_schedule_handle(f"{app_name}/nightly").pause(note="inventory")
    (applied,) = await applied_now(client, desired(tmp_path, app_name, "jitter=5"))
    assert applied.outcome == "updated"
    schedule = (await described(client, app_name)).schedule
    assert schedule.spec.jitter == timedelta(seconds=5)
    assert (schedule.state.paused, schedule.state.note) == (True, "inventory")


async def test_raising_the_number_of_executions_grants_the_difference(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    await applied_now(client, desired(tmp_path, app_name, "number_of_executions=3"))
    assert (await described(client, app_name)).schedule.state.remaining_actions == 3
    await applied_now(client, desired(tmp_path, app_name, "number_of_executions=3, jitter=5"))
    assert (await described(client, app_name)).schedule.state.remaining_actions == 3
    await applied_now(client, desired(tmp_path, app_name, "number_of_executions=5"))
    state = (await described(client, app_name)).schedule.state
    assert (state.limited_actions, state.remaining_actions) == (True, 5)


async def test_a_job_may_start_paused_and_is_not_paused_again(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    await applied_now(client, desired(tmp_path, app_name, "paused=True"))
    assert (await described(client, app_name)).schedule.state.paused
    await client.get_schedule_handle(f"{app_name}/nightly").unpause()
    await applied_now(client, desired(tmp_path, app_name, "paused=True, jitter=5"))
    assert not (await described(client, app_name)).schedule.state.paused


@pytest.fixture
async def virtual() -> AsyncIterator[WorkflowEnvironment]:
    """A real server whose time can be moved forward."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_log_level="never",
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
        ],
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment


async def test_a_job_fires_at_its_times_and_goes_on_after_a_failed_run(
    virtual: WorkflowEnvironment, tmp_path: Path, app_name: str
) -> None:
    body = "raise RuntimeError(str(scheduled_for))"
    desired(tmp_path, app_name, body=body)
    plugin = EuryalePlugin(application(app_name), root=tmp_path)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(make_worker(virtual.client, plugin), stop))
    scheduler = virtual.client.get_workflow_handle(f"temporal-sys-scheduler:{app_name}/nightly")
    handle = virtual.client.get_schedule_handle(f"{app_name}/nightly")
    async with asyncio.timeout(30):
        while "nightly" not in await held_schedules(virtual.client, app_name):
            await asyncio.sleep(0.05)
        await virtual.fast_forward(scheduler, timedelta(days=7))
        description = await handle.describe()
    stop.set()
    await serving

    recent = description.info.recent_actions
    fired = [action.scheduled_at for action in recent]
    assert len(fired) == 5
    assert {(at.hour, at.minute) for at in fired} == {(4, 30)}
    assert all(at.weekday() < 5 for at in fired)
    for action in recent:
        assert isinstance(action.action, ScheduleActionExecutionStartWorkflow)
        run = virtual.client.get_workflow_handle(action.action.workflow_id)
        described_run = await run.describe()
        assert described_run.status == WorkflowExecutionStatus.FAILED
        nominal = f"{action.scheduled_at:%Y-%m-%dT%H:%M:%SZ}"
        assert run.id == f"{app_name}/nightly-{nominal}"


async def test_the_sample_application_loads_beside_its_broken_file() -> None:
    registry = sample_app.app.load(SAMPLE)
    assert sorted(registry.jobs) == ["arguments", "cases", "impatient"]
    (error,) = registry.errors
    assert error.where.startswith("sample_jobs/broken.py:")


async def test_a_worker_takes_runs_while_it_waits_to_apply_the_schedules(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    desired(tmp_path, app_name)
    applied = asyncio.Event()

    async def on_applied(_: Sequence[Applied]) -> None:
        applied.set()

    release = Release("a")
    plugin = EuryalePlugin(
        application(app_name), root=tmp_path, release=release, on_applied=on_applied
    )
    stop = asyncio.Event()
    async with asyncio.timeout(40):
        async with apply_turn(client, app_name, release):
            serving = asyncio.create_task(serve(make_worker(client, plugin), stop))
            run_id = f"{app_name}/nightly/by-hand"
            await client.execute_workflow("nightly", id=run_id, task_queue=app_name)
            assert not applied.is_set()
        await applied.wait()
        stop.set()
        await serving


async def test_a_worker_that_is_stopped_before_it_applied_the_schedules_ends(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    desired(tmp_path, app_name)
    release = Release("a")
    plugin = EuryalePlugin(application(app_name), root=tmp_path, release=release)
    stop = asyncio.Event()
    async with asyncio.timeout(40), apply_turn(client, app_name, release):
        serving = asyncio.create_task(serve(make_worker(client, plugin), stop))
        run_id = f"{app_name}/nightly/by-hand"
        await client.execute_workflow("nightly", id=run_id, task_queue=app_name)
        stop.set()
        await serving
    assert "nightly" not in await held_schedules(client, app_name)


async def test_a_schedule_that_the_server_refuses_stops_neither_the_others_nor_the_worker(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    desired(tmp_path, app_name)
    big = JOB.format(more="data={'text': 'x' * 2_200_000}", body="...").replace("nightly", "big")
    (tmp_path / app_name / "big.py").write_text(big)
    told: list[Applied] = []
    stop = asyncio.Event()

    async def on_applied(applied: Sequence[Applied]) -> None:
        told.extend(applied)
        stop.set()

    plugin = EuryalePlugin(application(app_name), root=tmp_path, on_applied=on_applied)
    with capture_logs() as logs:
        await serve(make_worker(client, plugin), stop)

    assert {one.id: one.outcome for one in told} == {
        f"{app_name}/big": "failed",
        f"{app_name}/nightly": "created",
    }
    assert [one.error for one in told if one.outcome != "failed"] == [""]
    (line,) = [line for line in logs if line.get("action") == "schedule_failed"]
    assert line["log_level"] == "error"
    assert line["where"].startswith(f"{app_name}/big.py:")
    assert "the schedule of 'big' could not be applied: " in line["what"]


async def test_applying_to_a_server_that_has_gone_raises(tmp_path: Path, app_name: str) -> None:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_log_level="never",
        dev_server_extra_args=dynamic_config_arguments(),
    )
    await environment.shutdown()
    (wanted,) = desired(tmp_path, app_name)
    with pytest.raises(RPCError) as caught:
        await applied_now(environment.client, [wanted])
    assert caught.value.status == RPCStatusCode.UNAVAILABLE


@pytest.mark.parametrize("value", ["object()", "b'\\xff'", "float('nan')", "[float('inf')]"])
def test_a_job_whose_data_no_schedule_can_hold_is_left_out(
    value: str, tmp_path: Path, app_name: str
) -> None:
    desired(tmp_path, app_name)
    odd = JOB.format(more=f"data={{'at': {value}}}", body="...").replace("nightly", "odd")
    (tmp_path / app_name / "odd.py").write_text(odd)
    registry = application(app_name).load(tmp_path)
    assert list(registry.jobs) == ["nightly"]
    (error,) = registry.errors
    assert isinstance(error, ConfigInvalid)
    assert error.where.startswith(f"{app_name}/odd.py:")
    assert "the data of 'odd' can't be written as JSON" in error.what


class Operator(Interceptor):
    """Pauses a schedule right after somebody else has read it for the first time."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.paused = False

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 -- Temporal's name
        return PausesOnce(next, self)


class PausesOnce(OutboundInterceptor):
    def __init__(self, following: OutboundInterceptor, operator: Operator) -> None:
        super().__init__(following)
        self.operator = operator

    async def describe_schedule(self, input: DescribeScheduleInput) -> ScheduleDescription:  # noqa: A002 -- Temporal's name
        description = await super().describe_schedule(input)
        if not self.operator.paused and input.id.endswith("/nightly"):
            self.operator.paused = True
            await self.operator.client.get_schedule_handle(input.id).pause(note="stop this")
        return description


async def test_a_pause_in_the_middle_of_an_update_is_kept(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    await applied_now(client, desired(tmp_path, app_name))
    config = client.config() | {"interceptors": [Operator(client)]}
    (applied,) = await applied_now(Client(**config), desired(tmp_path, app_name, "jitter=5"))
    assert applied.outcome == "updated"
    schedule = (await described(client, app_name)).schedule
    assert schedule.spec.jitter == timedelta(seconds=5)
    assert (schedule.state.paused, schedule.state.note) == (True, "stop this")


async def test_a_worker_that_finds_no_job_at_all_removes_no_schedule(
    client: Client, tmp_path: Path, app_name: str
) -> None:
    wanted = desired(tmp_path, app_name)
    await applied_now(client, wanted)
    (tmp_path / app_name / "nightly.py").unlink()
    told: list[Applied] = []
    stop = asyncio.Event()

    async def on_applied(applied: Sequence[Applied]) -> None:
        told.extend(applied)
        stop.set()

    plugin = EuryalePlugin(application(app_name), root=tmp_path, on_applied=on_applied)
    await serve(make_worker(client, plugin), stop)
    assert [(one.id, one.outcome) for one in told] == [(f"{app_name}/nightly", "kept")]
    await described(client, app_name)
