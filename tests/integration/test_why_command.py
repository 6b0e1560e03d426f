"""`euryale why` on a real server: each verdict that can be brought about without a long wait."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import chdir, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sample_runs import connected, free_port
from temporalio.client import (
    Client,
    ScheduleBackfill,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError
from test_simulation import Server
from typer.testing import CliRunner

from euryale import Euryale, EuryalePlugin
from euryale.cli import cli
from euryale.jobs.job import Job
from euryale.runs.lateness import SCHEDULED_BY, SCHEDULED_START_TIME
from euryale.runs.memo import MEMO, scheduled_memo
from euryale.time.firing import last_firing
from euryale.time.spread import spread_of
from euryale.why.evidence import Reason, Verdict
from euryale.why.why import why
from euryale.why.why_facts import collect_facts
from euryale.worker import make_worker, serve

EVERY_SECOND = "* * * * * *"

JOB = """
from datetime import timedelta

from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="tick", schedule="{schedule}", {more})


async def handler(container, scheduled_for):
    {body}
"""


class Lamp:
    """A service, since an application has at least one."""

    async def light(self) -> None:
        raise LookupError("there is no lamp")


class Shop:
    """An application with one job, and what a user of it asks."""

    def __init__(self, client: Client, root: Path, more: str, body: str, schedule: str) -> None:
        name = f"why_{free_port()}"
        (root / name).mkdir()
        text = JOB.format(schedule=schedule, more=more, body=body)
        (root / name / "tick.py").write_text(text)
        self.client = client
        self.root = root
        self.app = Euryale(name=name, services={"lamp": Lamp}, jobs=[name])
        self.registry = self.app.load(root)
        assert self.registry.errors == ()
        self.schedule = client.get_schedule_handle(f"{name}/tick")

    @property
    def job(self) -> Job:
        return self.registry.job("tick")

    async def apply(self) -> None:
        (wanted,) = self.app.schedules(self.registry)
        await self.client.create_schedule(wanted.id, wanted.schedule())

    async def why(self, firing: datetime) -> Verdict:
        return why(await collect_facts(self.client, self.app, self.job, firing))

    async def last(self, kind: str) -> Reason:
        """The sure reason of that kind, once the last firing has it for its first one."""
        async with asyncio.timeout(40):
            while True:
                firing = last_firing(self.job.timetable, datetime.now(UTC))
                assert firing is not None
                first = (await self.why(firing)).reasons[0]
                if (first.kind, first.certainty) == (kind, "surely"):
                    return first
                await asyncio.sleep(0.2)

    async def first_run(self) -> datetime:
        """The firing of the first run that the schedule has started."""
        async with asyncio.timeout(40):
            while not (recent := (await self.schedule.describe()).info.recent_actions):
                await asyncio.sleep(0.1)
        return recent[0].scheduled_at

    async def serve(self, until: Callable[[], Any]) -> Any:
        """Serve the job until something is there."""
        stop = asyncio.Event()
        plugin = EuryalePlugin(self.app, root=self.root, apply_schedules=False)
        serving = asyncio.create_task(serve(make_worker(self.client, plugin), stop))
        try:
            return await until()
        finally:
            stop.set()
            await serving


@pytest.fixture
async def make_shop(client: Client, tmp_path: Path) -> AsyncIterator[Callable[..., Shop]]:
    made: list[Shop] = []

    def make(more: str = "", body: str = "...", schedule: str = EVERY_SECOND) -> Shop:
        made.append(Shop(client, tmp_path, more, body, schedule))
        return made[-1]

    yield make
    for shop in made:
        # The tests after this one should have the server to themselves.
        with suppress(RPCError):
            await shop.schedule.delete()


def told(verdict: Verdict) -> tuple[str, list[tuple[str, str]]]:
    return verdict.outcome, [(reason.kind, reason.certainty) for reason in verdict.reasons]


YESTERDAY = datetime.now(UTC).replace(hour=4, minute=30, second=0, microsecond=0) - timedelta(1)


async def test_a_job_that_is_not_applied_has_no_schedule(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop()
    assert told(await shop.why(YESTERDAY)) == ("did not run", [("not_applied", "surely")])
    ahead = datetime.now(UTC) + timedelta(days=1)
    assert told(await shop.why(ahead)) == ("will not run", [("not_applied", "surely")])


async def test_a_schedule_that_was_made_since_did_not_fire_before(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop(schedule="30 4 * * *")
    await shop.apply()
    assert told(await shop.why(YESTERDAY)) == ("did not run", [("made_later", "surely")])
    verdict = await shop.why(YESTERDAY + timedelta(days=7))
    assert told(verdict) == ("will run", [("comes", "surely"), ("no_worker", "surely")])


async def test_a_pause_by_hand_is_told_with_its_note_its_client_and_its_end(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop("number_of_executions=100")
    await shop.apply()
    await shop.first_run()
    await shop.schedule.pause(note="inventory")
    reason = await shop.last("paused")
    assert reason.values["by"] == shop.client.identity
    assert reason.values["note"] == "inventory"
    since = reason.values["since"]
    assert isinstance(since, datetime)
    assert "until" not in reason.values
    firing = since.replace(microsecond=0) + timedelta(seconds=1)
    async with asyncio.timeout(20):
        while datetime.now(UTC) < firing + timedelta(seconds=1):
            await asyncio.sleep(0.1)

    await shop.schedule.unpause(note="done")
    (over,) = (await shop.why(firing)).reasons
    assert (over.kind, over.certainty) == ("paused", "surely")
    assert over.words == "the schedule was paused from {since} to {until} by {by}: {note}"
    assert over.values["since"] == since


async def test_a_job_that_starts_paused_says_so(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop("paused=True")
    await shop.apply()
    reason = await shop.last("paused")
    assert reason.values["note"] == "starts paused, as its job file says"


async def test_a_firing_that_a_run_without_a_worker_holds_up_is_skipped(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop()
    await shop.apply()
    first = await shop.first_run()
    reason = await shop.last("overlapped")
    run = f"{shop.app.name}/tick-{first:%Y-%m-%dT%H:%M:%SZ}"
    assert reason.values["run"] == run

    verdict = await shop.why(first)
    assert told(verdict) == ("waiting", [("no_worker", "surely")])
    assert verdict.reasons[0].values["queue"] == shop.app.name

    await shop.schedule.pause()
    await shop.client.get_workflow_handle(run).terminate(reason="it hangs")
    (ended,) = (await shop.why(first)).reasons
    assert (ended.kind, ended.values["by"], ended.values["why"]) == (
        "terminated",
        shop.client.identity,
        "it hangs",
    )


async def test_a_firing_that_waits_for_a_run_says_for_which(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop("overlap='buffer_all'")
    await shop.apply()
    first = await shop.first_run()
    reason = await shop.last("buffered")
    assert reason.values["run"] == f"{shop.app.name}/tick-{first:%Y-%m-%dT%H:%M:%SZ}"


async def test_a_failure_is_told_with_its_line_its_call_and_its_attempts(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop("number_of_executions=1", body='await container.resolve("lamp").light()')
    await shop.apply()
    first = await shop.first_run()

    async def failed() -> Verdict:
        async with asyncio.timeout(40):
            while (verdict := await shop.why(first)).outcome in ("waiting", "running"):
                await asyncio.sleep(0.1)
        return verdict

    verdict = await shop.serve(failed)
    assert verdict.outcome == "failed"
    values = verdict.reasons[0].values
    assert (values["type"], values["message"]) == ("LookupError", "there is no lamp")
    assert values["where"] == f"{shop.app.name}/tick.py:10"
    assert (values["call"], values["attempts"]) == ("lamp.light", 1)

    reason = await shop.last("limit_reached")
    assert (reason.values["limit"], reason.values["last"]) == (1, first)


async def test_a_backfilled_run_says_who_asked_for_it(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(schedule="30 4 * * *")
    await shop.apply()
    await shop.schedule.backfill(
        ScheduleBackfill(YESTERDAY, YESTERDAY, overlap=ScheduleOverlapPolicy.ALLOW_ALL)
    )
    async with asyncio.timeout(40):
        while (verdict := await shop.why(YESTERDAY)).outcome != "waiting":
            await asyncio.sleep(0.1)
    assert told(verdict) == ("waiting", [("no_worker", "surely"), ("backfilled", "surely")])
    assert verdict.reasons[1].values["by"] == shop.client.identity


async def test_a_schedule_with_other_times_does_not_fire(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop()
    await shop.apply()

    def daily(held: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = held.description.schedule
        schedule.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))])
        return ScheduleUpdate(schedule=schedule)

    await shop.schedule.update(daily)
    reason = await shop.last("other_times")
    assert reason.words.endswith("somebody changed it by hand")
    verdict = await shop.why(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    assert told(verdict) == ("will not run", [("other_times", "surely")])


async def test_a_schedule_that_was_deleted_says_when(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop()
    await shop.apply()
    await shop.schedule.delete()
    reason = await shop.last("deleted")
    assert reason.words == "the schedule was deleted at {deleted}"


async def test_the_time_that_a_window_and_a_jitter_put_a_firing_off_to_is_told(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop("window=3600, jitter=600", schedule="30 4 * * *")
    await shop.apply()
    spread = spread_of(shop.schedule.id, timedelta(hours=1))
    firing = YESTERDAY + timedelta(days=7)
    facts = await collect_facts(shop.client, shop.app, shop.job, firing)
    assert facts.fire_time == firing + spread
    assert timedelta(0) <= facts.jitter < timedelta(minutes=10)
    verdict = why(facts)
    assert told(verdict) == ("will run", [("comes", "surely"), ("no_worker", "surely")])
    assert verdict.reasons[0].values["due"] == facts.due
    assert facts.due in (await shop.schedule.describe()).info.next_action_times


async def test_a_late_run_that_caught_up_the_latest_firing_says_so_for_each(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop("catch_up='latest'", schedule="@hourly")
    latest = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    missed = [latest - number * timedelta(hours=1) for number in (2, 1)]
    memo = scheduled_memo(shop.job.config, spread=timedelta(0), since=YESTERDAY)
    run = await shop.client.start_workflow(
        "tick",
        {},
        id=f"{shop.schedule.id}-{missed[0]:%Y-%m-%dT%H:%M:%SZ}",
        task_queue=shop.app.name,
        memo={MEMO: memo},
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(SCHEDULED_START_TIME, missed[0]),
                SearchAttributePair(SCHEDULED_BY, shop.schedule.id),
            ]
        ),
    )
    await shop.serve(run.result)

    verdict = await shop.why(missed[0])
    kinds = [reason.kind for reason in verdict.reasons]
    assert kinds[:2] == ["completed", "superseded"]
    assert verdict.reasons[1].values == {"latest": latest}
    async with asyncio.timeout(20):
        # Visibility follows a moment later.
        while (verdict := await shop.why(latest)).reasons[0].kind != "superseded":
            await asyncio.sleep(0.1)
    (reason,) = verdict.reasons
    assert reason.words == "the run {run}, started late, ran for it"
    assert reason.values["run"] == run.id
    (reason,) = (await shop.why(missed[1])).reasons
    assert reason.kind == "superseded"
    assert (reason.values["latest"], reason.values["run"]) == (latest, run.id)


@pytest.mark.timeout(150)
async def test_after_an_outage_a_firing_was_missed_or_is_late(tmp_path: Path) -> None:
    server = Server(tmp_path / "temporal.db")
    await server.start()
    try:
        shop = Shop(
            await connected(f"127.0.0.1:{server.port}"),
            tmp_path,
            "catch_up=10, overlap='allow_all'",
            "...",
            EVERY_SECOND,
        )
        await shop.apply()
        await shop.first_run()
        down = datetime.now(UTC)
        server.stop()
        await asyncio.sleep(16)
        await server.start()
        shop.client = await connected(f"127.0.0.1:{server.port}")
        shop.schedule = shop.client.get_schedule_handle(shop.schedule.id)
        async with asyncio.timeout(60):
            while not (await shop.schedule.describe()).info.num_actions_missed_catchup_window:
                await asyncio.sleep(0.1)
        (missed,) = (await shop.why(down.replace(microsecond=0) + timedelta(seconds=1))).reasons
        assert (missed.kind, missed.certainty) == ("missed", "surely")
        assert missed.values["window"] == timedelta(seconds=10)
        looked = missed.values["looked"]
        assert isinstance(looked, datetime)
        late = looked.replace(microsecond=0) - timedelta(seconds=8)
        async with asyncio.timeout(30):
            while (verdict := await shop.why(late)).outcome != "waiting":
                await asyncio.sleep(0.1)
        assert told(verdict) == ("waiting", [("no_worker", "surely"), ("late_server", "surely")])
        assert verdict.reasons[1].values["looked"] == looked
    finally:
        server.stop()


# --- the command

APP = """
from euryale import Euryale


class Lamp:
    async def light(self) -> None: ...


app = Euryale(name="{name}", services={{"lamp": Lamp}})
"""

NIGHTLY = """
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="nightly", schedule="30 2 * * *", time_zone="Europe/Berlin")


async def handler(container): ...
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.euryale]\napp = "night.app:app"\n')
    for folder in ("night", "jobs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "night" / "__init__.py").touch()
    (tmp_path / "night" / "app.py").write_text(APP.format(name=f"night_{free_port()}"))
    (tmp_path / "jobs" / "nightly.py").write_text(NIGHTLY)
    return tmp_path


def called(root: Path, *arguments: str, code: int = 0) -> str:
    """What a command prints, called in this process."""
    absent = {name: None for name in os.environ if name.startswith(("TEMPORAL_", "EURYALE_"))}
    path, modules = list(sys.path), set(sys.modules)
    try:
        with chdir(root):
            done = CliRunner().invoke(cli, list(arguments), env={**absent, "COLUMNS": "200"})
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if name.partition(".")[0] in {"night", "jobs"}:
                del sys.modules[name]
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done.output


def test_a_time_that_is_no_firing_needs_no_server(project: Path) -> None:
    text = called(project, "why", "nightly", "2026-10-25T02:30+01:00", "--address", "127.0.0.1:1")
    assert "nightly  Sun 2026-10-25 02:30 CET  no firing" in text
    assert "02:30 comes twice, runs the first time only, by dst=once" in text
    text = called(project, "why", "nightly", "2026-01-05", "--address", "127.0.0.1:1")
    assert "nothing in its schedule (30 2 * * *: At 02:30) is at that time" in text
    assert (
        "the firing before was at Sun 2026-01-04 02:30 CET, and the one after is at "
        "Mon 2026-01-05 02:30 CET"
    ) in text


def test_a_firing_needs_a_server(project: Path) -> None:
    text = called(project, "why", "nightly", "--address", "127.0.0.1:1", "-o", "json", code=1)
    assert json.loads(text)["error"]["code"] == "EUR401"


def test_the_night_that_leaves_the_time_out_says_when_it_ran(
    project: Path, temporal_address: str
) -> None:
    text = called(project, "why", "nightly", "2026-03-29T02:30", "--address", temporal_address)
    assert "nightly  Sun 2026-03-29 02:30 CET  did not run" in text
    assert "surely  Temporal holds no schedule of this job" in text
    assert "surely  the clocks go forward from 02:00 to 03:00: 02:30 doesn't exist" in text
    assert "to do  `euryale apply`, or the start of a worker, makes it" in text
    assert "Sun 2026-03-29 03:00 CEST" in text


def test_without_a_time_the_last_and_the_next_firing_are_explained(
    project: Path, temporal_address: str
) -> None:
    told = json.loads(
        called(project, "why", "nightly", "--address", temporal_address, "-o", "json")
    )
    assert (told["name"], told["time_zone"]) == ("nightly", "Europe/Berlin")
    assert [answer["outcome"] for answer in told["answers"]] == ["did not run", "will not run"]
    for answer in told["answers"]:
        assert answer["reasons"][0]["kind"] == "not_applied"
        assert answer["reasons"][0]["certainty"] == "surely"
        assert answer["nominal"][11:16] == "02:30"


def test_an_unknown_job_and_a_wrong_time_are_refused(project: Path) -> None:
    assert "did you mean 'nightly'?" in called(project, "why", "nihgtly", code=1).lower()
    assert "is no time" in called(project, "why", "nightly", "yesterday", code=1)
